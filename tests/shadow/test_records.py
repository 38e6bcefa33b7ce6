"""CSV as records that keep their text."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.shadow.records import read_records


def test_a_line_break_inside_quotes_does_not_end_a_record() -> None:
    assert read_records(b'a,b\n1,"x\ny"\n2,z') == [b"a,b", b'1,"x\ny"', b"2,z"]


def test_a_doubled_quote_does_not_close() -> None:
    assert read_records(b'a\n"x""\n""y"\nz') == [b"a", b'"x""\n""y"', b"z"]


@given(st.binary())
def test_nothing_is_lost_and_there_is_always_a_header(body: bytes) -> None:
    records = read_records(body)
    assert b"\n".join(records) == body
    assert records

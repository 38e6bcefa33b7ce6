"""PostgreSQL's messages: cut the same way however they arrive."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.database.wire import (
    MessageReader,
    close_message,
    encode_values,
    execute_messages,
    frame,
    parse_message,
    read_fields,
)
from tests.bench.wire import read_statements

STARTUP = b"\0\0\0\x08\0\x03\0\0"


@given(
    st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=40)), max_size=8),
    st.lists(st.integers(1, 30), max_size=20),
)
def test_messages_are_the_same_however_they_are_cut(
    messages: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    sent = b"".join(frame(kind, body) for kind, body in messages)
    reader = MessageReader()
    found = []
    for cut in [*cuts, len(sent)]:
        part, sent = sent[:cut], sent[cut:]
        found += [(kind, bytes(body)) for kind, body in reader.feed(part)]
    assert found == messages
    assert not reader.waiting


def test_a_long_message_is_whole() -> None:
    body = bytes(range(256)) * 2000
    reader = MessageReader()
    sent = frame(ord("D"), body) + frame(ord("Z"), b"I")
    found = [message for at in range(0, len(sent), 65536) for message in reader.feed(sent[at : at + 65536])]
    assert [(kind, bytes(data)) for kind, data in found] == [(ord("D"), body), (ord("Z"), b"I")]


def test_the_columns_of_a_row() -> None:
    row = b"\0\x03" + b"\0\0\0\x02ab" + b"\xff\xff\xff\xff" + b"\0\0\0\0"
    assert read_fields(row) == read_fields(memoryview(row)) == [b"ab", None, b""]


def test_what_is_sent_is_what_postgresql_reads() -> None:
    sent = parse_message(b"one", "SELECT $1") + execute_messages(b"one", encode_values(["é"], [True, False]))
    (executed,) = read_statements(STARTUP + sent + close_message(b"one"))
    assert (executed.sql, executed.values) == ("SELECT $1", ("é".encode(),))

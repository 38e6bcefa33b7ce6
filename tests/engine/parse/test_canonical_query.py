"""The canonical form of a query string, as ``Content-Location`` shows it (reference 1.11)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.engine.parse.query import canonical_query, split_query


@pytest.mark.parametrize(
    ("query", "canonical"),
    [
        (b"", ""),
        (b"b=2&a=1", "a=1&b=2"),
        (b"a=1&c=3&b=2&d", "a=1&b=2&c=3&d="),
        (b"id=gt.1&id=lt.5", "id=gt.1,lt.5"),
        (b"id=lt.5&x=1&id=gt.1", "id=lt.5,gt.1&x=1"),
        (b"a=1,2", "a=1%2C2"),
        (b"a=x+y&b=x%20y", "a=x%20y&b=x%20y"),
        (b"a+b=1", "a%20b=1"),
        (b"a=-_.~", "a=-_.~"),
        (b"a=!*'()", "a=%21%2A%27%28%29"),
        (b"a=%2f%2F/", "a=%2F%2F%2F"),
        (b"B=1&a=1&A=1&b=1", "A=1&B=1&a=1&b=1"),
        (b"a.b=1&a=1&a-b=1", "a=1&a-b=1&a.b=1"),
        (b"%C3%A9=%C3%A9", "%C3%83%C2%A9=%C3%83%C2%A9"),
        ("é=é".encode(), "%C3%83%C2%A9=%C3%83%C2%A9"),
        (b"a=%zz%", "a=%25zz%25"),
        (b"a=%00", "a=%00"),
        (b"a=1;b=2", "a=1&b=2"),
        (b"a=1&", "a=1"),
        (b"&a=1", "=&a=1"),
        (b"a&a=1&a", "a=,1,"),
        (b"z=%C3%A9&%C3%A9=z", "z=%C3%83%C2%A9&%C3%83%C2%A9=z"),
    ],
)
def test_the_canonical_form_is_sorted_merged_and_encoded_anew(query: bytes, canonical: str) -> None:
    assert canonical_query(query) == canonical


def test_the_canonical_form_needs_no_grammar() -> None:
    assert canonical_query(b"order=((&select=%FF") == "order=%28%28&select=%C3%BF"


ascii_texts = st.text(st.characters(max_codepoint=127), max_size=6).map(str.encode)


@given(st.dictionaries(ascii_texts, ascii_texts, max_size=5))
@settings(deadline=None)
def test_the_canonical_form_holds_the_same_pairs_sorted(pairs: dict[bytes, bytes]) -> None:
    def encode(text: bytes) -> bytes:
        return b"".join(b"%%%02x" % byte for byte in text)

    query = b"&".join(encode(key) + b"=" + encode(value) for key, value in pairs.items())
    assert split_query(canonical_query(query).encode()) == sorted(pairs.items())


@given(st.binary(max_size=30))
@settings(deadline=None)
def test_any_bytes_have_a_canonical_form_of_plain_characters(query: bytes) -> None:
    assert canonical_query(query).isascii()
    assert not set(canonical_query(query)) & set(" \t\r\n\"'<>;#+")

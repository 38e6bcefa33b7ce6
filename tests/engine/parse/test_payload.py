"""What a request carries (reference 7.1)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.engine.parse.media import parse_media_type
from proxy.engine.parse.payload import Payload, decode_for_postgres, parse_payload
from proxy.errors import ApiError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def read(body: bytes, content: str = "application/json", columns: frozenset[str] | None = None) -> Payload:
    return parse_payload(body, parse_media_type(content), columns, function=False)


def refusal(body: bytes, content: str = "application/json") -> str:
    with pytest.raises(ApiError) as caught:
        read(body, content)
    assert (caught.value.status, caught.value.code) == (400, "PGRST102")
    return caught.value.message


@pytest.mark.parametrize(
    ("body", "keys"),
    [
        (b'{"b": 1, "a": 2}', {"a", "b"}),
        (b'[{"a": 1}, {"a": null}]', {"a"}),
        (b"{}", set()),
        (b"[{}, {}]", set()),
        (b'{"a": 1, "a": 2}', {"a"}),
        (b'{"a": ' + b"9" * 5000 + b"}", {"a"}),
        (b'{"a": 1e999999}', {"a"}),
    ],
)
def test_the_payload_stays_as_it_is_and_its_keys_are_known(body: bytes, keys: set[str]) -> None:
    assert read(body) == Payload(body, frozenset(keys))


@pytest.mark.parametrize("body", [b"3", b'"x"', b"null", b"true", b"[]"])
def test_what_is_no_row_is_no_row(body: bytes) -> None:
    assert read(body) == Payload(b"[]")


@pytest.mark.parametrize("body", [b"", b"{", b"NaN", b'{"a": \xff}', b'{"a": "\\ud800"}', b"{'a': 1}"])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    assert refusal(body) == "Empty or invalid json"


@pytest.mark.parametrize("body", [b'[{"a": 1}, {"b": 1}]', b'[{"a": 1}, 2]', b"[1]", b'[{}, {"a": 1}]'])
def test_rows_of_different_keys_are_refused(body: bytes) -> None:
    assert refusal(body) == "All object keys must match"


def test_with_columns_nothing_is_parsed() -> None:
    assert read(b"nonsense", columns=frozenset({"a"})) == Payload(b"nonsense", frozenset({"a"}))


def test_csv_is_text_but_for_the_word_null() -> None:
    payload = read(b'a,b\n1,NULL\n"NULL",\n', "text/csv")
    assert json.loads(payload.text) == [{"a": "1", "b": None}, {"a": None, "b": ""}]
    assert payload.keys == {"a", "b"}
    assert refusal(b"a,b\n1,2\n1\n", "text/csv") == "All lines must have same number of fields"
    assert refusal(b"a\n\xff\n", "text/csv") == "The payload is not valid UTF-8"


def test_of_a_form_the_last_value_counts() -> None:
    payload = read(b"a=1&b=x+y&a=%C3%A9", "application/x-www-form-urlencoded")
    assert json.loads(payload.text) == {"a": "é", "b": "x y"}
    assert refusal(b"a=%FF", "application/x-www-form-urlencoded") == "The payload is not valid UTF-8"


@pytest.mark.parametrize("content", ["text/plain", "application/octet-stream", "image/png"])
def test_other_content_is_refused(content: str) -> None:
    assert refusal(b"x", content) == f"Content-Type not acceptable: {content}"


@given(JSON)
def test_rows_of_one_key_set_are_kept_as_they_are(value: object) -> None:
    body = json.dumps(value, ensure_ascii=False).encode()
    rows = value if isinstance(value, list) else [value] if isinstance(value, dict) else []
    if all(isinstance(row, dict) and row.keys() == rows[0].keys() for row in rows):
        assert read(body).text == (body if rows else b"[]")
    else:
        assert refusal(body) == "All object keys must match"


@pytest.mark.parametrize(
    ("raw", "sequence"),
    [(b"a\xff", "0xff"), (b"\xc3(", "0xc3 0x28"), (b"a\0b", "0x00"), (b"\xe2\x82", "0xe2 0x82")],
)
def test_bytes_that_are_no_text_are_refused_as_postgresql_does(raw: bytes, sequence: str) -> None:
    with pytest.raises(ApiError) as caught:
        decode_for_postgres(raw)
    assert (caught.value.code, caught.value.message) == (
        "22021",
        f'invalid byte sequence for encoding "UTF8": {sequence}',
    )

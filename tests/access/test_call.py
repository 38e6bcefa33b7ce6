"""A call is the request that ``requests`` sends."""

import json
import math
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.access.call import Call, encode_headers, make_error, make_request, read_answer
from proxy.access.errors import AccessError, DBConflictError, DBQueryError, DBStatusError
from proxy.messages import Answer

URL = "http://postgrest:3000"

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.one_of(TEXTS, st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False))
PAIRS = st.lists(st.tuples(NAMES, st.one_of(VALUES, st.lists(VALUES, max_size=3))), max_size=4)
PARAMS = st.one_of(PAIRS, PAIRS.map(dict), st.none())
ROWS = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), TEXTS, st.floats(allow_nan=False, allow_infinity=False)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)


def send(table: str, params: Any, row: Any) -> requests.PreparedRequest:
    session = requests.Session()
    session.headers = {"Prefer": "x"}
    return session.prepare_request(requests.Request("POST", f"{URL}/{table}", params=params, json=row))


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["data_item", "rpc/latest", "Star Chart", "größe", "storage?select=a,b", "a%20b", "x#y"]),
    PARAMS,
    ROWS,
)
def test_target_and_body_are_those_of_requests(table: str, params: Any, row: Any) -> None:
    sent = send(table, params, row)
    made = make_request(Call(f"{URL}/{table}", "POST", table, params, row), encode_headers({"Prefer": "x"}))
    assert made.target.decode() == sent.path_url
    body = sent.body or b""
    assert made.body == (body if isinstance(body, bytes) else body.encode())
    headers = {name.decode().lower(): value.decode() for name, value in made.headers}
    expected = {name.lower(): value for name, value in sent.headers.items()}
    if row is None:
        expected.pop("content-length")
    assert headers == expected


def test_what_json_cannot_express_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        make_request(Call(URL, "POST", "x", None, {"a": math.nan}), ())


def test_headers_replace_the_default_ones_and_may_say_what_the_body_is() -> None:
    assert encode_headers(None) == ((b"Prefer", b"missing=default, return=representation"),)
    assert encode_headers({}) == encode_headers(None)
    headers = encode_headers({"content-type": "application/vnd.pgrst.object+json", "X": b"y", "Z": None})
    made = make_request(Call(URL, "POST", "x", None, {}), headers)
    assert [name for name, _ in made.headers] == [b"content-type", b"X", b"Content-Length"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, DBQueryError),
        (401, DBStatusError),
        (404, DBStatusError),
        (409, DBConflictError),
        (503, DBStatusError),
    ],
)
def test_a_status_is_an_error_with_all_that_was_told(status: int, kind: type[AccessError]) -> None:
    told = {"code": "X", "message": "no", "details": None, "hint": "try"}
    call = Call(f"{URL}/t", "GET", "t", {"a": "eq.1"})
    error = make_error(call, Answer(status, ((b"A", b"b"),), json.dumps(told).encode()))
    assert type(error) is kind
    assert (error.url, error.method, error.params, error.json) == (call.url, "GET", {"a": "eq.1"}, told)
    assert str(error) == f"GET {URL}/t: {status}: X: no: try"
    if isinstance(error, DBStatusError):
        assert (error.response.headers, error.response.json()) == ({"A": "b"}, told)


def test_an_error_may_tell_nothing() -> None:
    error = make_error(Call(URL, "GET", "t"), Answer(502, (), b"<html>"))
    assert error.json is None
    assert str(error) == f"GET {URL}: 502"


def test_an_answer_without_a_body_is_none() -> None:
    assert read_answer(Call(URL, "POST", "t"), Answer(201)) is None

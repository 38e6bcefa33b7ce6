"""Exchanges of live traffic on a tape: nothing secret, and nothing that a replay could not answer for."""

import base64
import json
from typing import Any

import pytest

from proxy.messages import Answer, Headers, Request
from proxy.shadow.redaction.secrets import Redaction
from proxy.tape.compare import deviations
from proxy.tape.format import RecordedExchange, format_exchange, parse_exchange
from proxy.tape.record import record_exchange

COLUMN = Redaction(frozenset({"config"}))
JSON = ((b"Content-Type", b"application/json; charset=utf-8"),)
HOST = (b"Host", b"db.example")
ROWS = Answer(
    200, (*JSON, (b"Content-Range", b"0-1/*"), (b"Date", b"now")), b'[{"uid":1.10},{"uid":2}]', b"OK"
)


def token(claims: Any) -> bytes:
    parts = ({"alg": "HS256"}, claims)
    coded = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    return b"Bearer " + b".".join(coded) + b".c2lnbmF0dXJl"


def record(
    query: str = "select=uid&order=uid", headers: Headers = (HOST,), answer: Answer = ROWS
) -> RecordedExchange | None:
    request = Request("GET", b"/storage?" + query.encode(), headers)
    return record_exchange(request, answer, COLUMN, number=7, area="rpc/x")


def recorded(*arguments: Any) -> RecordedExchange:
    found = record(*arguments)
    assert found is not None
    assert parse_exchange(format_exchange(found)) == found
    return found


def test_what_the_replay_adds_by_itself_is_left_out() -> None:
    headers = (HOST, (b"Accept-Encoding", b"gzip"), (b"User-Agent", b"x"), (b"Prefer", b"count=exact"))
    found = recorded("select=uid&order=uid", headers)
    assert found.request.headers == ((b"Prefer", b"count=exact"),)
    assert (found.request.target, found.request.body) == (b"/storage?select=uid&order=uid", None)
    assert found.answer.headers == (*JSON, (b"Content-Range", b"0-1/*"))
    assert (found.id, found.area, found.unordered, found.ignore) == ("rpc-x-00007", "rpc/x", False, ())
    assert deviations(found, ROWS) == []


@pytest.mark.parametrize(
    ("query", "unordered", "ignored"),
    [
        ("select=uid&order=uid", False, ()),
        ("select=uid", True, ()),
        ("select=uid,files(*)&order=uid", True, ()),
        ("select=uid&limit=5", True, ("body",)),
        ("select=uid&order=uid&limit=5", False, ()),
    ],
)
def test_what_a_request_leaves_open_is_not_held_against_a_replay(
    query: str, unordered: bool, ignored: tuple[str, ...]
) -> None:
    found = recorded(query)
    assert (found.unordered, found.ignore) == (unordered, ignored)


def test_a_token_is_kept_as_claims_without_what_is_its_own() -> None:
    claims = {"role": "editor", "sub": "7", "exp": 1, "iat": 2, "jti": "x", "session_id": "s", "api_key": "k"}
    found = recorded("order=uid", (HOST, (b"Authorization", token(claims))))
    assert json.loads(found.request.claims or "") == {"role": "editor", "sub": "7"}
    assert "Authorization" not in format_exchange(found)


@pytest.mark.parametrize("credential", [b"Basic am9lOnB3", b"Bearer abc", b"Bearer a.!!.c", token([1])])
def test_another_credential_cannot_be_asked_with_again(credential: bytes) -> None:
    assert record("order=uid", (HOST, (b"Authorization", credential))) is None


def test_a_token_that_was_refused_cannot_be_made_again() -> None:
    headers = (HOST, (b"Authorization", token({"role": "editor"})))
    assert record("order=uid", headers, Answer(401, JSON, b"{}")) is None


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("config=eq.s3cret", (HOST,)),
        ("uid=eq.1", (HOST, (b"apikey", b"s3cret-key"))),
        ("password=abcdef", (HOST,)),
    ],
)
def test_a_request_that_holds_what_has_to_be_hidden_is_not_recorded(query: str, headers: Headers) -> None:
    assert record(query, headers) is None


def test_a_cookie_is_left_out() -> None:
    found = recorded("order=uid", (HOST, (b"Cookie", b"session=s3cret-value")))
    assert "s3cret" not in format_exchange(found)


def test_an_answer_in_which_something_is_hidden_counts_by_its_status_and_headers() -> None:
    answer = Answer(200, (*JSON, (b"X-Api-Key", b"s3cret-key")), b'[{"uid":1,"config":"s3cret"}]')
    found = recorded("order=uid", (HOST,), answer)
    assert "s3cret" not in format_exchange(found)
    assert set(found.ignore) == {"body", "header:X-Api-Key"}
    assert deviations(found, answer) == []
    assert [one.part for one in deviations(found, Answer(500, answer.headers))] == ["status"]

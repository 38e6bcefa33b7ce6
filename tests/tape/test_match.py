"""A recorded answer is found for what ordinary clients make of a recorded request."""

from dataclasses import replace

import pytest

from proxy.messages import Answer, Headers, Request
from proxy.tape.format import RecordedExchange, RecordedRequest
from proxy.tape.match import RecordedAnswers
from proxy.tape.request import RequestSettings, build_request, sign
from tests.support.conformance import recorded, settings

SETTINGS = RequestSettings(b"recorded.example", token_secret=b"secret")
CLAIMS = '{"role":"x"}'


def exchange(name: str, request: RecordedRequest) -> RecordedExchange:
    return RecordedExchange(name, "a", "default", request, Answer(200))


TAPE = [
    exchange("plain", RecordedRequest("GET", b"/t?a=%C3%BC")),
    exchange("again", RecordedRequest("GET", b"/t?a=%C3%BC")),
    exchange("csv", RecordedRequest("GET", b"/t?a=%C3%BC", ((b"Accept", b"text/csv"),))),
    exchange("token", RecordedRequest("GET", b"/t?a=%C3%BC", claims=CLAIMS)),
    exchange(
        "two", RecordedRequest("GET", b"/t", ((b"Prefer", b"a"), (b"Range", b"0-1"), (b"Prefer", b"b")))
    ),
    exchange("custom", RecordedRequest("GET", b"/t", ((b"X-Gate", b"open"),))),
    exchange("post", RecordedRequest("POST", b"/t", body=b"[]")),
    exchange("empty", RecordedRequest("POST", b"/t", body=b"")),
]
ANSWERS = RecordedAnswers(TAPE, SETTINGS)


def found(method: str, target: bytes, headers: Headers = (), body: bytes = b"") -> str | None:
    match = ANSWERS.find(Request(method, target, headers, body))
    return None if match is None else match.id


def test_every_recorded_request_finds_an_answer_to_an_equal_request() -> None:
    exchanges = recorded()
    answers = RecordedAnswers(exchanges, settings())
    for one in exchanges:
        match = answers.find(build_request(one.request, settings()))
        assert match is not None
        assert match.answer == one.answer


def test_of_equal_requests_the_first_recorded_counts() -> None:
    assert found("GET", b"/t?a=%C3%BC") == "plain"
    assert len(ANSWERS) == len(TAPE) - 1


def test_what_clients_add_is_overlooked() -> None:
    added = (
        (b"Host", b"127.0.0.1:1234"),
        (b"User-Agent", b"python-requests"),
        (b"Accept-Encoding", b"gzip, deflate"),
        (b"Accept", b"*/*"),
        (b"Connection", b"keep-alive"),
        (b"Accept-Language", b"en"),
    )
    assert found("GET", b"/t?a=%C3%BC", added) == "plain"
    assert found("POST", b"/t", (*added, (b"Content-Length", b"2")), b"[]") == "post"


@pytest.mark.parametrize(
    ("method", "target"),
    [("HEAD", b"/t?a=%C3%BC"), ("get", b"/t?a=%C3%BC"), ("GET", b"/t?a=%c3%bc"), ("GET", "/t?a=ü".encode())],
)
def test_method_and_raw_target_must_be_equal(method: str, target: bytes) -> None:
    assert found(method, target) is None


@pytest.mark.parametrize(
    "header",
    [
        *((b"Prefer", b"count=exact"), (b"Authorization", b"Bearer x"), (b"Accept", b"text/html")),
        *((b"Accept-Profile", b"zoo"), (b"Origin", b"http://x"), (b"X-Gate", b"open")),
    ],
)
def test_a_header_that_matters_makes_another_request(header: tuple[bytes, bytes]) -> None:
    assert found("GET", b"/t?a=%C3%BC", (header,)) is None


def test_headers_matter_even_when_none_was_recorded() -> None:
    answers = RecordedAnswers(TAPE[:1], SETTINGS)
    assert answers.find(Request("GET", b"/t?a=%C3%BC", ((b"Authorization", b"Bearer x"),))) is None


def test_header_names_are_equal_in_any_case_and_order_but_values_of_one_name_keep_theirs() -> None:
    assert found("GET", b"/t", ((b"range", b"0-1"), (b"PREFER", b"a "), (b"prefer", b"b"))) == "two"
    assert found("GET", b"/t", ((b"Prefer", b"b"), (b"Prefer", b"a"), (b"Range", b"0-1"))) is None


def test_a_header_of_a_database_function_matters_once_it_was_recorded() -> None:
    assert found("GET", b"/t", ((b"x-gate", b"open"),)) == "custom"
    assert found("GET", b"/t", ((b"x-gate", b"shut"),)) is None


def test_claims_are_matched_by_their_signed_token() -> None:
    token = b"Bearer " + sign(CLAIMS, SETTINGS)
    assert found("GET", b"/t?a=%C3%BC", ((b"Authorization", token),)) == "token"


def test_bodies_must_be_equal_and_none_is_an_empty_one() -> None:
    assert found("POST", b"/t", (), b"[]") == "post"
    assert found("POST", b"/t") == "empty"
    assert found("POST", b"/t", (), b"[ ]") is None


def test_a_cookie_that_was_not_recorded_is_overlooked() -> None:
    assert found("GET", b"/t?a=%C3%BC", ((b"Cookie", b"a=1"),)) == "plain"


def test_a_recorded_cookie_is_told_apart() -> None:
    with_cookie = replace(TAPE[0], id="cookie", request=RecordedRequest("GET", b"/t", ((b"Cookie", b"a=1"),)))
    answers = RecordedAnswers([*TAPE[:1], with_cookie], SETTINGS)
    match = answers.find(Request("GET", b"/t", ((b"cookie", b"a=1"),)))
    assert match is not None
    assert match.id == "cookie"

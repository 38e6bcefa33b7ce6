"""What lies around every answer: cross-origin headers (reference 8.6) and the trace header (0.2)."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config import EngineConfig
from proxy.engine.edge import add_origin, add_trace, answer_preflight
from proxy.messages import Answer, Header, Headers, Request
from tests.engine.parse.recorded import every_exchange, options_of, request_of

OPEN = EngineConfig(db_schemas=("dlm",))
SOME = replace(OPEN, server_cors_allowed_origins=("https://a.example", "https://b.example"))
TRACED = replace(OPEN, server_trace_header="X-Request-Id")

ORIGIN = (b"Origin", b"https://a.example")
WILL_GET = (b"Access-Control-Request-Method", b"GET")
ANYONE = (b"Access-Control-Allow-Origin", b"*")
CALLER = (b"Access-Control-Allow-Origin", b"https://a.example")
CREDENTIALS = (b"Access-Control-Allow-Credentials", b"true")
METHODS = (b"Access-Control-Allow-Methods", b"GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD")
MAX_AGE = (b"Access-Control-Max-Age", b"86400")
EXPOSED = (
    b"Access-Control-Expose-Headers",
    b"Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, "
    b"Transfer-Encoding, Range-Unit",
)

ANSWER = Answer(200, ((b"Content-Type", b"text/plain"), (b"Allow", b"GET")), b"body")


def preflight(*headers: Header, options: EngineConfig = OPEN, method: str = "OPTIONS") -> Answer | None:
    return answer_preflight(Request(method, b"/items", headers), options)


def finish(answer: Answer, request: Request, options: EngineConfig) -> Answer:
    """``answer`` as it leaves the house."""
    return add_trace(add_origin(answer, request, options), request, options)


def finished(*headers: Header, options: EngineConfig = OPEN, method: str = "GET") -> Headers:
    return finish(ANSWER, Request(method, b"/items", headers), options).headers


# Preflights


def test_a_preflight_is_answered_with_what_is_allowed() -> None:
    assert preflight(ORIGIN, WILL_GET) == Answer(200, (ANYONE, METHODS, MAX_AGE))


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "PUT", "DELETE", "OPTIONS", "HEAD"])
def test_every_known_method_is_allowed(method: str) -> None:
    assert preflight(ORIGIN, (b"access-control-request-method", method.encode())) is not None


@pytest.mark.parametrize("method", [b"FOO", b"get", b"TRACE", b"", b"GET, POST"])
def test_asking_for_another_method_is_no_preflight(method: bytes) -> None:
    assert preflight(ORIGIN, (b"Access-Control-Request-Method", method)) is None


@pytest.mark.parametrize("headers", [(), (ORIGIN,), (WILL_GET,)])
def test_a_preflight_has_an_origin_and_names_a_method(headers: Headers) -> None:
    assert preflight(*headers) is None


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "options"])
def test_only_options_asks_for_a_preflight(method: str) -> None:
    assert preflight(ORIGIN, WILL_GET, method=method) is None


@pytest.mark.parametrize(
    ("wanted", "allowed"),
    [
        (
            b"Content-Type, Prefer",
            b"Authorization, Content-Type, Prefer, Accept, Accept-Language, Content-Language",
        ),
        (b"x-a,x-b , x-c", b"Authorization, x-a, x-b, x-c, Accept, Accept-Language, Content-Language"),
        (b"", b"Authorization, Accept, Accept-Language, Content-Language"),
        (b"accept", b"Authorization, accept, Accept-Language, Content-Language"),
        (
            b"x-a, authorization",
            b"Authorization, x-a, authorization, Accept, Accept-Language, Content-Language",
        ),
    ],
)
def test_the_headers_asked_for_are_allowed_between_those_that_always_are(
    wanted: bytes, allowed: bytes
) -> None:
    answer = preflight(ORIGIN, WILL_GET, (b"Access-Control-Request-Headers", wanted))
    assert answer is not None
    assert answer.headers == (ANYONE, METHODS, (b"Access-Control-Allow-Headers", allowed), MAX_AGE)


def test_with_a_list_of_origins_the_caller_is_named() -> None:
    assert preflight(ORIGIN, WILL_GET, options=SOME) == Answer(200, (CALLER, CREDENTIALS, METHODS, MAX_AGE))


@pytest.mark.parametrize(
    "origin", [b"https://evil.example", b"https://a.example/", b"HTTPS://A.EXAMPLE", b"null", b"", b"\xff"]
)
def test_a_preflight_from_another_origin_is_an_ordinary_request(origin: bytes) -> None:
    assert preflight((b"Origin", origin), WILL_GET, options=SOME) is None


# All other answers


def test_without_an_origin_nothing_is_added() -> None:
    request = Request("GET", b"/items", ((b"Accept", b"*/*"),))
    assert finish(ANSWER, request, OPEN) == ANSWER
    assert finish(ANSWER, request, SOME) == ANSWER


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "FOO"])
def test_an_origin_is_let_in_behind_the_other_headers(method: str) -> None:
    assert finished(ORIGIN, method=method) == (*ANSWER.headers, ANYONE, EXPOSED)


def test_an_origin_from_the_list_is_named() -> None:
    assert finished(ORIGIN, options=SOME) == (*ANSWER.headers, CALLER, CREDENTIALS, EXPOSED)
    other = (b"origin", b"https://b.example")
    assert finished(other, options=SOME)[2] == (b"Access-Control-Allow-Origin", b"https://b.example")


def test_another_origin_is_answered_as_if_there_were_none() -> None:
    assert finished((b"Origin", b"https://evil.example"), options=SOME) == ANSWER.headers


@pytest.mark.parametrize("headers", [(ORIGIN,), (ORIGIN, (b"Access-Control-Request-Method", b"FOO"))])
@pytest.mark.parametrize("options", [OPEN, SOME])
def test_options_that_is_no_preflight_is_answered_without_cross_origin_headers(
    headers: Headers, options: EngineConfig
) -> None:
    assert finished(*headers, method="OPTIONS", options=options) == ANSWER.headers


def test_the_answers_own_headers_stay_even_if_they_are_cross_origin_ones() -> None:
    own = Answer(200, ((b"Access-Control-Allow-Origin", b"https://mine"),))
    answer = finish(own, Request("GET", b"/", (ORIGIN,)), OPEN)
    assert answer.headers == (*own.headers, ANYONE, EXPOSED)


def test_nothing_but_headers_changes() -> None:
    answer = finish(ANSWER, Request("GET", b"/", (ORIGIN,)), TRACED)
    assert answer._replace(headers=ANSWER.headers) == ANSWER


# The trace header


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        ((), b""),
        (((b"X-Request-Id", b"abc"),), b"abc"),
        (((b"x-request-id", b"abc"),), b"abc"),
        (((b"X-Request-Id", b"first"), (b"X-Request-Id", b"second")), b"first"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
def test_the_trace_header_stands_first_on_every_answer(sent: Headers, value: bytes, method: str) -> None:
    assert finished(*sent, options=TRACED, method=method) == ((b"X-Request-Id", value), *ANSWER.headers)


def test_the_trace_header_stands_in_front_and_the_origin_behind() -> None:
    headers = finished(ORIGIN, (b"X-Request-Id", b"abc"), options=TRACED)
    assert headers == ((b"X-Request-Id", b"abc"), *ANSWER.headers, ANYONE, EXPOSED)


def test_a_preflight_is_traced_without_being_let_in_twice() -> None:
    request = Request("OPTIONS", b"/items", (ORIGIN, WILL_GET, (b"X-Request-Id", b"abc")))
    answer = answer_preflight(request, TRACED)
    assert answer is not None
    assert finish(answer, request, TRACED).headers == ((b"X-Request-Id", b"abc"), ANYONE, METHODS, MAX_AGE)


# Anything, and the oracle


@given(
    st.sampled_from(["GET", "OPTIONS"]),
    st.lists(
        st.tuples(
            st.sampled_from([b"Origin", b"Access-Control-Request-Method", b"Access-Control-Request-Headers"]),
            st.binary(max_size=12) | st.sampled_from([b"GET", b"https://a.example"]),
        ),
        max_size=4,
    ),
    st.sampled_from([OPEN, SOME, TRACED]),
)
@settings(deadline=None)
def test_any_headers_can_be_answered(method: str, headers: list[Header], options: EngineConfig) -> None:
    request = Request(method, b"/items", tuple(headers))
    answer = answer_preflight(request, options)
    assert answer is None or answer.status == 200
    assert finish(ANSWER, request, options).body == ANSWER.body


def _cross_origin(headers: Headers) -> list[Header]:
    return [header for header in headers if header[0].lower().startswith(b"access-control-")]


def _trace(headers: Headers, options: EngineConfig) -> list[bytes]:
    name = (options.server_trace_header or "").lower().encode()
    return [value for key, value in headers if key.lower() == name]


def test_every_recorded_answer_has_the_edge_we_give_it() -> None:
    compared, differing = 0, {}
    for exchange in every_exchange():
        request, options = request_of(exchange), options_of(exchange.variant)
        recorded, allowed = exchange.answer.headers, _cross_origin(exchange.answer.headers)
        answer = answer_preflight(request, options)
        if answer is None:
            # The database's own headers, and the one that OPTIONS always sends (reference 8.5), come first.
            ours = _cross_origin(finish(Answer(200), request, options).headers)
            own = allowed[: len(allowed) - len(ours)]
            answer = Answer(200, tuple(header for header in own if header != EXPOSED))
        headers = finish(answer, request, options).headers
        if (_cross_origin(headers), _trace(headers, options)) != (allowed, _trace(recorded, options)):
            differing[exchange.id] = (headers, recorded)
        compared += request.header(b"origin") is not None or options.server_trace_header is not None
    assert differing == {}
    assert compared >= 50

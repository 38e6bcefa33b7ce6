"""The root document as an answer."""

import pytest

from proxy.config import EngineConfig
from proxy.engine.openapi.inspection import Inspection
from proxy.engine.openapi.response import make_root_response, refuse_media_types
from proxy.engine.parse.request import ApiRequest, parse_request
from proxy.engine.schema import Schema
from proxy.errors import ApiError
from proxy.messages import Request

TWO = EngineConfig(db_schemas=("api", "ünder"))


def parse(method: str = "GET", accept: bytes | None = None, options: EngineConfig = TWO) -> ApiRequest:
    headers = () if accept is None else ((b"Accept", accept),)
    return parse_request(Request(method, b"/", headers), options)


@pytest.mark.parametrize(
    "accept",
    [
        None,
        b"*/*",
        b"application/json",
        b"application/openapi+json",
        b"text/html, application/json;q=0.1",
        b"application/json; charset=utf-8",
    ],
)
def test_it_is_sent_to_whoever_accepts_json(accept: bytes | None) -> None:
    refuse_media_types(parse(accept=accept))


@pytest.mark.parametrize(
    ("accept", "names"),
    [
        (b"text/csv", "text/csv"),
        (b"text/html, text/csv", "text/html, text/csv"),
        (b"application/vnd.pgrst.object", "application/vnd.pgrst.object+json"),
        (b"", ""),
    ],
)
def test_it_is_refused_to_others(accept: bytes, names: str) -> None:
    with pytest.raises(ApiError) as raised:
        refuse_media_types(parse(accept=accept))
    assert (raised.value.status, raised.value.code) == (406, "PGRST107")
    assert raised.value.message == f"None of these media types are available: {names}"


def test_it_is_labelled_as_openapi_whatever_was_asked_for() -> None:
    answer = make_root_response(parse(accept=b"application/json"), Schema(), TWO, Inspection())
    assert answer.status == 200
    assert answer.headers == (
        (b"Content-Type", b"application/openapi+json; charset=utf-8"),
        (b"Content-Length", str(len(answer.body)).encode()),
        (b"Content-Profile", b"api"),
    )
    assert answer.body.startswith(b'{"swagger":"2.0","info":{')


def test_where_one_schema_is_exposed_none_is_named() -> None:
    options = EngineConfig(db_schemas=("api",))
    answer = make_root_response(parse(options=options), Schema(), options, Inspection())
    assert answer.header(b"content-profile") is None


def test_head_has_neither_body_nor_length() -> None:
    answer = make_root_response(parse("HEAD"), Schema(), TWO, Inspection())
    assert [name for name, _ in answer.headers] == [b"Content-Type", b"Content-Profile"]
    assert answer.body == b""


def test_text_that_is_not_ascii_is_utf_8() -> None:
    answer = make_root_response(parse(), Schema(), TWO, Inspection("Übersicht 😀"))
    assert "Übersicht 😀".encode() in answer.body

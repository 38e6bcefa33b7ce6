"""The settings of a request's transaction."""

import json

import pytest

from proxy.config import EngineConfig
from proxy.engine.auth.claims import Identity
from proxy.engine.schema import Schema
from proxy.engine.sql.session import make_session
from proxy.messages import Headers, Request


def settings(*headers: tuple[bytes, bytes]) -> dict[str, str]:
    made: Headers = headers
    session = make_session(
        Request("GET", b"/items?id=eq.1", made),
        Identity("anon", {"role": "anon"}),
        EngineConfig(db_anon_role="anon"),
        Schema(),
        namespace="api",
        read_only=True,
    )
    return dict(session.settings)


@pytest.mark.parametrize(
    ("cookie", "expected"),
    [
        (b"a=1; b=2", {"a": "1", "b": "2"}),
        (b"a=1;b=2;", {"a": "1", "b": "2"}),
        (b"a=1; a=2", {"a": "2"}),
        (b'a="x y";  b=c=d', {"a": '"x y"', "b": "c=d"}),
        (b"lonely; =nameless", {"lonely": "", "": "nameless"}),
        (b"a=1 ; b = 2", {"a": "1 ", "b ": " 2"}),
        (b"", {}),
    ],
)
def test_cookies_are_read_loosely(cookie: bytes, expected: dict[str, str]) -> None:
    assert json.loads(settings((b"Cookie", cookie))["request.cookies"]) == expected


def test_of_several_cookie_headers_the_first_counts_and_none_is_a_header() -> None:
    made = settings((b"cookie", b"a=1"), (b"X-A", b"1"), (b"Cookie", b"b=2"), (b"x-a", b"2"))
    assert json.loads(made["request.cookies"]) == {"a": "1"}
    assert json.loads(made["request.headers"]) == {"x-a": "2"}


def test_without_cookies_there_is_an_empty_object() -> None:
    assert settings()["request.cookies"] == "{}"

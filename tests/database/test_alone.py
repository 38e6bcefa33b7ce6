"""An engine behind which nobody stands: no schema cache, no database, and the order of checks."""

import json
from collections.abc import AsyncIterator

import jwt
import pytest

from proxy.config import EngineConfig
from proxy.database.alone import answer_alone
from proxy.database.connection import Database
from proxy.database.snapshot import EngineSnapshot
from proxy.engine.schema import Relation, Schema
from proxy.messages import Headers, Request

SECRET = "a-secret-of-thirty-two-bytes-or-more"
OPTIONS = EngineConfig(
    db_uri="postgresql://nobody@127.0.0.1:1/x",
    db_schemas=("api",),
    db_anon_role="anon",
    jwt_secret=SECRET,
    server_trace_header="X-Id",
)
SCHEMA = Schema(relations={("api", "items"): Relation("api", "items", {})})
ORIGIN = (b"Origin", b"http://there")


@pytest.fixture
async def database() -> AsyncIterator[Database]:
    made = Database(OPTIONS, connections=1, application_name="us")
    yield made
    await made.close()


def token(secret: str) -> tuple[bytes, bytes]:
    return b"Authorization", b"Bearer " + jwt.encode({"role": "r"}, secret, "HS256").encode()


@pytest.mark.parametrize(
    ("target", "headers", "status", "code"),
    [
        (b"/items", (), 503, "PGRST002"),
        (b"/no/such/path", (), 503, "PGRST002"),
        (b"/items", (token(SECRET),), 503, "PGRST002"),
        (b"/items", (token("x" * 40),), 401, "PGRST301"),
        (b"/items", ((b"Authorization", b"Bearer "),), 401, "PGRST301"),
    ],
)
async def test_without_a_schema_cache_only_a_bad_token_is_told_before_that(
    database: Database, target: bytes, headers: Headers, status: int, code: str
) -> None:
    request = Request("GET", target, (*headers, ORIGIN, (b"X-Id", b"7")))
    answer = await answer_alone(request, OPTIONS, None, database)
    assert (answer.status, json.loads(answer.body)["code"]) == (status, code)
    assert answer.headers[0] == (b"X-Id", b"7")
    assert answer.header(b"access-control-allow-origin") == b"*"
    assert answer.header(b"retry-after") == (b"0" if status == 503 else None)


async def test_a_preflight_needs_no_schema_cache(database: Database) -> None:
    headers = (ORIGIN, (b"Access-Control-Request-Method", b"GET"))
    answer = await answer_alone(Request("OPTIONS", b"/items", headers), OPTIONS, None, database)
    assert answer.status == 200


async def test_an_error_has_no_body_for_head_but_its_length(database: Database) -> None:
    answer = await answer_alone(Request("HEAD", b"/items"), OPTIONS, None, database)
    assert (answer.status, answer.body) == (503, b"")
    assert int(answer.header(b"content-length") or 0) > 50


async def test_a_database_that_is_away_is_a_503_with_all_that_lies_around_it(database: Database) -> None:
    snapshot = EngineSnapshot(OPTIONS, SCHEMA)
    request = Request("GET", b"/items", (ORIGIN, (b"X-Id", b"7")))
    answer = await answer_alone(request, OPTIONS, snapshot, database)
    assert (answer.status, json.loads(answer.body)["code"]) == (503, "PGRST000")
    assert answer.headers[:2] == ((b"X-Id", b"7"), (b"Retry-After", b"0"))
    assert answer.header(b"access-control-allow-origin") == b"*"


async def test_a_release_that_has_no_such_header_sends_none(database: Database) -> None:
    options = EngineConfig(compat="12", db_anon_role="anon")
    answer = await answer_alone(Request("GET", b"/items"), options, None, database)
    assert answer.status == 503
    assert answer.header(b"proxy-status") is None

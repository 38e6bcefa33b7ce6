"""What the real PostgREST answered to recorded requests comes back from the engine as values and errors."""

import json
import os
from collections import Counter
from typing import Any

from proxy.access.call import Call
from proxy.access.engine import Engine
from proxy.access.engine_calls import ask_engine
from proxy.access.errors import AccessError, DBConflictError, DBQueryError, DBStatusError
from proxy.access.place import find_place
from proxy.tape.format import RecordedExchange
from proxy.tape.replay import sequence_reset
from tests.support.conformance import recorded
from tests.support.database import ConformanceDatabase

EVERY = 4
METHODS = ("GET", "POST", "PATCH", "DELETE")


def is_a_call(exchange: RecordedExchange) -> bool:
    """Whether somebody could have made it by one of the four methods, and it leaves no trace."""
    request, headers = exchange.request, {name.lower(): value for name, value in exchange.request.headers}
    return (
        request.method in METHODS
        and headers.keys() <= {b"prefer", b"content-type"}
        and headers.get(b"content-type", b"application/json") == b"application/json"
        and (request.method == "GET" or b"tx=rollback" in headers.get(b"prefer", b""))
        and request.claims is None
        and not exchange.accident
        and not exchange.ignore
        and not exchange.unordered
        and exchange.body_omitted is None
        and not request.target.startswith((b"/?", b"/rpc"))
        and len(request.target) > 1
        and is_json(request.body)
    )


def is_json(body: bytes | None) -> bool:
    """Whether the body is no more than a value that ``json=`` would send."""
    try:
        return not body or json.dumps(json.loads(body)) != "null"
    except ValueError:
        return False


def read_expected(exchange: RecordedExchange) -> tuple[str, Any]:
    status, body = exchange.answer.status, exchange.answer.body
    if status >= 400:
        kind = {400: DBQueryError, 409: DBConflictError}.get(status, DBStatusError)
        return f"{kind.__name__} {status}", json.loads(body)
    return "value", json.loads(body) if body else None


async def read_actual(engine: Engine, exchange: RecordedExchange) -> tuple[str, Any]:
    request = exchange.request
    path, _, query = request.target.decode().removeprefix("/").partition("?")
    call = Call("", request.method, path, query, json.loads(request.body) if request.body else None)
    headers = tuple((name, value) for name, value in request.headers if name.lower() == b"prefer")
    try:
        return "value", await ask_engine(engine, call, headers, 60)
    except AccessError as error:
        return f"{type(error).__name__} {error.status}", error.json


async def test_recorded_calls_come_to_what_postgrest_answered(
    configured: None, conformance_database: ConformanceDatabase
) -> None:
    calls = [exchange for exchange in recorded() if is_a_call(exchange)][::EVERY]
    place = find_place(None, os.environ)
    assert place.read_options is not None
    engine, wrong, kinds = Engine(place.read_options), [], Counter[str]()
    async with sequence_reset(conformance_database.url) as reset:
        assert reset is not None
        try:
            for exchange in calls:
                if exchange.request.method != "GET":
                    await reset()
                expected, actual = read_expected(exchange), await read_actual(engine, exchange)
                kinds[expected[0]] += 1
                if actual != expected:
                    wrong.append((exchange.id, expected, actual))
        finally:
            await engine.close()
    assert wrong == []
    assert len(calls) > 400
    assert {"value", "DBQueryError 400", "DBConflictError 409"} <= kinds.keys()

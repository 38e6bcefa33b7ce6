"""The engine's one function: a request in, an answer out, with the database in between.

A request is two pure halves around one transaction.
"""

import time
from dataclasses import replace

from proxy.database.connection import Database, Transaction
from proxy.database.snapshot import EngineSnapshot
from proxy.engine.auth.claims import identify
from proxy.engine.edge import answer_preflight, finish
from proxy.engine.parse.request import parse_request
from proxy.engine.plan.read import make_read_plan
from proxy.engine.plan.types import ReadShape
from proxy.engine.response import Rows, check_rows, make_response
from proxy.engine.sql.build import build_statement, collect_values
from proxy.engine.sql.session import Session, make_session
from proxy.errors import ApiError, Unsupported, render_error
from proxy.messages import Answer, Request

_MOST_PINS = 10_000
_TOO_DEEP = ApiError(400, "PGRST100", "The request is nested too deeply")


async def answer(request: Request, snapshot: EngineSnapshot, database: Database) -> Answer:
    """What PostgREST would answer to ``request``, its errors included.

    Raises Unsupported for what the engine does not do, and nothing else that a request can cause.
    """
    preflight = answer_preflight(request, snapshot.options)
    if preflight is not None:
        return preflight
    try:
        answered = await _answer(request, snapshot, database)
    except (ApiError, RecursionError) as error:
        answered = render_error(error if isinstance(error, ApiError) else _TOO_DEEP)
    if request.method == "HEAD":
        answered = replace(answered, body=b"")
    return finish(answered, request, snapshot.options)


async def _answer(request: Request, snapshot: EngineSnapshot, database: Database) -> Answer:
    options, schema = snapshot.options, snapshot.schema
    identity = identify(request, options, time.time())
    wanted = parse_request(request, options)
    if wanted.resource != "relation" or wanted.action != "read":
        raise Unsupported(f"{wanted.action} of {wanted.resource}")
    plan = make_read_plan(wanted, schema, options)
    session = make_session(
        request, identity, options, schema, namespace=plan.schema, read_only=True, timezone=plan.timezone
    )
    async with database.begin(session) as transaction:
        rows = await _read(plan.shape, session, transaction, database)
        check_rows(plan, rows)
    return make_response(plan, rows, request)


async def _read(shape: ReadShape, session: Session, transaction: Transaction, database: Database) -> Rows:
    probe = build_statement(shape)
    key = (probe.sql, session.search_path)
    pins = database.pins.get(key)
    if pins is None:
        pins = await transaction.describe(probe.sql)
        if len(database.pins) >= _MOST_PINS:
            database.pins.clear()
        database.pins[key] = pins
    return await transaction.fetch(build_statement(shape, pins).sql, collect_values(shape))

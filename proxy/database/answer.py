"""The engine's one function: a request in, an answer out, with the database in between.

A request is two pure halves around one transaction.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from proxy.database.connection import AnswersReads, Database
from proxy.database.rows import read_rows
from proxy.database.snapshot import EngineSnapshot
from proxy.database.timing import Timing
from proxy.database.transaction import Transaction
from proxy.database.wire import encode_values
from proxy.engine.auth.claims import Identity, identify
from proxy.engine.dialect import Dialect, find_dialect
from proxy.engine.edge import add_origin, add_trace, answer_preflight
from proxy.engine.openapi.inspection import Inspection
from proxy.engine.openapi.response import make_root_response, refuse_media_types
from proxy.engine.parse.request import ApiRequest, parse_request
from proxy.engine.plan.make import find_target, make_plan
from proxy.engine.plan.whole import Plan
from proxy.engine.prepare import Prepared, Query, make_prepared
from proxy.engine.response import (
    Rows,
    add_estimate,
    check_rows,
    make_info,
    make_plan_response,
    make_response,
    may_refuse,
    needs_estimate,
)
from proxy.engine.sql.session import Rehearsal, Session, make_session
from proxy.errors import ApiError, EngineDown, render_error
from proxy.messages import Answer, Request

_LONG_TARGET = 2048
_LONG_BODY = 64 * 1024
"""Longer ones are worked on off the event loop: others' requests shall not wait for them."""
_WITHOUT_BODY = (204, 304)
_MOST_ATTEMPTS = 20
"""How often a transaction that met another is tried again; PostgREST never stops (reference 0.6)."""
_CANCELED = "57014"
_TOO_DEEP = ApiError(400, "PGRST100", "The request is nested too deeply")

_Result = TypeVar("_Result")
_Given = ParamSpec("_Given")


async def answer(
    request: Request, snapshot: EngineSnapshot, database: Database, *, rehearsal: Rehearsal | None = None
) -> Answer:
    """What PostgREST would answer to ``request``, its errors included. A ``rehearsal`` leaves no trace.

    Raises Unsupported for what the engine does not do, before anything is done; EngineDown when it cannot
    reach its database; and nothing else that a request can cause.
    """
    options = snapshot.options
    answered = answer_preflight(request, options)
    if answered is None:
        answered = add_origin(await _answer(request, snapshot, database, rehearsal), request, options)
    return add_trace(answered, request, options)


async def _answer(
    request: Request, snapshot: EngineSnapshot, database: Database, rehearsal: Rehearsal | None
) -> Answer:
    timed = snapshot.options.server_timing_enabled
    timing = Timing(time.perf_counter, interested=timed)
    dialect = find_dialect(snapshot.options.compat)
    try:
        answered = await _ask(request, snapshot, database, timing, dialect, rehearsal)
        if timed:
            answered = answered._replace(headers=(*answered.headers, timing.header()))
    except (ApiError, RecursionError) as error:
        refusal = error if isinstance(error, ApiError) else _TOO_DEEP
        answered = render_error(refusal, proxy_status=dialect.proxy_status)
    if request.method == "HEAD" or answered.status in _WITHOUT_BODY:
        answered = answered._replace(body=b"")
    return answered


async def _ask(
    request: Request,
    snapshot: EngineSnapshot,
    database: Database,
    timing: Timing,
    dialect: Dialect,
    rehearsal: Rehearsal | None,
) -> Answer:
    options, schema = snapshot.options, snapshot.schema
    identity = identify(request, options, time.time())
    timing.lap("jwt")
    prepared = database.plans.find(request, snapshot)
    if prepared is not None:
        timing.lap("parse")
        timing.lap("plan")
        plan = prepared.plan

        def make() -> Session:
            return _make_session(plan, request, identity, snapshot, rehearsal)

        session = make() if rehearsal else database.plans.recall_session(plan, request.headers, make)
        return await _carry_out(prepared, session, request, database, dialect, timing)
    long = len(request.target) > _LONG_TARGET or len(request.body) > _LONG_BODY
    wanted = await _work(long, parse_request, request, options)
    timing.lap("parse")
    if wanted.action == "info":
        return make_info(find_target(wanted, schema, options))
    if wanted.resource == "root":
        return await _describe(request, wanted, identity, snapshot, database, dialect, timing)
    plan = await _work(long, make_plan, wanted, schema, options)
    prepared = await _work(long, make_prepared, plan)
    timing.lap("plan")
    session = _make_session(plan, request, identity, snapshot, rehearsal)
    return await _carry_out(prepared, session, request, database, dialect, timing)


async def _work(
    long: bool, work: Callable[_Given, _Result], *given: _Given.args, **more: _Given.kwargs
) -> _Result:
    """What ``work`` makes of what it is given, off the event loop if that takes ``long``."""
    return await asyncio.to_thread(work, *given, **more) if long else work(*given, **more)


def _make_session(
    plan: Plan,
    request: Request,
    identity: Identity,
    snapshot: EngineSnapshot,
    rehearsal: Rehearsal | None,
) -> Session:
    return make_session(
        request,
        identity,
        snapshot.options,
        snapshot.schema,
        namespace=plan.schema,
        read_only=plan.read_only,
        rollback=plan.rollback,
        timezone=plan.timezone,
        function=plan.function,
        rehearsal=rehearsal,
        quiet=bool(plan.shape.quiet),
    )


async def _carry_out(
    prepared: Prepared,
    session: Session,
    request: Request,
    database: Database,
    dialect: Dialect,
    timing: Timing,
) -> Answer:
    plan = prepared.plan

    def ask(database: Database) -> Awaitable[Rows | list[str]]:
        return _run(prepared, session, database, dialect)

    result = None
    if database.replica is not None and database.replica.may_read(plan, session):
        result = await _try_replica(database.replica, ask)
    if result is None:
        result = await _try(database, dialect, ask)
    timing.lap("transaction")
    if isinstance(result, Rows):
        return make_response(plan, result, request, dialect)
    return make_plan_response(plan, result)


async def _describe(
    request: Request,
    wanted: ApiRequest,
    identity: Identity,
    snapshot: EngineSnapshot,
    database: Database,
    dialect: Dialect,
    timing: Timing,
) -> Answer:
    """The root document. Large schemas make large documents, so it is written off the event loop."""
    options, schema = snapshot.options, snapshot.schema
    refuse_media_types(wanted)
    session = make_session(request, identity, options, schema, namespace=wanted.schema, read_only=True)
    timing.lap("plan")

    def ask(database: Database) -> Awaitable[Inspection]:
        return database.transact(session, lambda transaction: transaction.inspect(wanted.schema, options))

    inspection = await _try(database, dialect, ask)
    timing.lap("transaction")
    return await asyncio.to_thread(make_root_response, wanted, schema, options, inspection)


async def _try_replica(
    replica: AnswersReads, ask: Callable[[Database], Awaitable[_Result]]
) -> _Result | None:
    """What the replica answers; None where the primary has to say.

    It may have no table yet that the schema cache has, give way to what it replays, or be gone. Only what
    took too long there is not tried again.
    """
    try:
        return await ask(replica.database)
    except EngineDown:
        replica.distrust()
        return None
    except ApiError as error:
        if error.code == _CANCELED:
            raise
        return None


async def _try(
    database: Database, dialect: Dialect, ask: Callable[[Database], Awaitable[_Result]]
) -> _Result:
    """What the database answers, asked again where another transaction stood in the way."""
    for attempt in range(1, _MOST_ATTEMPTS + 1):
        try:
            return await ask(database)
        except ApiError as error:
            if error.code not in dialect.retried or attempt == _MOST_ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def _run(
    prepared: Prepared, session: Session, database: Database, dialect: Dialect
) -> Awaitable[Rows | list[str]]:
    plan, query = prepared.plan, prepared.statement
    if plan.shape.explain is not None:
        return database.transact(
            session, lambda transaction: transaction.fetch_lines(query.sql, query.values)
        )
    values = encode_values(query.values, query.binary)
    if prepared.estimate is None and not may_refuse(plan):
        return database.fetch(session, query.sql, values)

    async def work(transaction: Transaction) -> Rows:
        rows = read_rows(await transaction.fetch(query.sql, values))
        check_rows(plan, rows, dialect)
        if prepared.estimate is not None and needs_estimate(plan, rows):
            rows = add_estimate(plan, rows, await _estimate(prepared.estimate, transaction))
        return rows

    return database.transact(session, work)


async def _estimate(query: Query, transaction: Transaction) -> int:
    """How many rows the planner expects."""
    (line,) = await transaction.fetch_lines(query.sql, query.values)
    return int(json.loads(line)[0]["Plan"]["Plan Rows"])

"""The admin port: liveness, readiness, metrics and status. Never on the client port, never secret.

Who may ask for what is said in ``admission``.

``/live``     200 while the process runs
``/ready``    200 when some side can answer clients, else 503; with the problems in JSON either way
``/metrics``  Prometheus: text or OpenMetrics, as ``Accept`` asks
``/status``   modes, tally, newest disagreements, rules, last reload, schema cache and ledger as JSON
``/evidence``, ``/mismatches``, ``/mismatches/ID``   what the ledger knows; 503 while it cannot be read
``/tape``      a tape of what is answered from now on, as it comes; ``per_shape``, ``max_bytes``, ``seconds``
``/engine/…``  what the engine answers to the request for ``/…``, whatever the mode; it cannot write
``/holds``, ``/tables``   which tables the guard holds, and changes of modes: see ``wish_admin``
``/console``   what all this comes to, for people: see ``proxy.web``
``/pause``    POST: mirror nothing until somebody says ``/resume``; clients are served as ever
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

import proxy
from proxy.config import Address, Operator, ReadinessConfig
from proxy.errors import UnderstudyError
from proxy.messages import Answer, Request
from proxy.operate.admission import SECRET_HEADER
from proxy.operate.gate import ADMITTED, add_security_headers, make_gate
from proxy.operate.health import Condition, Health, judge_readiness
from proxy.operate.proposals import Proposals
from proxy.operate.recent import Recent
from proxy.operate.rules import RuleReport
from proxy.operate.tally import TableTally, Tally
from proxy.operate.wish_admin import HasHolds, list_wish_routes
from proxy.shadow.policy import TableModes
from proxy.shadow.readiness import Readiness
from proxy.shadow.wish import Outcome, Wish

NO_STORE = {"Cache-Control": "no-store"}
_NOT_PASSED = frozenset({b"content-length", b"content-security-policy", b"set-cookie", b"refresh", b"server"})


class Record(Protocol):
    """Records live traffic; raises UnderstudyError if that cannot be done now."""

    def __call__(self, *, per_shape: int, max_bytes: int, seconds: float) -> AsyncGenerator[str, None]:
        """The lines of a tape as they come, until a limit is reached."""


class AskLedger(Protocol):
    """What the ledger knows; each raises UnderstudyError while it cannot be read."""

    async def evidence(self) -> Any:
        """The evidence of every table."""

    async def mismatches(self, table: str | None) -> Sequence[Any]:
        """The kinds of mismatch, of one table or of all."""

    async def mismatch(self, prefix: str) -> Sequence[Any]:
        """Those whose ID begins with ``prefix``, whole."""

    async def judge(self, table: str, limits: ReadinessConfig, now: float) -> Readiness:
        """Whether ``table`` may be promoted, by what is known at ``now``."""


class Pausable(Protocol):
    """The mirror's throttle, as far as operators handle it."""

    paused: bool

    @property
    def stopped(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class AdminSources:
    """Where the admin port's answers come from."""

    registry: CollectorRegistry
    tally: Tally
    health: Health
    recent: Recent
    throttle: Pausable
    proposals: Proposals
    rules: Callable[[], Sequence[RuleReport]]
    modes: Callable[[], Sequence[TableModes]]
    condition: Callable[[], Awaitable[Condition]]
    ledger: Callable[[], Mapping[str, object]]
    ask_ledger: AskLedger
    record: Record
    ask_engine: Callable[[Request], Awaitable[Answer]]
    guarding: HasHolds
    carry_out: Callable[[Wish], Awaitable[Outcome]]
    operators: Callable[[], Sequence[Operator]]
    loopback: bool


async def open_admin(
    application: web.Application,
    address: Address,
    listening: socket.socket | None,
    stack: contextlib.AsyncExitStack,
) -> int:
    """Serve operators at ``address``, or on the socket that is ``listening``, until ``stack`` is left.

    Gives the port. Raises OSError.
    """
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    if listening is not None:
        await web.SockSite(runner, listening).start()
        return int(listening.getsockname()[1])
    site = web.TCPSite(runner, address.host, address.port)
    await site.start()
    return site.port


def make_admin(sources: AdminSources, pages: Iterable[web.RouteDef] = ()) -> web.Application:
    """The application that answers on the admin port; ``pages`` are the console's."""
    # One scrape at a time: it runs in a thread, and nobody gains from several.
    scraping = asyncio.Lock()

    async def live(_: web.Request) -> web.Response:
        return _json({"live": True, "version": proxy.__version__})

    async def ready(_: web.Request) -> web.Response:
        readiness = judge_readiness(await sources.condition())
        return _json(asdict(readiness), 200 if readiness.ready else 503)

    async def metrics(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(",".join(request.headers.getall("Accept", [])))
        async with scraping:
            body = await asyncio.to_thread(encode, sources.registry)
        return web.Response(body=body, headers={"Content-Type": content_type, **NO_STORE})

    async def status(_: web.Request) -> web.Response:
        condition = await sources.condition()
        health = sources.health
        return _json(
            {
                "version": proxy.__version__,
                **asdict(judge_readiness(condition)),
                "schema_loaded": condition.schema_loaded,
                "upstream_reachable": condition.upstream_reachable,
                "last_reload": asdict(health.last_reload) if health.last_reload else None,
                "last_schema_load": asdict(health.last_schema_load) if health.last_schema_load else None,
                "holds": [asdict(hold) for hold in sources.guarding.holds.values()],
                "modes": [asdict(modes) for modes in sources.modes()],
                "tally": [render_tally(table) for table in sources.tally.report()],
                "ledger": sources.ledger(),
                "disagreements": [asdict(one) for one in sources.recent.report()],
                "ignore_rules": [asdict(rule) for rule in sources.rules()],
                "proposed_rules": [asdict(one) for one in sources.proposals.report()],
                "mirror": _describe_mirror(sources.throttle),
            }
        )

    async def evidence(_: web.Request) -> web.Response:
        return _json(await sources.ask_ledger.evidence())

    async def mismatches(request: web.Request) -> web.Response:
        return _json(await sources.ask_ledger.mismatches(request.query.get("table")))

    async def mismatch(request: web.Request) -> web.Response:
        return _json(await sources.ask_ledger.mismatch(request.match_info["id"]))

    async def tape(request: web.Request) -> web.StreamResponse:
        lines = sources.record(**_read_limits(request.query))
        async with contextlib.aclosing(lines):
            first = await anext(lines)
            response = web.StreamResponse(headers={"Content-Type": "application/jsonl", **NO_STORE})
            await response.prepare(request)
            await response.write(f"{first}\n".encode())
            # Whoever has read enough goes away.
            with contextlib.suppress(ConnectionError):
                async for line in lines:
                    await response.write(f"{line}\n".encode())
                await response.write_eof()
        return response

    async def engine(request: web.Request) -> web.Response:
        target = request.raw_path.removeprefix("/engine").encode("utf-8", "surrogateescape")
        own = {request[ADMITTED].by.lower().encode(), SECRET_HEADER.lower().encode()}
        given = tuple((name, value) for name, value in request.raw_headers if name.lower() not in own)
        answer = await sources.ask_engine(Request(request.method, target, given))
        headers = [
            (name.decode("latin-1"), value.decode("utf-8", "surrogateescape"))
            for name, value in answer.headers
            # No web page may read on this port what its user may, and none be shown what a browser obeys.
            if name.lower() not in _NOT_PASSED and not name.lower().startswith(b"access-control-")
        ]
        return web.Response(status=answer.status, headers=headers, body=answer.body)

    async def pause(_: web.Request) -> web.Response:
        return _set_paused(sources.throttle, paused=True)

    async def resume(_: web.Request) -> web.Response:
        return _set_paused(sources.throttle, paused=False)

    gate = make_gate(sources.operators, loopback=sources.loopback)
    application = web.Application(middlewares=[_errors_as_json, gate])
    application.on_response_prepare.append(add_security_headers)
    application.add_routes(
        [
            web.get("/live", live),
            web.get("/ready", ready),
            web.get("/metrics", metrics),
            web.get("/status", status),
            web.get("/evidence", evidence),
            web.get("/mismatches", mismatches),
            web.get("/mismatches/{id}", mismatch),
            web.get("/tape", tape),
            web.get("/engine/{target:.*}", engine),
            web.post("/pause", pause),
            web.post("/resume", resume),
            *list_wish_routes(sources.guarding, sources.carry_out),
            *pages,
        ]
    )
    return application


def _set_paused(throttle: Pausable, *, paused: bool) -> web.Response:
    throttle.paused = paused
    return _json(_describe_mirror(throttle))


def _describe_mirror(throttle: Pausable) -> dict[str, bool]:
    return {"paused": throttle.paused, "stopped": throttle.stopped}


def render_tally(table: TableTally) -> dict[str, object]:
    """One table's counts for JSON, with what they come to; reasons and verdicts that never occurred stay."""
    return {**asdict(table), "settled": table.settled, "pending": table.pending}


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        headers = {
            name: error.headers[name] for name in ("Allow", "WWW-Authenticate") if name in error.headers
        }
        return _json({"error": error.reason}, error.status, headers)
    except UnderstudyError as error:
        return _json({"error": str(error)}, 503)


def _read_limits(query: Mapping[str, str]) -> dict[str, Any]:
    """The limits of a recording; 400 for what is none."""
    try:
        limits = {
            "per_shape": int(query.get("per_shape", "3")),
            "max_bytes": int(query.get("max_bytes", str(64 * 1024 * 1024))),
            "seconds": float(query.get("seconds", "60")),
        }
    except ValueError as error:
        raise web.HTTPBadRequest(reason="numbers are needed") from error
    if not all(0 < value < 2**40 for value in limits.values()):
        raise web.HTTPBadRequest(reason="a limit is out of range")
    return limits


def _json(value: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(value, status=status, headers={**NO_STORE, **(headers or {})})

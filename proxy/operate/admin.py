"""The admin port: liveness, readiness, metrics and status. Never on the client port, never secret.

``/live``     200 while the process runs
``/ready``    200 when some side can answer clients, else 503; with the problems in JSON either way
``/metrics``  Prometheus: text or OpenMetrics, as ``Accept`` asks
``/status``   modes, the tally, the newest disagreements, rules, the last reload and the schema cache as JSON
``/holds``    which tables the guard holds; ``/holds/TABLE/rearm`` lets one go
``/pause``    POST: mirror nothing until somebody says ``/resume``; clients are served as ever
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

import proxy
from proxy.operate.health import Condition, Health, judge_readiness
from proxy.operate.holds_admin import HoldsTables, list_hold_routes
from proxy.operate.proposals import Proposals
from proxy.operate.recent import Recent
from proxy.operate.rules import RuleReport
from proxy.operate.tally import TableTally, Tally
from proxy.shadow.policy import TableModes

NO_STORE = {"Cache-Control": "no-store"}


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
    guarding: HoldsTables


def make_admin(sources: AdminSources) -> web.Application:
    """The application that answers on the admin port."""
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
                "disagreements": [asdict(one) for one in sources.recent.report()],
                "ignore_rules": [asdict(rule) for rule in sources.rules()],
                "proposed_rules": [asdict(one) for one in sources.proposals.report()],
                "mirror": _describe_mirror(sources.throttle),
            }
        )

    async def pause(request: web.Request) -> web.Response:
        return _set_paused(request, sources.throttle, paused=True)

    async def resume(request: web.Request) -> web.Response:
        return _set_paused(request, sources.throttle, paused=False)

    application = web.Application(middlewares=[_errors_as_json])
    application.add_routes(
        [
            web.get("/live", live),
            web.get("/ready", ready),
            web.get("/metrics", metrics),
            web.get("/status", status),
            web.post("/pause", pause),
            web.post("/resume", resume),
            *list_hold_routes(sources.guarding),
        ]
    )
    return application


def _set_paused(request: web.Request, throttle: Pausable, *, paused: bool) -> web.Response:
    # A page in an operator's browser may send a POST anywhere; it cannot leave this header out.
    if "Origin" in request.headers:
        raise web.HTTPForbidden
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
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return _json({"error": error.reason}, error.status, headers)


def _json(value: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(value, status=status, headers={**NO_STORE, **(headers or {})})

"""What operators have of a running proxy beside what it counts: the ledger, the engine, a tape."""

import asyncio
import os
import socket
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import asdict
from functools import partial

import proxy
from proxy.config import ReadinessConfig
from proxy.errors import ApiError, EngineDown, UnderstudyError, Unsupported, render_error
from proxy.events import Emit
from proxy.judging import judge_kept
from proxy.ledger.database import LedgerDatabase, Result, Work
from proxy.ledger.holds import LedgerHolds
from proxy.ledger.ledger import Ledger
from proxy.ledger.report import report_evidence, report_mismatch, report_mismatches
from proxy.messages import Answer, Exchange, Request
from proxy.operate.health import Condition, Reachability
from proxy.server import refusals
from proxy.server.conditions import ConditionsInForce
from proxy.server.parts import TakesOffers
from proxy.server.roles import find_role
from proxy.server.state import AskEngine, Snapshot, State
from proxy.shadow.guard import is_on_stage
from proxy.shadow.policy import Decision
from proxy.shadow.readiness import Readiness
from proxy.shadow.redaction.secrets import make_redaction
from proxy.tape.recorder import Recorder, RecordingLimits


def make_ledger(url: str, state: State, emit: Emit, wall_clock: Callable[[], float]) -> Ledger:
    """The ledger at ``url``, as this process keeps it: under the conditions that are in force."""
    conditions = ConditionsInForce(state, proxy.__version__)
    return Ledger(
        LedgerDatabase(url, create=True),
        emit,
        find_conditions=conditions.find,
        redaction=lambda: make_redaction(state.current.config.redact),
        replica=_name_replica(),
        clock=time.monotonic,
        wall_clock=wall_clock,
    )


def make_holds(url: str, wall_clock: Callable[[], float]) -> LedgerHolds:
    """The holds in the ledger at ``url``, which all replicas share."""
    return LedgerHolds(LedgerDatabase(url, create=True), _name_replica(), wall_clock)


def _name_replica() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def make_recorder(state: State) -> Recorder:
    """What records live traffic, without what is hidden now."""
    return Recorder(lambda: make_redaction(state.current.config.redact), clock=time.monotonic)


async def examine(snapshot: Snapshot, reachability: Reachability) -> Condition:
    """What readiness depends on now."""
    config = snapshot.config
    rules = (config.defaults, *config.tables.values(), *config.functions.values())
    upstream = config.upstream
    return Condition(
        schema_loaded=snapshot.engine is not None,
        upstream_reachable=None if upstream is None else await reachability.ask(upstream.url),
        engine_serves=upstream is None or is_on_stage(config),
        mirrors=any(rule.reads == "shadow" for rule in rules),
        upstream_was_reached=reachability.was_reached,
    )


class AskedLedger:
    """The ledger, as the admin port asks it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def describe(self) -> dict[str, object]:
        """How it does."""
        return asdict(self._ledger.condition)

    async def evidence(self) -> object:
        return await self._read(report_evidence)

    async def mismatches(self, table: str | None) -> Sequence[object]:
        return await self._read(partial(report_mismatches, table=table))

    async def mismatch(self, prefix: str) -> Sequence[object]:
        return await self._read(partial(report_mismatch, prefix=prefix))

    async def judge(self, table: str, limits: ReadinessConfig, now: float) -> Readiness:
        return await self._read(partial(judge_kept, table=table, limits=limits, now=now))

    async def _read(self, work: Work[Result]) -> Result:
        try:
            return await self._ledger.read(work)
        except UnderstudyError as error:
            raise UnderstudyError(f"the ledger cannot be read: {error}") from error


class AskedEngine:
    """The engine, whatever the mode: what it answers to a read, for an operator who compares by hand."""

    def __init__(self, ask: AskEngine, state: State) -> None:
        self._ask = ask
        self._state = state

    async def __call__(self, request: Request) -> Answer:
        """Its answer, or why there is none."""
        snapshot = self._state.current
        try:
            if snapshot.engine is None:
                raise ApiError(503, "PGRST002", "No schema cache is loaded")
            async with asyncio.timeout(snapshot.config.shadow.timeout):
                return await self._ask(request, snapshot)
        except ApiError as error:
            return render_error(error)
        except EngineDown as error:
            return render_error(error.error)
        except Unsupported as error:
            return render_error(refusals.not_implemented(error.feature))
        except TimeoutError:
            return render_error(ApiError(504, "PGRST003", "The engine took too long"))


class RecordedOffers:
    """The mirror, with whoever records live traffic beside it."""

    def __init__(self, mirror: TakesOffers, recorder: Recorder) -> None:
        self._mirror = mirror
        self._recorder = recorder

    def offer(self, decision: Decision, exchange: Exchange, snapshot: Snapshot) -> None:
        """Take a read that the upstream has answered; never waits and never raises."""
        self._mirror.offer(decision, exchange, snapshot)
        if self._recorder.active:
            role = find_role(exchange.request, snapshot, time.time())
            self._recorder.offer(decision.table, role, exchange)

    def record(self, *, per_shape: int, max_bytes: int, seconds: float) -> AsyncGenerator[str, None]:
        """The lines of a tape as they come, until a limit is reached."""
        return self._recorder.record(RecordingLimits(per_shape, max_bytes, seconds))

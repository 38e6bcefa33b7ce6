"""Give the other side a copy of what one has answered, and say how the two answers compare.

In shadow, and for the clients that a canary does not choose, the other side is the engine; where the engine
has answered, it is the upstream. Nothing else depends on which it is.

The client is done before anything here begins, and nothing here is waited for: ``offer`` is synchronous,
takes what fits and sheds the rest at once. Every offer ends in exactly one ``Judged`` or ``Shed``, whatever
the engine does and whenever the mirror is closed (promises 2 and 3).
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

from proxy.config import ShadowConfig
from proxy.errors import ApiError, Unsupported, UpstreamError, UpstreamRefused, render_error
from proxy.events import (
    Crashed,
    Emit,
    Event,
    Judged,
    ReadAgain,
    RuleHit,
    Shed,
    ShedReason,
    SideAnswered,
    VolatileFound,
)
from proxy.messages import Answer, Exchange, Request
from proxy.server.comparing import Comparer, Pair
from proxy.server.proof import AskUpstream, Proof
from proxy.server.roles import find_role
from proxy.server.state import AskEngine, Snapshot
from proxy.shadow.policy import Decision, Side
from proxy.shadow.proposals import propose
from proxy.shadow.shape import read_shape
from proxy.shadow.signature import sign

MAX_REQUEST_LINE = 2000
MAX_DETAIL = 120

Prove: TypeAlias = Callable[[Request, Pair, Snapshot], Awaitable[Proof]]
"""Says what a difference between two answers is."""

Check: TypeAlias = Callable[[str, Request, Pair, Snapshot], Awaitable[None]]
"""Checks, beside a read of a table whose answers match, what the checker itself is worth."""


class Admits(Protocol):
    """The throttle as the mirror needs it; see ``proxy.server.throttle``."""

    def admit(self, served_by: Side, seconds: float, limits: ShadowConfig) -> ShedReason | None:
        """Why a read is not to be mirrored that ``served_by`` has answered in ``seconds``; None if it is."""

    def spend(self, seconds: float) -> None:
        """So much database time was taken."""


async def check_nothing(table: str, request: Request, pair: Pair, snapshot: Snapshot) -> None:
    """The check of a mirror that makes none."""


async def ask_nobody(_: Request, __: int) -> Answer:
    """The upstream where there is none."""
    raise UpstreamRefused("there is no upstream")


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One mirrored read: what to ask the other side, and what ``served_by`` has answered.

    Only itself is equal to it.
    """

    table: str
    exchange: Exchange
    snapshot: Snapshot
    since: float
    mode: str
    served_by: Side

    @property
    def limits(self) -> ShadowConfig:
        """What was allowed when the read was offered."""
        return self.snapshot.config.shadow


class Mirror:
    """The queue of mirrored reads and the workers that settle them.

    The queue's limits and the time limit are those of the configuration that came with each read, so that
    a reload applies at once. The number of workers is fixed when the mirror is opened. A worker whose
    engine ignores cancellation stays occupied: concurrency is bounded even then.
    """

    def __init__(
        self,
        ask_engine: AskEngine,
        comparer: Comparer,
        prove: Prove,
        throttle: Admits,
        emit: Emit,
        *,
        concurrency: int,
        check: Check = check_nothing,
        ask_upstream: AskUpstream = ask_nobody,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``clock`` counts seconds."""
        self._ask_engine = ask_engine
        self._comparer = comparer
        self._ask_upstream = ask_upstream
        self._prove = prove
        self._throttle = throttle
        self._check = check
        self._emit = emit
        self._concurrency = concurrency
        self._clock = clock
        # None tells a worker to go home.
        self._queue: asyncio.Queue[Job | None] = asyncio.Queue()
        self._waiting_since: deque[float] = deque()
        self._working: set[Job] = set()
        self._held = 0
        self._closed = False
        self._workers: list[asyncio.Task[None]] = []

    @property
    def entries(self) -> int:
        """How many reads wait in the queue."""
        return len(self._waiting_since)

    @property
    def bytes(self) -> int:
        """The bytes of all reads held here, those in work included."""
        return self._held

    @property
    def oldest_seconds(self) -> float:
        """How long the read at the head of the queue has waited; 0 when none waits."""
        # One step, so that a scrape in another thread may read it at any moment.
        oldest = next(iter(self._waiting_since.copy()), None)
        return 0.0 if oldest is None else max(0.0, self._clock() - oldest)

    @property
    def in_flight(self) -> int:
        """How many reads are with a worker."""
        return len(self._working)

    def open(self) -> None:
        """Start the workers. Called once, in a running event loop."""
        self._workers = [
            asyncio.create_task(self._work(), name=f"mirror-{number}") for number in range(self._concurrency)
        ]

    def offer(self, decision: Decision, exchange: Exchange, snapshot: Snapshot) -> None:
        """Queue an answered read for comparison, or shed it. Never waits and never raises."""
        size = exchange.size
        limits = snapshot.config.shadow
        served_by, seconds = decision.serve, exchange.seconds
        reason = "shutdown" if self._closed else self._throttle.admit(served_by, seconds, limits)
        if reason is not None:
            self._shed(decision.table, reason)
        elif self.entries >= limits.queue:
            self._shed(decision.table, "queue")
        elif self._held + size > limits.queue_bytes:
            self._shed(decision.table, "bytes")
        else:
            self._held += size
            now = self._clock()
            self._waiting_since.append(now)
            job = Job(decision.table, exchange, snapshot, now, decision.mode, served_by)
            self._queue.put_nowait(job)

    async def close(self, grace: float = 1.0) -> None:
        """Shed what waits, let what is in work finish for ``grace`` seconds, then cancel it.

        Cancelling is given ``grace`` seconds too; what is not over then is accounted for and left behind.
        """
        self._closed = True
        while not self._queue.empty():
            job = self._queue.get_nowait()
            if job is not None:
                self._waiting_since.popleft()
                self._working.add(job)
                self._finish(job, Shed(job.table, "shutdown"))
        for _ in self._workers:
            self._queue.put_nowait(None)
        try:
            await self._wait_for_workers(grace)
        finally:
            for worker in self._workers:
                worker.cancel()
            try:
                await self._wait_for_workers(grace)
            finally:
                for job in tuple(self._working):
                    self._finish(job, Shed(job.table, "shutdown"))

    async def _wait_for_workers(self, seconds: float) -> None:
        busy = [worker for worker in self._workers if not worker.done()]
        if busy:
            await asyncio.wait(busy, timeout=seconds)

    async def _work(self) -> None:
        while (job := await self._queue.get()) is not None:
            self._waiting_since.popleft()
            self._working.add(job)
            # What is true if this task is cancelled on the way.
            outcome: Event = Shed(job.table, "shutdown")
            started = self._clock()
            try:
                outcome = await self._attempt(job)
                if job.exchange.trace is not None and isinstance(outcome, Judged):
                    outcome = _trace(job, outcome, self._clock() - started)
            finally:
                self._finish(job, outcome)

    async def _attempt(self, job: Job) -> Event:
        """Settle one read. The one place where whatever goes wrong becomes a verdict."""
        try:
            return await self._settle(job)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # The engine cancelled itself, not we it.
            return judge(job, Proof("failed", detail="cancelled"))
        except Exception as error:
            self._tell(Crashed("mirror", describe(error)))
            return judge(job, Proof("failed", detail=f"internal error: {describe(error)}"))

    async def _settle(self, job: Job) -> Event:
        """Ask the other side, compare, and have a difference proven."""
        started = self._clock()
        if started - job.since > job.limits.timeout:
            return Shed(job.table, "deadline")
        asking = self._hear_upstream if job.served_by == "engine" else self._hear_engine
        answer = await asking(job)
        if isinstance(answer, Proof):
            return judge(job, answer)
        seconds = max(0.0, self._clock() - started)
        self._throttle.spend(seconds)
        if job.served_by == "engine":
            self._tell(SideAnswered(job.table, "upstream", seconds))
            pair = Pair(answer, job.exchange.answer)
        else:
            self._tell(SideAnswered(job.table, "engine", seconds))
            pair = Pair(job.exchange.answer, answer)
        comparison = await self._comparer.compare(job.exchange.request, pair, job.snapshot)
        for rule in sorted(comparison.ignored):
            self._tell(RuleHit(job.table, rule))
        if comparison.verdict == "mismatch":
            return judge(job, await self._have_proven(job, pair), seconds)
        if comparison.verdict == "match":
            await self._have_checked(job, pair)
        return judge(job, Proof(comparison.verdict), seconds)

    async def _hear_engine(self, job: Job) -> Answer | Proof:
        limit = asyncio.timeout(job.limits.timeout)
        try:
            async with limit:
                return await self._ask_engine(job.exchange.request, job.snapshot)
        except ApiError as error:
            return render_error(error)
        except Unsupported as refusal:
            return Proof("unsupported", detail=refusal.feature[:MAX_DETAIL])
        except Exception as error:
            return Proof("failed", detail="timeout" if limit.expired() else describe(error))

    async def _hear_upstream(self, job: Job) -> Answer | Proof:
        """What the upstream would have answered. That it is silent says nothing about the engine."""
        try:
            async with asyncio.timeout(job.limits.timeout):
                return await self._ask_upstream(job.exchange.request, job.limits.max_body)
        except (UpstreamError, TimeoutError):
            return Proof("inconclusive", detail="the upstream did not answer")

    async def _have_proven(self, job: Job, pair: Pair) -> Proof:
        request = job.exchange.request
        proof = await self._prove(request, pair, job.snapshot)
        self._throttle.spend(proof.upstream_seconds + proof.engine_seconds)
        self._tell(ReadAgain(job.table, proof.upstream_seconds, proof.engine_seconds))
        for proposal in propose(proof.volatile):
            self._tell(VolatileFound(job.table, read_shape(request), proposal.path, proposal.header))
        return proof

    async def _have_checked(self, job: Job, pair: Pair) -> None:
        """Whatever becomes of the check, the read's verdict is not its affair."""
        try:
            async with asyncio.timeout(job.limits.timeout):
                await self._check(job.table, job.exchange.request, pair, job.snapshot)
        except TimeoutError:
            return
        except Exception as error:
            self._tell(Crashed("check", describe(error)))

    def _shed(self, table: str, reason: ShedReason) -> None:
        self._tell(Shed(table, reason))

    def _finish(self, job: Job, outcome: Event) -> None:
        """Let go of ``job`` and say how it ended, unless that has been said."""
        if job in self._working:
            self._working.discard(job)
            self._held -= job.exchange.size
            self._tell(outcome)

    def _tell(self, event: Event) -> None:
        """Emit ``event``. A listener's fault is the listeners' affair and stops neither client nor worker."""
        try:
            self._emit(event)
        except Exception as error:
            try:
                self._emit(Crashed("listener", describe(error)))
            except Exception:
                return


def judge(job: Job, proof: Proof, seconds: float = 0.0) -> Judged:
    """The verdict on ``job``, with the answers that show it where it is a mismatch.

    ``seconds`` is how long the side took that has not served the client; 0 if it did not answer.
    """
    request = job.exchange.request
    by_engine = job.served_by == "engine"
    judged = Judged(
        job.table,
        proof.verdict,
        render_request_line(request),
        proof.differences,
        seconds if by_engine else job.exchange.seconds,
        job.exchange.seconds if by_engine else seconds,
        proof.detail,
        read_shape(request),
        role=find_role(request, job.snapshot, time.time()),
        status=job.exchange.answer.status,
        upstream_version=(job.exchange.answer.header(b"server") or b"").decode("latin-1"),
        mode=job.mode,
    )
    if proof.verdict != "mismatch" or proof.pair is None:
        return judged
    upstream, engine = proof.pair.upstream, proof.pair.engine
    signature = sign(job.table, request, upstream, proof.differences)
    return replace(judged, signature=signature, request=request, upstream=upstream, engine=engine)


def _trace(job: Job, judged: Judged, seconds: float) -> Judged:
    asked: Side = "upstream" if job.served_by == "engine" else "engine"
    return replace(judged, trace=job.exchange.trace, seconds=seconds, asked=asked)


def render_request_line(request: Request) -> str:
    """Method and target, shortened, without bytes that could not be shown."""
    target = request.target[:MAX_REQUEST_LINE].decode("ascii", "backslashreplace")
    return f"{request.method} {target}"


def describe(error: BaseException) -> str:
    """What kind of error it is and what caused it: class names only, since messages may quote values."""
    names = [type(error).__name__]
    cause = error.__cause__
    if cause is not None:
        names.append(type(cause).__name__)
    return " from ".join(names)[:MAX_DETAIL]

"""Give the other side a copy of what one has answered, and account for what becomes of it.

The client is done before anything here begins, and nothing here is waited for: ``offer`` is synchronous,
takes what fits and sheds the rest at once. Every offer ends in exactly one ``Judged`` or ``Shed``, whatever
the engine does and whenever the mirror is closed (promises 2 and 3).
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol, TypeAlias

from proxy.config import ShadowConfig
from proxy.events import Crashed, Emit, Event, Judged, Shed, ShedReason, SideAnswered
from proxy.messages import Exchange
from proxy.server.failures import describe
from proxy.server.proof import Proof
from proxy.server.settling import Job, Settled, judge
from proxy.server.state import Snapshot
from proxy.shadow.policy import Decision, Side

Settle: TypeAlias = Callable[[Job], Awaitable[Settled]]
"""Says what became of a mirrored read, or why nothing did."""

LATE = 0.05
"""Seconds that the next read waits for each one in work before it is begun beside them.

Reads are settled one after the other as long as that keeps up: whoever serves clients shares processors and
database with what is in work, and two of those at once are felt where one is not. Half of the time, of the
places and of the memory that the queue may take is left for what comes next.
"""

RESOLUTION = 0.001
"""Seconds that a timer waits at least: uvloop's are early by a part of that, and would be set for no time."""


async def wait_for_nobody() -> None:
    """The turn of a mirror that need not wait for one."""


class Admits(Protocol):
    """The throttle as the mirror needs it; see ``proxy.server.throttle``."""

    def admit(self, served_by: Side, seconds: float, limits: ShadowConfig) -> ShedReason | None:
        """Why a read is not to be mirrored that ``served_by`` has answered in ``seconds``; None if it is."""

    def spend(self, seconds: float) -> None:
        """``seconds`` of database time were taken."""


class Mirror:
    """The queue of mirrored reads and the workers that settle them.

    The queue's limits and the time limit are those of the configuration that came with each read, so that
    a reload applies at once. The number of workers is fixed when the mirror is opened. A worker whose
    engine ignores cancellation stays occupied: concurrency is bounded even then. One worker is next, and
    the others that are free wait for it to have found its read.
    """

    def __init__(
        self,
        settle: Settle,
        throttle: Admits,
        emit: Emit,
        *,
        concurrency: int,
        wait: Callable[[], Awaitable[None]] = wait_for_nobody,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``wait`` waits for a turn to begin a read, ``clock`` counts seconds."""
        self._settle = settle
        self._throttle = throttle
        self._emit = emit
        self._concurrency = concurrency
        self._wait = wait
        self._clock = clock
        self._queue: deque[Job] = deque()
        self._working: set[Job] = set()
        self._next = asyncio.Lock()
        self._stirred = asyncio.Event()
        self._held = 0
        self._closed = False
        self._workers: list[asyncio.Task[None]] = []

    @property
    def entries(self) -> int:
        """How many reads wait in the queue."""
        return len(self._queue)

    @property
    def bytes(self) -> int:
        """The bytes of all reads held here, those in work included."""
        return self._held

    @property
    def oldest_seconds(self) -> float:
        """How long the read at the head of the queue has waited; 0 when none waits."""
        # One step, so that a scrape in another thread may read it at any moment.
        oldest = next(iter(self._queue.copy()), None)
        return 0.0 if oldest is None else max(0.0, self._clock() - oldest.since)

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
            job = Job(decision.table, exchange, snapshot, self._clock(), decision.mode, served_by)
            self._queue.append(job)
            self._stirred.set()

    async def close(self, grace: float = 1.0) -> None:
        """Shed what waits, let what is in work finish for ``grace`` seconds, then cancel it.

        Cancelling is given ``grace`` seconds too; what is not over then is accounted for and left behind.
        """
        self._closed = True
        while self._queue:
            job = self._begin()
            self._finish(job, Shed(job.table, "shutdown"))
        self._stirred.set()
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
        while (job := await self._take()) is not None:
            # What is true if this task is cancelled on the way.
            outcome: Event = Shed(job.table, "shutdown")
            started = self._clock()
            try:
                outcome = await self._attempt(job)
                if job.exchange.trace is not None and isinstance(outcome, Judged):
                    outcome = _trace(job, outcome, self._clock() - started)
            finally:
                self._finish(job, outcome)

    async def _take(self) -> Job | None:
        """Wait for a turn, then for the next read that is not too late; None if it is time to go home."""
        async with self._next:
            if not self._closed:
                await self._wait()
            while not self._closed:
                if (left := self._find_time_left()) == 0:
                    job = self._begin()
                    if self._clock() - job.since <= job.limits.timeout:
                        return job
                    self._finish(job, Shed(job.table, "deadline"))
                else:
                    await self._wait_to_be_stirred(left)
        return None

    def _find_time_left(self) -> float | None:
        """Seconds until the next read may be begun; None while there is none."""
        if not self._queue:
            return None
        job = self._queue[0]
        limits = job.limits
        if self.entries > limits.queue / 2 or self._held > limits.queue_bytes / 2:
            return 0.0
        patience = min(LATE * len(self._working), limits.timeout / 2)
        return max(0.0, job.since + patience - self._clock())

    async def _wait_to_be_stirred(self, seconds: float | None) -> None:
        """Wait until something has changed, though not for longer than so many ``seconds``."""
        self._stirred.clear()
        if seconds is None:
            await self._stirred.wait()
        else:
            timer = asyncio.get_running_loop().call_later(max(seconds, RESOLUTION), self._stirred.set)
            try:
                await self._stirred.wait()
            finally:
                timer.cancel()

    def _begin(self) -> Job:
        job = self._queue.popleft()
        self._working.add(job)
        return job

    async def _attempt(self, job: Job) -> Event:
        """Settle one read. The one place where whatever goes wrong becomes a verdict."""
        try:
            settled = await self._settle(job)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # The engine cancelled itself, not we it.
            return judge(job, Proof("failed", detail="cancelled"))
        except Exception as error:
            self._tell(Crashed("mirror", describe(error)))
            return judge(job, Proof("failed", detail=f"internal error: {describe(error)}"))
        self._throttle.spend(settled.seconds)
        if settled.answered:
            self._tell(SideAnswered(job.table, job.asked, settled.seconds))
        return settled.outcome

    def _shed(self, table: str, reason: ShedReason) -> None:
        self._tell(Shed(table, reason))

    def _finish(self, job: Job, outcome: Event) -> None:
        """Let go of ``job`` and say how it ended, unless that has been said."""
        if job in self._working:
            self._working.discard(job)
            self._held -= job.exchange.size
            self._stirred.set()
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


def _trace(job: Job, judged: Judged, seconds: float) -> Judged:
    return replace(judged, trace=job.exchange.trace, seconds=seconds, asked=job.asked)

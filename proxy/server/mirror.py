"""Give the engine a copy of what the upstream answered, and say how the two answers compare.

The client is done before anything here begins, and nothing here is waited for: ``offer`` is synchronous,
takes what fits and sheds the rest at once. Every offer ends in exactly one ``Judged`` or ``Shed``, whatever
the engine does and whenever the mirror is closed (promises 2 and 3).
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from proxy.config import ShadowConfig
from proxy.errors import ApiError, Unsupported, render_error
from proxy.events import Crashed, Emit, Event, Judged, Shed, ShedReason, SideAnswered
from proxy.messages import Answer, Exchange, Request
from proxy.server.roles import find_role
from proxy.server.state import AskEngine, Snapshot
from proxy.server.writes import Writes, find_names
from proxy.shadow.compare import Comparison, compare
from proxy.shadow.policy import Decision

SMALL = 64 * 1024
"""Bodies up to this size are compared on the event loop; that costs less than changing threads."""

OVERLAPPED = "a write through the proxy came in between"
MAX_REQUEST_LINE = 2000
MAX_DETAIL = 120


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One mirrored read: what to ask the engine, and the upstream's answer. Only itself is equal to it."""

    table: str
    exchange: Exchange
    snapshot: Snapshot
    since: float

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
        emit: Emit,
        *,
        concurrency: int,
        clock: Callable[[], float] = time.monotonic,
        comparing: Callable[..., Comparison] = compare,
        writes: Writes | None = None,
    ) -> None:
        """``clock`` counts seconds; ``comparing`` is called like ``compare``; ``writes`` are known of."""
        self._ask_engine = ask_engine
        self._emit = emit
        self._concurrency = concurrency
        self._clock = clock
        self._compare = comparing
        self._writes = writes
        # None tells a worker to go home.
        self._queue: asyncio.Queue[Job | None] = asyncio.Queue()
        self._waiting_since: deque[float] = deque()
        self._working: set[Job] = set()
        self._held = 0
        self._closed = False
        self._workers: list[asyncio.Task[None]] = []
        # A thread of its own: the loop's default ones also look up the upstream's address.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="compare")

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
        if self._closed:
            self._shed(decision.table, "shutdown")
        elif self.entries >= limits.queue:
            self._shed(decision.table, "queue")
        elif self._held + size > limits.queue_bytes:
            self._shed(decision.table, "bytes")
        else:
            self._held += size
            now = self._clock()
            self._waiting_since.append(now)
            self._queue.put_nowait(Job(decision.table, exchange, snapshot, now))

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
                self._thread.shutdown(wait=False, cancel_futures=True)

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
            try:
                outcome = await self._attempt(job)
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
            return judge(job, Comparison("failed"), detail="cancelled")
        except Exception as error:
            self._tell(Crashed("mirror", describe(error)))
            return judge(job, Comparison("failed"), detail=f"internal error: {describe(error)}")

    async def _settle(self, job: Job) -> Event:
        """Ask the engine and compare. What a difference still needs to be proven belongs here."""
        started = self._clock()
        if started - job.since > job.limits.timeout:
            return Shed(job.table, "deadline")
        limit = asyncio.timeout(job.limits.timeout)
        try:
            async with limit:
                answer = await self._ask_engine(job.exchange.request, job.snapshot)
        except ApiError as error:
            answer = render_error(error)
        except Unsupported as refusal:
            return judge(job, Comparison("unsupported"), detail=refusal.feature[:MAX_DETAIL])
        except Exception as error:
            return judge(job, Comparison("failed"), detail="timeout" if limit.expired() else describe(error))
        engine_seconds = max(0.0, self._clock() - started)
        self._tell(SideAnswered(job.table, "engine", engine_seconds))
        comparison = await self._compare_answers(job, answer)
        if comparison.verdict == "mismatch" and self._was_overlapped(job):
            return judge(job, Comparison("inconclusive"), engine_seconds, OVERLAPPED)
        return judge(job, comparison, engine_seconds)

    def _was_overlapped(self, job: Job) -> bool:
        """Whether a write through the proxy came between the two readings, which then prove nothing."""
        if self._writes is None:
            return False
        names = find_names(job.exchange.request, job.snapshot)
        return self._writes.overlapped(names, job.exchange.started)

    async def _compare_answers(self, job: Job, answer: Answer) -> Comparison:
        upstream = job.exchange.answer
        comparing = partial(
            self._compare,
            job.exchange.request,
            upstream,
            answer,
            max_rows=job.snapshot.config.engine.db_max_rows,
        )
        small = max(len(upstream.body), len(answer.body)) <= SMALL
        if small or upstream.body == answer.body:
            return comparing()
        return await asyncio.get_running_loop().run_in_executor(self._thread, comparing)

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


def judge(job: Job, comparison: Comparison, engine_seconds: float = 0.0, detail: str = "") -> Judged:
    """The verdict on ``job``. A first difference counts: nobody asks either side again here."""
    return Judged(
        job.table,
        comparison.verdict,
        render_request_line(job.exchange.request),
        comparison.differences,
        job.exchange.seconds,
        engine_seconds,
        detail,
        role=find_role(job.exchange.request, job.snapshot, time.time()),
        status=job.exchange.answer.status,
        upstream_version=(job.exchange.answer.header(b"server") or b"").decode("latin-1"),
    )


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

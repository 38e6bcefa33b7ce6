"""Let the engine do a write and undo it, before the upstream does it; compare the answers afterwards.

Nothing that goes wrong here reaches the client or changes what the upstream gets: the write waits for its
rehearsal for a bounded time, and goes on whatever became of it. Every attempt ends in exactly one
``Rehearsed`` or ``Unrehearsed``, told by whoever holds it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from proxy.database.snapshot import EngineSnapshot
from proxy.engine.made import find_made
from proxy.engine.reading import describe_reading
from proxy.errors import ApiError, Unsupported, render_error
from proxy.events import (
    Crashed,
    Emit,
    Event,
    RehearsalVerdict,
    Rehearsed,
    SideAnswered,
    Unrehearsed,
    UnrehearsedReason,
)
from proxy.messages import Answer, Request
from proxy.server.comparing import SMALL
from proxy.server.failures import MAX_DETAIL, describe
from proxy.server.settling import render_request_line
from proxy.server.state import AskEngine, Snapshot
from proxy.server.writes import OVERLAPPED
from proxy.shadow.compare import Comparison
from proxy.shadow.masking import Mask, compare_rehearsal
from proxy.shadow.subject import find_subject

Complete = Callable[[int], Awaitable[Request]]
"""Gives the request with its body of at most so many bytes, or raises ``Unsupported``."""


@dataclass(slots=True, eq=False)
class Rehearsal:
    """One rehearsed write. ``answer`` is the engine's; without one ``verdict`` and ``detail`` say why.

    ``seconds`` are the engine's own, ``waited`` what the write has waited, for its body too.
    """

    table: str
    snapshot: Snapshot
    engine: EngineSnapshot
    request: Request
    since: float
    task: asyncio.Task[Answer]
    answer: Answer | None = None
    verdict: RehearsalVerdict = "failed"
    detail: str = ""
    seconds: float = 0.0
    waited: float = 0.0


class Rehearsals:
    """At most ``concurrency`` writes are rehearsed, waited with, or compared at once: that bounds the memory.

    ``ask_engine`` undoes what it does. ``clock`` gives seconds that only grow.
    """

    def __init__(
        self, ask_engine: AskEngine, emit: Emit, *, concurrency: int, clock: Callable[[], float]
    ) -> None:
        self._ask_engine = ask_engine
        self._emit = emit
        self._room = concurrency
        self._clock = clock
        self._closed = False
        self._comparing: set[asyncio.Task[None]] = set()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rehearsals")

    async def attempt(
        self, table: str, snapshot: Snapshot, complete: Complete
    ) -> Rehearsal | UnrehearsedReason:
        """Rehearse a write; the reason if it is not. A ``Rehearsal`` must be given to ``settle`` or ``drop``.

        Raises what ``complete`` raises but ``Unsupported``, and nothing else that the engine can cause.
        """
        limits, engine = snapshot.config.rehearsal, snapshot.engine
        if engine is None:
            return "no_schema"
        if self._closed:
            return "shutdown"
        if not self._room:
            return "busy"
        self._room -= 1
        since, task = self._clock(), None
        deadline = asyncio.get_running_loop().time() + limits.timeout
        try:
            async with asyncio.timeout_at(deadline):
                request = await complete(limits.max_body)
            started = self._clock()
            task = asyncio.create_task(self._ask(request, snapshot))
            rehearsal = Rehearsal(table, snapshot, engine, request, since, task)
            # Not awaited itself: an engine that ignores cancellation must not hold up the client.
            await asyncio.wait({task}, timeout=max(0.0, deadline - asyncio.get_running_loop().time()))
        except TimeoutError:
            self._free(task)
            return "deadline"
        except Unsupported:
            self._free(task)
            return "too_large"
        except BaseException:
            self._free(task)
            raise
        now = self._clock()
        rehearsal.seconds, rehearsal.waited = now - started, now - since
        self._read_outcome(rehearsal)
        return rehearsal

    def drop(self, rehearsal: Rehearsal) -> None:
        """There is nothing to compare with."""
        self._free(rehearsal.task)

    def settle(self, rehearsal: Rehearsal, upstream: Answer, seconds: float, *, overlapped: bool) -> None:
        """Compare with the ``upstream``'s answer, which took ``seconds``, and tell the verdict; never waits.

        ``overlapped``: another write may have come in between, so that a difference proves nothing.
        """
        if self._closed:
            self.drop(rehearsal)
            self._tell(Unrehearsed(rehearsal.table, "shutdown"))
            return
        task = asyncio.create_task(self._compare(rehearsal, upstream, seconds, overlapped))
        self._comparing.add(task)
        task.add_done_callback(self._comparing.discard)

    async def close(self, grace: float = 1.0) -> None:
        """Let what is being compared end for ``grace`` seconds, then give it up."""
        self._closed = True
        if self._comparing:
            await asyncio.wait(tuple(self._comparing), timeout=grace)
        for task in tuple(self._comparing):
            task.cancel()
        await asyncio.gather(*self._comparing, return_exceptions=True)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _ask(self, request: Request, snapshot: Snapshot) -> Answer:
        try:
            return await self._ask_engine(request, snapshot)
        except ApiError as error:
            return render_error(error)

    def _read_outcome(self, rehearsal: Rehearsal) -> None:
        task = rehearsal.task
        if not task.done():
            task.cancel()
            rehearsal.detail = "timeout"
            return
        if task.cancelled():
            rehearsal.detail = "cancelled"
            return
        error = task.exception()
        if error is None and len(task.result().body) > rehearsal.snapshot.config.rehearsal.max_body:
            rehearsal.detail = "the answer is too large"
        elif error is None:
            rehearsal.answer = task.result()
            self._tell(SideAnswered(rehearsal.table, "engine", rehearsal.seconds))
        elif isinstance(error, Unsupported):
            rehearsal.verdict, rehearsal.detail = "unsupported", error.feature[:MAX_DETAIL]
        else:
            rehearsal.detail = describe(error)

    async def _compare(
        self, rehearsal: Rehearsal, upstream: Answer, seconds: float, overlapped: bool
    ) -> None:
        outcome: Event = Unrehearsed(rehearsal.table, "shutdown")
        try:
            outcome = await self._judge(rehearsal, upstream, seconds, overlapped)
        except Exception as error:
            self._tell(Crashed("rehearsal", describe(error)))
            outcome = _tell_verdict(rehearsal, Comparison("failed"), seconds, "internal error")
        finally:
            self._free(rehearsal.task)
            self._tell(outcome)

    async def _judge(
        self, rehearsal: Rehearsal, upstream: Answer, seconds: float, overlapped: bool
    ) -> Rehearsed:
        answer = rehearsal.answer
        if answer is None:
            return _tell_verdict(rehearsal, Comparison(rehearsal.verdict), seconds, rehearsal.detail)
        comparing = partial(_compare_answers, rehearsal, upstream, answer)
        if len(upstream.body) + len(answer.body) + len(rehearsal.request.body) <= SMALL:
            comparison = comparing()
        else:
            comparison = await asyncio.get_running_loop().run_in_executor(self._thread, comparing)
        if comparison.verdict == "mismatch" and overlapped:
            return _tell_verdict(rehearsal, Comparison("inconclusive"), seconds, OVERLAPPED)
        return _tell_verdict(rehearsal, comparison, seconds)

    def _free(self, task: asyncio.Task[Answer] | None) -> None:
        """One more may be rehearsed, as soon as the engine is done with the last."""
        if task is None or task.done():
            self._room += 1
            return
        if not task.cancelling():
            task.cancel()
        task.add_done_callback(self._free_late)

    def _free_late(self, task: asyncio.Task[Answer]) -> None:
        self._room += 1
        if not task.cancelled():
            # Taken note of, so that nobody complains that it never was.
            task.exception()

    def _tell(self, event: Event) -> None:
        """Emit ``event``. A listener's fault is the listeners' affair."""
        try:
            self._emit(event)
        except Exception as error:
            try:
                self._emit(Crashed("listener", describe(error)))
            except Exception:
                return


def _compare_answers(rehearsal: Rehearsal, upstream: Answer, answer: Answer) -> Comparison:
    request, engine, snapshot = rehearsal.request, rehearsal.engine, rehearsal.snapshot
    options = engine.options
    made = find_made(request, options, engine.schema, engine.reach)
    subject = find_subject(request, snapshot.names, options.db_root_spec)
    mask = Mask(made.columns, made.members, call=subject is not None and subject.function)
    reading = describe_reading(request, options, engine.schema)
    return compare_rehearsal(request, upstream, answer, mask, reading)


def _tell_verdict(
    rehearsal: Rehearsal, comparison: Comparison, seconds: float, detail: str = ""
) -> Rehearsed:
    verdict: RehearsalVerdict
    match comparison.verdict:
        case "race" | "volatile":
            verdict = "inconclusive"
        case known:
            verdict = known
    return Rehearsed(
        rehearsal.table,
        verdict,
        render_request_line(rehearsal.request),
        comparison.differences,
        seconds,
        rehearsal.seconds,
        detail,
    )

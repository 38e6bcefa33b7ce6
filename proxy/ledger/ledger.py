"""The listener that keeps evidence, and the task that writes it down.

Listening puts into memory, in bounds, and does nothing else. Every few seconds what was gathered is written
by a thread of the ledger's own. While the database is slow or gone, counting goes on in memory; what does not
fit is shed, and counted. Nothing of this is ever waited for by a client or by the mirror (promise 2).
"""

import asyncio
import functools
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, TypeVar

from sqlalchemy import Connection

from proxy.events import (
    Crashed,
    Emit,
    FellBack,
    Judged,
    LedgerFlushed,
    LedgerKind,
    LedgerShed,
    Listener,
    MismatchShrunk,
    ModeChanged,
    OutcomeLost,
    Rehearsed,
    RuleHit,
    Served,
    Shed,
    Skipped,
    Unrehearsed,
)
from proxy.ledger.batch import MAX_BYTES, MAX_KEYS, Batch
from proxy.ledger.bounds import DEFAULT, Bounds
from proxy.ledger.database import LedgerDatabase, LedgerDown, Work
from proxy.ledger.hide import hide_again
from proxy.ledger.migrations import LedgerTooNew
from proxy.ledger.prune import prune
from proxy.ledger.write import Applied, Flush, apply_batch
from proxy.shadow.evidence import CONCLUSIVE, Conditions
from proxy.shadow.freshness import Freshness
from proxy.shadow.redaction.secrets import Redaction

INTERVAL = 5.0
"""Seconds between flushes: what a killed process may lose.

Writing some five hundred counts keeps the interpreter busy for a fiftieth of a second, which clients' answers
have to share; so it is not done more often than needed.
"""

LONGEST_WAIT = 30.0
PRUNE_EVERY = 600.0

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class LedgerCondition:
    """How the ledger does. ``last_flush`` is in seconds since 1970, None while there was none."""

    state: str
    entries: int
    bytes: int
    last_flush: float | None
    problem: str
    shed: dict[str, int]


class Ledger(Listener):
    """Keeps evidence in ``database``.

    ``find_conditions`` gives those in force for a table and a version of the upstream, ``redaction`` what is
    hidden now. ``replica`` is the name of this process, different from every other one's. ``wall_clock``
    counts seconds since 1970.
    """

    def __init__(
        self,
        database: LedgerDatabase,
        emit: Emit,
        *,
        find_conditions: Callable[[str, str], Conditions],
        redaction: Callable[[], Redaction],
        replica: str,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        bounds: Bounds = DEFAULT,
        max_keys: int = MAX_KEYS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        super().__init__(
            {
                Judged: self._count_verdict,
                Served: self._count_served,
                Skipped: self._count_skipped,
                Shed: self._by("shed", "reason"),
                FellBack: self._by("fell_back", "reason"),
                Rehearsed: self._by("rehearsed", "verdict"),
                Unrehearsed: self._by("unrehearsed", "reason"),
                OutcomeLost: self._by("outcome_lost", "side"),
                RuleHit: self._by("ignored", "rule"),
                MismatchShrunk: self._keep_smallest,
                ModeChanged: self._keep_change,
            }
        )
        self._database = database
        self._emit = emit
        self._find_conditions = find_conditions
        self._redaction = redaction
        self._replica = replica
        self._clock = clock
        self._wall_clock = wall_clock
        self._sleep = sleep
        self._bounds = bounds
        self._new_batch = functools.partial(Batch, max_keys, max_bytes)
        self._batch = self._new_batch()
        self._unsent: tuple[int, Batch] | None = None
        self._sequence = 0
        self._last_flush: float | None = None
        self._next_prune = 0.0
        self._hidden: Redaction | None = None
        self._problem = ""
        self._shed: Counter[str] = Counter()
        self._freshness = Freshness()
        self._turn = asyncio.Lock()
        self._closed = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")

    @property
    def condition(self) -> LedgerCondition:
        """How the ledger does now."""
        state = "down" if self._problem else "starting" if self._last_flush is None else "up"
        return LedgerCondition(
            state, self.entries, self.bytes, self._last_flush, self._problem, dict(self._shed)
        )

    @property
    def entries(self) -> int:
        """How many things wait to be written."""
        return self._batch.entries + (self._unsent[1].entries if self._unsent else 0)

    @property
    def bytes(self) -> int:
        """The bytes of all examples that wait to be written."""
        return self._batch.bytes + (self._unsent[1].bytes if self._unsent else 0)

    @property
    def up(self) -> bool:
        """Whether the last attempt to write came through."""
        return self._last_flush is not None and not self._problem

    def _count_served(self, served: Served) -> None:
        kind = "reads" if served.read else "writes"
        self._batch.add_traffic(served.table, kind, served.answered_by)

    def _count_skipped(self, skipped: Skipped) -> None:
        if skipped.reason != "method":
            self._batch.add_traffic(skipped.table, "skipped", skipped.reason)

    def _by(self, kind: str, what: str) -> Callable[[Any], None]:
        """Counts an event as traffic of ``kind``, by ``what`` it says."""
        read: Callable[[Any], str] = attrgetter(what)
        return lambda event: self._batch.add_traffic(event.table, kind, read(event))

    def _keep_smallest(self, shrunk: MismatchShrunk) -> None:
        self._batch.add_smallest(shrunk)

    def _keep_change(self, changed: ModeChanged) -> None:
        self._batch.add_change(changed, self._wall_clock())

    def _count_verdict(self, event: Judged) -> None:
        now = self._wall_clock()
        conditions = self._find_conditions(event.table, event.upstream_version)
        # That what matched before does not match now is news.
        asked = (event.request_line, event.shape, event.role, event.verdict == "mismatch")
        fresh = event.verdict in CONCLUSIVE and self._freshness.note(asked, now)
        self._batch.add_verdict(event, conditions, now, fresh=fresh)

    async def keep(self) -> None:
        """Write what was gathered until cancelled, less often while the ledger is down."""
        wait = INTERVAL
        while True:
            written = await self.flush()
            wait = INTERVAL if written else min(2 * wait, LONGEST_WAIT)
            await self._sleep(wait)

    async def flush(self) -> bool:
        """Write what was gathered so far; whether that went well. Never raises."""
        async with self._turn:
            try:
                return await self._flush()
            except Exception as error:
                # A fault of ours, or values that no database takes: they would fail for ever.
                self._emit(Crashed("ledger", type(error).__name__))
                self._give_up()
                return False

    async def read(self, work: Work[Result]) -> Result:
        """What ``work`` makes of the ledger. Raises LedgerDown and its likes."""
        return await self._apart(functools.partial(self._database.read, work))

    async def close(self, grace: float = 5.0) -> None:
        """Write what was gathered, for ``grace`` seconds at most, and let go of the database."""
        if self._closed:
            return
        self._closed = True
        try:
            async with asyncio.timeout(grace):
                await self.flush()
                await self._apart(self._database.close)
        except TimeoutError:
            pass
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def _flush(self) -> bool:
        if self._unsent is None and (self._batch.entries or self._batch.shed):
            self._sequence += 1
            self._unsent, self._batch = (self._sequence, self._batch), self._new_batch()
        started = self._clock()
        now = self._wall_clock()
        try:
            applied = await self._apart(functools.partial(self._write, self._unsent, now))
        except (LedgerDown, LedgerTooNew) as error:
            self._problem = str(error)
            self._emit(LedgerFlushed(False, self._clock() - started, self._problem))
            return False
        sent, self._unsent = self._unsent, None
        self._problem, self._last_flush = "", now
        self._emit(LedgerFlushed(True, self._clock() - started))
        shed = applied.shed if sent is None else Counter(sent[1].shed) + Counter(applied.shed)
        for kind, count in shed.items():
            self._tell_shed(kind, count)
        for event in applied.opened:
            self._emit(event)
        return True

    def _write(self, unsent: tuple[int, Batch] | None, now: float) -> Applied:
        """One transaction; runs in the thread."""
        pruning = now >= self._next_prune
        redaction = self._redaction()
        hiding = redaction != self._hidden
        if unsent is None and not (pruning or hiding):
            return Applied()
        more = False

        def work(connection: Connection) -> Applied:
            applied = Applied()
            if unsent is not None:
                sequence, batch = unsent
                flush = Flush(self._replica, sequence, now)
                applied = apply_batch(connection, flush, batch, redaction, self._bounds)
            if pruning:
                prune(connection, self._bounds, now)
            if hiding:
                nonlocal more
                more = hide_again(connection, redaction)
            return applied

        applied = self._database.write(work)
        if pruning:
            self._next_prune = now + PRUNE_EVERY
        self._hidden = None if more else redaction
        return applied

    def _give_up(self) -> None:
        if self._unsent is not None:
            _, batch = self._unsent
            self._unsent = None
            self._tell_shed("batch", batch.entries)

    def _tell_shed(self, kind: LedgerKind, count: int) -> None:
        if count:
            self._shed[kind] += count
            self._emit(LedgerShed(kind, count))

    async def _apart(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

"""Reads that a standby answers, as long as it is known not to be further behind than it may be.

How far it is behind is not asked of its clock, nor of the time of the last transaction, which grows while
nobody writes. From time to time the primary is asked how far its log goes, and the standby how far it has
replayed: everything that was committed when the primary said what the standby has replayed by now, is there.
The time since then counts as well, so that a standby of which nothing is heard any more grows old by itself.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

from proxy.config import EngineConfig
from proxy.database.connection import Database
from proxy.engine.plan.whole import Plan
from proxy.engine.sql.session import Session
from proxy.errors import ApiError, EngineDown
from proxy.events import Emit, ReplicaChanged

LONGEST_PAUSE = 1.0
"""Seconds between two measurements, at the most; it is a quarter of the lag that is allowed."""

_PATIENCE = 5.0
"""Seconds that one measurement may take."""

_MOST_MARKS = 1000

_PRIMARY = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"
_STANDBY = "SELECT pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint WHERE pg_is_in_recovery()"


class Lag:
    """How far a standby is behind, from what it and its primary have said. Times only grow."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque(maxlen=_MOST_MARKS)
        self._current_at: float | None = None

    def note(self, asked_at: float, written: int, replayed: int) -> None:
        """When the primary was asked its log went to ``written``; later the standby was at ``replayed``."""
        self._marks.append((asked_at, written))
        while self._marks and self._marks[0][1] <= replayed:
            self._current_at = self._marks.popleft()[0]

    def forget(self) -> None:
        """What was heard does not count any more: one of the two may be another server by now."""
        self._marks.clear()
        self._current_at = None

    def seconds(self, now: float) -> float:
        """Everything older than this is there."""
        return float("inf") if self._current_at is None else now - self._current_at


class Replica:
    """A standby of the database of ``options``, at ``db-replica-uri``.

    ``connections`` are for requests; two more measure the lag, one on each side. ``clock`` gives seconds that
    only grow.
    """

    def __init__(
        self,
        options: EngineConfig,
        emit: Emit,
        *,
        connections: int,
        application_name: str,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        assert options.db_replica_uri is not None
        there = replace(options, db_uri=options.db_replica_uri)
        watching = f"{application_name} lag"
        self.database = Database(there, connections=connections, application_name=application_name)
        self._primary = Database(options, connections=1, application_name=watching, read_only=True)
        self._standby = Database(there, connections=1, application_name=watching, read_only=True)
        self._emit = emit
        self._clock = clock
        self._sleep = sleep
        self._pause = min(LONGEST_PAUSE, options.db_replica_max_lag / 4)
        self._max_lag = options.db_replica_max_lag
        self._lag = Lag()
        self._was_fresh: bool | None = None

    @property
    def lag(self) -> float:
        """Seconds that it may be behind."""
        return self._lag.seconds(self._clock())

    def may_read(self, plan: Plan, session: Session) -> bool:
        """Whether it may be asked now, and for this: nothing that could write, or that a standby refuses."""
        function = plan.function
        return (
            self.lag <= self._max_lag
            and session.read_only
            and session.isolation != "SERIALIZABLE"
            and (function is None or function.volatility != "volatile")
        )

    def distrust(self) -> None:
        """It could not be reached: until it is measured again, nothing is known of it."""
        self._lag.forget()

    async def keep(self) -> None:
        """Measure until cancelled."""
        while True:
            await self.measure()
            await self._sleep(self._pause)

    async def measure(self) -> None:
        """Ask both sides once."""
        try:
            async with asyncio.timeout(_PATIENCE):
                asked_at = self._clock()
                written = await self._primary.run(_ask_primary)
                replayed = await self._standby.run(_ask_standby)
        except (ApiError, EngineDown, TimeoutError) as error:
            self._lag.forget()
            self._tell(type(error).__name__)
            return
        if replayed is None:
            self._lag.forget()
            self._tell("it is no standby")
            return
        self._lag.note(asked_at, written, replayed)
        self._tell("")

    async def close(self) -> None:
        """Close every connection."""
        for database in (self.database, self._primary, self._standby):
            await database.close()

    def _tell(self, problem: str) -> None:
        """Say so when reads begin to go there, and when they end to."""
        fresh = self.lag <= self._max_lag
        if fresh is not self._was_fresh:
            self._was_fresh = fresh
            self._emit(ReplicaChanged(fresh, problem or ("" if fresh else "it is too far behind")))


async def join_replica(
    serving: Database, options: EngineConfig, emit: Emit, application_name: str, stack: AsyncExitStack
) -> None:
    """Let reads of ``serving`` go to the replica of ``options``, if there is one; ``stack`` ends that."""
    if options.db_replica_uri is None:
        return
    connections = serving.pool.size
    replica = Replica(options, emit, connections=connections, application_name=application_name)
    stack.push_async_callback(replica.close)
    keeping = asyncio.create_task(replica.keep(), name="replica")
    stack.push_async_callback(_end, keeping)
    serving.replica = replica


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _ask_primary(connection: Any) -> int:
    async with connection.transaction(readonly=True):
        return int(await connection.fetchval(_PRIMARY))


async def _ask_standby(connection: Any) -> int | None:
    async with connection.transaction(readonly=True):
        found = await connection.fetchval(_STANDBY)
    return None if found is None else int(found)

"""Hold tables back when the guard says so, keep the holds, and know those of other replicas.

A hold is in force here in the moment in which the guard finds a reason, and it is written down behind that:
every second, and at once when there is a new one, this replica's holds are put into the store and all those
of the store are put in force. As long as the store has not been read, every table is held, since nobody
knows which ones are: the upstream answers then, as it always could.

No table is put back to an upstream that is gone: a slow answer, or one of some, is better than none. That is
looked at every second while the engine answers clients.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Set
from typing import Protocol, get_args

from proxy.errors import UnderstudyError
from proxy.events import Crashed, Emit, GuardAlarmed, Held, Listener, Rearmed
from proxy.server.state import State
from proxy.shadow.guard import Guard, Hold, Telling, Trip, is_on_stage, read_sign

INTERVAL = 1.0
"""Seconds between two looks at what other replicas hold."""


class HoldStore(Protocol):
    """Where holds outlive the process. Each call raises ``UnderstudyError`` while it cannot be reached."""

    async def put(self, hold: Hold) -> None:
        """Keep a hold; one that is there already stays as it is."""

    async def remove(self, table: str, who: str, why: str) -> None:
        """Take the hold from a table, if there is one."""

    async def list(self) -> Mapping[str, Hold]:
        """All holds, by table."""


class Everything(Set[str]):
    """The set that every table is in."""

    def __contains__(self, _: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 1


class Guarding(Listener):
    """A listener that watches the engine wherever it answers clients.

    ``clock`` gives seconds that only grow, ``wall_clock`` those since 1970; ``reach`` says whether something
    accepts connections at a URL. Without an upstream that can be reached nothing is held, for there is
    nothing to go back to: the guard only alarms.
    """

    def __init__(
        self,
        state: State,
        emit: Emit,
        store: HoldStore,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        reach: Callable[[str], Awaitable[bool]],
    ) -> None:
        super().__init__(dict.fromkeys(get_args(Telling), self._watch))
        self._state = state
        self._emit = emit
        self._store = store
        self._clock = clock
        self._wall_clock = wall_clock
        self._reach = reach
        self._gone = False
        self._guard = Guard()
        self._holds: dict[str, Hold] = {}
        self._unwritten: dict[str, Hold] = {}
        self._known = False
        self._wanted = asyncio.Event()
        self._turn = asyncio.Lock()
        self._put()

    @property
    def holds(self) -> Mapping[str, Hold]:
        """The holds in force, by table."""
        return dict(self._holds)

    def _watch(self, event: Telling) -> None:
        config = self._state.current.config
        sign = read_sign(event, config.guard, alone=config.upstream is None)
        if sign is None or sign[0] in self._holds:
            return
        trip = self._guard.note(*sign, self._clock(), config.guard)
        if trip is None:
            return
        if config.upstream is None or self._gone:
            self._emit(GuardAlarmed(trip.table, trip.reason, trip.words))
        else:
            self._hold(trip)

    async def rearm(self, table: str, who: str, why: str) -> bool:
        """Take the hold from ``table``, for all replicas; whether there was one. Raises UnderstudyError."""
        if table not in self._holds:
            return False
        async with self._turn:
            await self._store.remove(table, who, why)
            self._unwritten.pop(table, None)
            self._drop(table, who, why)
        return True

    async def keep(self) -> None:
        """Write new holds down and follow those of others, until cancelled."""
        while True:
            await self.exchange()
            await self.look_at_upstream()
            try:
                async with asyncio.timeout(INTERVAL):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def look_at_upstream(self) -> None:
        """Find out whether the upstream is there to go back to, if that matters now."""
        config = self._state.current.config
        if config.upstream is not None:
            self._gone = is_on_stage(config) and not await self._reach(config.upstream.url)

    async def exchange(self) -> None:
        """Write and read the store once. While it cannot be reached, the holds stay as they are."""
        self._wanted.clear()
        async with self._turn:
            await self._exchange()

    async def _exchange(self) -> None:
        try:
            for table, hold in tuple(self._unwritten.items()):
                await self._store.put(hold)
                self._unwritten.pop(table, None)
            found = await self._store.list()
        except UnderstudyError:
            return
        except Exception as error:
            self._emit(Crashed("holds", type(error).__name__))
            return
        self._follow({**found, **self._unwritten})

    def _follow(self, found: Mapping[str, Hold]) -> None:
        """Put what is in the store in force, and nothing else."""
        self._known = True
        for table in self._holds.keys() - found.keys():
            self._drop(table, "", "re-armed elsewhere")
        for table, hold in found.items():
            if table not in self._holds:
                self._holds[table] = hold
                self._guard.forget(table)
                self._put()
                self._emit(Held(table, hold.reason, hold.words))
        self._put()

    def _hold(self, trip: Trip) -> None:
        hold = Hold(trip.table, self._wall_clock(), trip.reason, trip.words)
        self._holds[trip.table] = self._unwritten[trip.table] = hold
        self._put()
        self._wanted.set()
        self._emit(Held(trip.table, trip.reason, trip.words))

    def _drop(self, table: str, who: str, why: str) -> None:
        self._holds.pop(table, None)
        self._guard.forget(table)
        self._put()
        self._emit(Rearmed(table, who, why))

    def _put(self) -> None:
        known = self._known or self._state.current.config.upstream is None
        self._state.put_holds(frozenset(self._holds) if known else Everything())

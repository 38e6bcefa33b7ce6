"""The writes that pass through the proxy: what they may change, and when they were in flight.

A difference between two readings that such a write came in between proves nothing; whoever reads again to
prove one waits a little until it is over. Known are only the proxy's own writes; of others the database alone
knows.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

from proxy.engine.touch import find_touched
from proxy.messages import Request
from proxy.server.state import Snapshot
from proxy.shadow.names import QualifiedName
from proxy.shadow.subject import find_subject

_LONG = 2048
"""Bytes of a request target from which on it is not looked into: nobody shall wait for that."""

OVERLAPPED = "a write through the proxy came in between"
LONGEST_CALM = 0.05
"""Seconds that a reading waits for writes to end, at the most."""

Touched: TypeAlias = frozenset[QualifiedName] | None
"""The relations that a request may read or change; None for a function, of which that is not known."""


@dataclass(frozen=True, slots=True, eq=False)
class Write:
    """One write in flight. Only itself is equal to it."""

    names: Touched


class Writes:
    """Remembers the writes in flight, and for each relation when the last one ended.

    ``clock`` gives seconds that only grow. What is kept is bounded by the names in the schema cache.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._in_flight: set[Write] = set()
        self._one_ended = asyncio.Event()
        self._ended: dict[QualifiedName, float] = {}
        self._any_ended = self._call_ended = float("-inf")

    def begin(self, names: Touched) -> Write:
        """A write that may change ``names`` has begun."""
        write = Write(names)
        self._in_flight.add(write)
        return write

    def end(self, write: Write) -> None:
        """``write`` has been answered, or nobody waits for its answer any longer."""
        self._in_flight.discard(write)
        self._one_ended.set()
        self._any_ended = now = self._clock()
        if write.names is None:
            self._call_ended = now
        else:
            self._ended |= dict.fromkeys(write.names, now)

    def overlapped(self, names: Touched, since: float, besides: Write | None = None) -> bool:
        """Whether a write, ``besides`` the one given, may have changed ``names`` since ``since``."""
        if any(write is not besides and _meet(write.names, names) for write in self._in_flight):
            return True
        if names is None:
            return self._any_ended >= since
        return any(ended >= since for ended in (self._call_ended, *map(self._last, names)))

    async def await_calm(self, request: Request, snapshot: Snapshot) -> None:
        """Wait a little while writes are in flight that ``request`` might see half of."""
        names = find_names(request, snapshot)
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_CALM):
                while self.overlapped(names, float("inf")):
                    self._one_ended.clear()
                    await self._one_ended.wait()

    def _last(self, name: QualifiedName) -> float:
        return self._ended.get(name, float("-inf"))


def _meet(first: Touched, second: Touched) -> bool:
    return first is None or second is None or not first.isdisjoint(second)


def find_names(request: Request, snapshot: Snapshot) -> Touched:
    """The relations that ``request`` reads or writes, with all whose rows are theirs or change with them.

    A very long request may touch anything.
    """
    subject = find_subject(request, snapshot.names, snapshot.config.engine.db_root_spec)
    if subject is None:
        return frozenset()
    if subject.function:
        return None
    names = {(subject.schema, subject.name)}
    engine = snapshot.engine
    if engine is None:
        return frozenset(names)
    if len(request.target) > _LONG:
        return None
    names |= find_touched(request, engine.options, engine.schema)
    return frozenset().union(*(engine.reach.companions(name) for name in names))

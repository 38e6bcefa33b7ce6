"""Find the smallest request that still shows a mismatch, by asking both sides, one request at a time.

Nobody waits for this: it has a line of its own in which few wait, one is in work, and for each the number of
tries and the time are bounded. It rests three times as long as it has worked: it never takes more than a
quarter of one connection.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from proxy.difference import Aspect, Difference
from proxy.events import Crashed, Emit, Listener, MismatchOpened, MismatchShrunk
from proxy.messages import Request
from proxy.shadow.shrink import can_shrink, search_smallest

MAX_TRIES = 200
MAX_SECONDS = 120.0
REST = 3.0
MAX_WAITING = 20
PAUSE = 1.0
MAX_REMEMBERED = 10_000

FindDifferences: TypeAlias = Callable[[str, Request], Awaitable[Sequence[Difference]]]
"""Asks both sides about a table, and gives that in which they disagree.

Nothing if they agree or one is silent.
"""

_INDEX = re.compile(r"\[\d+\]")


class Shrinker(Listener):
    """A listener that has newly opened mismatches shrunk.

    ``clock`` counts seconds; while ``may_ask`` says no, nothing is asked. A mismatch that did not show again
    is tried again when it next occurs, at most once in ``MAX_SECONDS``.
    """

    def __init__(
        self,
        find_differences: FindDifferences,
        emit: Emit,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        may_ask: Callable[[], bool] = lambda: True,
        max_tries: int = MAX_TRIES,
        max_seconds: float = MAX_SECONDS,
    ) -> None:
        super().__init__({MismatchOpened: self._take})
        self._find_differences = find_differences
        self._emit = emit
        self._clock = clock
        self._sleep = sleep
        self._may_ask = may_ask
        self._max_tries = max_tries
        self._max_seconds = max_seconds
        self._waiting: asyncio.Queue[MismatchOpened] = asyncio.Queue(MAX_WAITING)
        self._taken: dict[tuple[str, str], float] = {}

    def _take(self, event: MismatchOpened) -> None:
        """Take note of a mismatch that is to be shrunk, if there is room for it."""
        if not can_shrink(event.request) or self._waiting.full():
            return
        key, now = (event.table, event.signature), self._clock()
        if now < self._taken.get(key, 0.0):
            return
        if len(self._taken) >= MAX_REMEMBERED:
            self._taken.clear()
        self._taken[key] = now + self._max_seconds
        self._waiting.put_nowait(event)

    async def keep(self) -> None:
        """Shrink what is to be shrunk, one after the other, until cancelled."""
        while True:
            event = await self._waiting.get()
            try:
                shrunk = await self.shrink(event.table, event.request)
            except Exception as error:
                self._emit(Crashed("shrinking", type(error).__name__))
                continue
            if shrunk is not None:
                request, tries = shrunk
                self._emit(MismatchShrunk(event.table, event.signature, request, tries))

    async def shrink(self, table: str, request: Request) -> tuple[Request, int] | None:
        """The smallest request to ``table`` that shows the same as ``request``, and after how many tries.

        None if ``request`` does not show it any more. A smaller request shows the same if it differs in one
        of the same places, and in no other aspect: else it may show another fault.
        """
        until = self._clock() + self._max_seconds
        wanted = await self._ask(table, request)
        if not wanted:
            return None
        places, aspects = {_place(one) for one in wanted}, {one.aspect for one in wanted}
        tries, smallest = 1, request
        search = search_smallest(request)
        try:
            candidate = next(search)
            while tries < self._max_tries and self._clock() < until:
                tries += 1
                found = await self._ask(table, candidate)
                same = any(_place(one) in places for one in found) and aspects.issuperset(
                    one.aspect for one in found
                )
                if same:
                    smallest = candidate
                candidate = search.send(same)
        except StopIteration:
            pass
        return smallest, tries

    async def _ask(self, table: str, request: Request) -> Sequence[Difference]:
        while not self._may_ask():
            await self._sleep(PAUSE)
        started = self._clock()
        found = await self._find_differences(table, request)
        await self._sleep(REST * max(0.0, self._clock() - started))
        return found


def _place(one: Difference) -> tuple[Aspect, str]:
    """Where a difference is, whatever it is embedded in: a column or a header; of mere bytes, anywhere."""
    name = "" if one.path.startswith("@") else _INDEX.sub("", one.path).rpartition(".")[2]
    return one.aspect, name

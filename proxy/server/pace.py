"""How fast mirrored reads are begun: as fast as the loop that serves clients can do besides.

A mirrored read costs that loop something as well: it hands the exchange over, and counts what comes back.
How long a request waits for its turn in the loop grows as 1/(1 - share), where the share is how much of the
time the loop runs or wants to. Beyond ``CROWDED`` clients would feel what the mirror takes, and it slows
down. Time in which the loop waits for a processor counts as well: who has it may work for the mirror, or the
limit of a container is reached. What does not fit the mirror's queue meanwhile is shed from there.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from proxy.processor import Use, read_use

LOOK = 0.1
"""Seconds between two looks at how busy the loop is, at least."""

CALM = 0.5
ROOMY = 0.7
CROWDED = 0.8
"""Up to these shares of the time the mirror doubles its pace, quickens it, and keeps it."""

FIRST = 100.0
"""Reads a second with which the mirror begins, and begins again after a pause."""

LEAST = 10.0
"""Reads a second that are begun however busy the loop is; they take a hundredth of a processor or two."""


def adapt(pace: float, share: float, begun: float) -> float:
    """The reads a second that may be begun from now on, where ``begun`` a second were, of ``pace`` allowed.

    A pace that was not made use of says nothing of what the loop can bear.
    """
    if share > CROWDED:
        return max(LEAST, min(pace, begun) / 2)
    if begun < pace / 2:
        return max(FIRST, 2 * begun)
    return pace * (2 if share < CALM else 1.1 if share < ROOMY else 1)


class Pace:
    """Gives turns to begin mirrored reads. ``use`` tells what the calling thread has used of a processor."""

    def __init__(
        self,
        *,
        use: Callable[[], Use] = read_use,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._use = use
        self._clock = clock
        self._sleep = sleep
        self._pace = FIRST
        self._next = 0.0
        self._begun = 0
        self._looked = clock()
        self._used = use()

    async def wait(self) -> None:
        """Wait for a turn, as one who is next: another one comes after that.

        Called in the thread of the loop that serves clients, as the constructor is.
        """
        now = self._clock()
        if now - self._looked >= LOOK:
            self._look(now)
        self._begun += 1
        turn = max(now, self._next)
        self._next = turn + 1 / self._pace
        if turn > now:
            await self._sleep(turn - now)

    def _look(self, now: float) -> None:
        seconds, used = now - self._looked, self._use()
        busy = used - self._used
        self._pace = adapt(self._pace, (busy.had + busy.waited) / seconds, self._begun / seconds)
        self._looked, self._used, self._begun = now, used, 0

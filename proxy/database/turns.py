"""Those who wait for the same thing: first come, first served, and for so long only."""

import asyncio
from collections import deque
from typing import Generic, TypeVar

_Thing = TypeVar("_Thing")


class Turns(Generic[_Thing]):
    """Who comes gets a future, which fails with TimeoutError after ``patience`` seconds.

    As all have the same patience, those who come first give up first: one timer does for all of them.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._queue: deque[tuple[asyncio.Future[_Thing], float]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def __bool__(self) -> bool:
        """Whether somebody may be waiting, or has only just given up."""
        return bool(self._queue)

    def take(self) -> "asyncio.Future[_Thing]":
        """A turn behind all others. Whoever does not want it any more cancels it."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[_Thing] = loop.create_future()
        until = loop.time() + self._patience
        self._queue.append((turn, until))
        if self._timer is None:
            self._timer = loop.call_at(until, self._give_up)
        return turn

    def call(self) -> "asyncio.Future[_Thing] | None":
        """The turn of whoever has waited longest, to be given what it is for; None if nobody waits."""
        while self._queue:
            turn, _ = self._queue.popleft()
            if not turn.done():
                return turn
        return None

    def _give_up(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._queue and self._queue[0][1] <= now:
            turn, _ = self._queue.popleft()
            if not turn.done():
                turn.set_exception(TimeoutError())
        if self._queue:
            self._timer = loop.call_at(self._queue[0][1], self._give_up)

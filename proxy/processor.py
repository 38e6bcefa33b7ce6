"""The processor: how long a thread waits for it, and how to take no more of it than others leave.

Linux has a policy for what others leave, ``SCHED_IDLE``: whoever else wakes takes the processor from such a
thread at once. Where nothing is left it stands still, and it cannot be rid of that policy without a
privilege. So who yields has two threads, and its event loop runs in one of them at a time: in an idle one,
and for a while, at the beginning and when that has stood still, in one that shares.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

_STATISTICS = "/proc/thread-self/schedstat"

_LONGEST = 64
"""Bytes of three numbers."""

LOOK = 1.0
"""Seconds between two looks at whether the loop stands still."""

STANDSTILL = 0.05
"""Who gets less than this share of the time in which it wants a processor stands still."""

BEGINNING = 10.0
"""Seconds for which a loop shares at first: it has most to do then, and stands still with it for long."""

SHARING = 60.0
"""Seconds for which a loop shares once it has stood still."""


@dataclass(frozen=True, slots=True)
class Use:
    """Seconds in which a thread had a processor, and in which it wanted to run and others did."""

    had: float = 0.0
    waited: float = 0.0

    def __add__(self, other: "Use") -> "Use":
        return Use(self.had + other.had, self.waited + other.waited)

    def __sub__(self, other: "Use") -> "Use":
        return Use(self.had - other.had, self.waited - other.waited)

    @property
    def stood_still(self) -> bool:
        """Whether a thread that used it so while it was looked at had next to nothing of what it wanted."""
        return self.waited > LOOK / 2 and self.had < STANDSTILL * (self.had + self.waited)


def read_use() -> Use:
    """What this thread has used since it began; nothing where the system does not tell.

    The first two numbers, nanoseconds, of Linux's "Scheduler Statistics".
    """
    try:
        # The plainest way to read, as every mirrored read has this done.
        file = os.open(_STATISTICS, os.O_RDONLY)
        try:
            had, waited = os.read(file, _LONGEST).split()[:2]
        finally:
            os.close(file)
        return Use(int(had) / 1e9, int(waited) / 1e9)
    except (OSError, ValueError):
        return Use()


def read_wait() -> float:
    """Seconds in which this thread wanted to run and others did."""
    return read_use().waited


def become_idle() -> bool:
    """Let this thread have only what others leave, for good; False where the system has no such thing."""
    if sys.platform != "linux":
        return False
    try:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    except OSError:
        return False
    return True


class Yielder:
    """Runs an event loop on what others leave of the processor, or on a share of it where they leave nothing.

    ``use`` tells what the calling thread has used.
    """

    def __init__(
        self, use: Callable[[], Use] = read_use, *, beginning: float = BEGINNING, sharing: float = SHARING
    ) -> None:
        self._use = use
        self._beginning = beginning
        self._sharing = sharing
        self._before = Use()

    def read_wait(self) -> float:
        """Seconds in which the loop wanted to run and others did, in all its turns. Called in the loop."""
        return (self._before + self._use()).waited

    def run(self, loop: asyncio.AbstractEventLoop, work: Coroutine[None, None, None]) -> None:
        """Run ``work`` to its end, in ``loop``. Raises what it raises."""
        task = loop.create_task(work)
        task.add_done_callback(lambda _: loop.stop())
        sharing = self._beginning
        while not task.done():
            self._take_turn(loop, partial(loop.call_later, sharing, loop.stop))
            sharing = self._sharing
            if not task.done():
                with ThreadPoolExecutor(1, "idle") as aside:
                    aside.submit(self._take_turn, loop, partial(self._yield, loop)).result()
        task.result()

    def _take_turn(self, loop: asyncio.AbstractEventLoop, begin: Callable[[], object]) -> None:
        """Run ``loop`` in this thread until it stops.

        A thread has the policy of the one that starts it, so each turn has helpers of its own.
        """
        self._before -= self._use()
        helpers = ThreadPoolExecutor(thread_name_prefix="helper")
        loop.set_default_executor(helpers)
        begin()
        try:
            loop.run_forever()
        finally:
            helpers.shutdown(wait=False)
            self._before += self._use()

    def _yield(self, loop: asyncio.AbstractEventLoop) -> None:
        if become_idle():
            loop.call_later(LOOK, self._look, loop, self._use())

    def _look(self, loop: asyncio.AbstractEventLoop, before: Use) -> None:
        now = self._use()
        if (now - before).stood_still:
            loop.stop()
        else:
            loop.call_later(LOOK, self._look, loop, now)

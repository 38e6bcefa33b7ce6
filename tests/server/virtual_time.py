"""An event loop whose clock jumps: when nothing is left to do, the next timer is due at once."""

import asyncio
import selectors
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

Result = TypeVar("Result")

PATIENCE = 30.0
"""Real seconds that a test may wait for a thread when no timer is set; more is a hang."""


class JumpingSelector(selectors.DefaultSelector):
    """Looks for I/O without waiting, and moves the clock forward instead: not while it is ``held``."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.held = False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or (self.held and timeout > 0):
            ready = super().select(PATIENCE)
            assert ready, "nothing happens any more"
            return ready
        ready = super().select(0)
        if not ready:
            self.now += max(0.0, timeout)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop on virtual time. ``time()`` counts from 0."""

    def __init__(self) -> None:
        self.jumping = JumpingSelector()
        super().__init__(self.jumping)

    def time(self) -> float:
        return self.jumping.now


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run ``main`` on virtual time and return what it returns."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


@contextmanager
def holding_time() -> Iterator[None]:
    """Let the running loop's clock stand still inside, where it waits for a thread that may take its time."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    loop.jumping.held = True
    try:
        yield
    finally:
        loop.jumping.held = False


def now() -> float:
    """The running loop's time."""
    return asyncio.get_running_loop().time()

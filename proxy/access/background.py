"""An event loop in a thread of its own, for threads that have none.

A forked process has no such thread, and the connections are its parent's: it begins anew with both.
"""

import asyncio
import os
import threading
import weakref
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from proxy.access.engine import Engine
from proxy.loop import FAST_LOOP

_FAREWELL = 3.0
"""Seconds that the end of an engine may take."""

_Result = TypeVar("_Result")

Work: TypeAlias = Callable[[Engine], Coroutine[Any, Any, _Result]]
"""What is to be done with the engine, on its loop."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class _Running:
    """An engine at work. ``pid`` is the process in which its thread is."""

    engine: Engine
    loop: asyncio.AbstractEventLoop
    thread: threading.Thread
    pid: int


class Background:
    """An engine for any number of threads. It is begun by the first call, also after ``close``."""

    def __init__(self, make_engine: Callable[[], Engine]) -> None:
        self._make_engine = make_engine
        self._turn = threading.Lock()
        self._running: _Running | None = None
        self._end: weakref.finalize[..., Background] | None = None
        _ALIVE.add(self)

    def run(self, work: Work[_Result]) -> _Result:
        """What becomes of ``work``. Raises what it raises; an interrupted caller cancels it."""
        running = self._begin()
        future = asyncio.run_coroutine_threadsafe(work(running.engine), running.loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Close the connections and end the thread. What is under way fails."""
        with self._turn:
            end, self._running, self._end = self._end, None, None
        if end is not None:
            end()

    def begin_anew(self) -> None:
        """Forget what is another process's, without a word to the database."""
        self._turn = threading.Lock()
        if self._end is not None:
            self._end.detach()
        # Nothing of it may be closed here: its connections are in use over there.
        _LEFT_ALONE.append(self._running)
        self._running = self._end = None

    def _begin(self) -> _Running:
        with self._turn:
            if self._running is None:
                self._running = _start(self._make_engine())
                self._end = weakref.finalize(self, _stop, self._running)
            return self._running


def _start(engine: Engine) -> _Running:
    loop = FAST_LOOP() if FAST_LOOP is not None else asyncio.new_event_loop()
    thread = threading.Thread(target=_serve, args=(loop,), name="understudy access", daemon=True)
    thread.start()
    return _Running(engine, loop, thread, os.getpid())


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


def _stop(running: _Running) -> None:
    if running.pid != os.getpid() or not running.thread.is_alive():
        return
    asyncio.run_coroutine_threadsafe(_end(running), running.loop)
    if threading.current_thread() is not running.thread:
        running.thread.join(2 * _FAREWELL)


async def _end(running: _Running) -> None:
    try:
        async with asyncio.timeout(_FAREWELL):
            await running.engine.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
    finally:
        running.loop.stop()


_ALIVE: "weakref.WeakSet[Background]" = weakref.WeakSet()
_LEFT_ALONE: list[_Running | None] = []


def _begin_anew() -> None:
    for background in tuple(_ALIVE):
        background.begin_anew()


os.register_at_fork(after_in_child=_begin_anew)

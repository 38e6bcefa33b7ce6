"""What clients ask to be done, and is done though they leave. Source: PostgREST 14, reference 9.6."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class Orders:
    """Work that goes on when whoever ordered it is cancelled, until ``close``."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def begin(self, work: Coroutine[Any, Any, _Result]) -> asyncio.Task[_Result]:
        """Start ``work``. To wait for it and be free to leave, await it through ``asyncio.shield``."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    async def close(self, grace: float = 0.0) -> None:
        """Let what is under way end for ``grace`` seconds, then give it up."""
        if self._tasks and grace:
            await asyncio.wait(tuple(self._tasks), timeout=grace)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            # Taken note of, so that nobody complains that it never was.
            task.exception()

"""Ask both sides a request that no client waits for, and find in what they differ."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from proxy.errors import ApiError, UnderstudyError, render_error
from proxy.events import Difference
from proxy.messages import Answer, Request
from proxy.server.state import AskEngine, Snapshot, State
from proxy.shadow.compare import compare

AskUpstream: TypeAlias = Callable[[Request, int], Awaitable[Answer]]
"""Gives the upstream's answer, if it has at most so many bytes. Raises UpstreamError."""


class BothSides:
    """Reads both sides as the mirror would."""

    def __init__(self, state: State, ask_engine: AskEngine, ask_upstream: AskUpstream) -> None:
        self._state = state
        self._ask_engine = ask_engine
        self._ask_upstream = ask_upstream

    async def find_differences(self, request: Request) -> Sequence[Difference]:
        """In what the sides disagree now; in nothing if one of them gives no answer."""
        snapshot = self._state.current
        if snapshot.engine is None:
            return ()
        limits = snapshot.config.shadow
        try:
            async with asyncio.timeout(limits.timeout):
                upstream = await self._ask_upstream(request, limits.max_body)
                engine = await self._read_engine(request, snapshot)
        except (UnderstudyError, TimeoutError):
            return ()
        max_rows = snapshot.config.engine.db_max_rows
        found = await asyncio.to_thread(compare, request, upstream, engine, max_rows=max_rows)
        return found.differences

    async def _read_engine(self, request: Request, snapshot: Snapshot) -> Answer:
        try:
            return await self._ask_engine(request, snapshot)
        except ApiError as error:
            return render_error(error)

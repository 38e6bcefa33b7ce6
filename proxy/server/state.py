"""The one mutable reference of the proxy: which configuration and schema cache are in force."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from proxy.config import Config
from proxy.database.snapshot import EngineSnapshot
from proxy.messages import Answer, Request
from proxy.shadow.policy import Holds, Names


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Configuration and schema, taken once at the top of a request and used to its end.

    ``engine`` is None while no schema cache could be loaded. ``holds`` are the labels of the tables that the
    guard has put back.
    """

    config: Config
    names: Names
    engine: EngineSnapshot | None
    holds: Holds = frozenset()


class State:
    """Holds the snapshot in force. It is replaced whole, never changed."""

    def __init__(self, first: Snapshot) -> None:
        self._current = first
        self._replaced = asyncio.Event()

    @property
    def current(self) -> Snapshot:
        return self._current

    def replace(self, snapshot: Snapshot) -> None:
        """Put ``snapshot`` in force for every request that starts from now on."""
        self._current = snapshot
        self._replaced.set()
        self._replaced = asyncio.Event()

    async def wait_for_another(self, snapshot: Snapshot) -> Snapshot:
        """What is in force, as soon as that is not ``snapshot``."""
        while self._current is snapshot:
            await self._replaced.wait()
        return self._current

    def put_holds(self, holds: Holds) -> None:
        """Put ``holds`` in force for every request that starts from now on."""
        self.replace(replace(self._current, holds=holds))


AskEngine: TypeAlias = Callable[[Request, Snapshot], Awaitable[Answer]]
"""The engine as the server knows it: gives an answer, or raises ``Unsupported``."""

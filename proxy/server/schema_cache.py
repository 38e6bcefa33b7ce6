"""Keep the schema cache: load it, try again until it is there, load it anew when somebody says so.

Source: PostgREST 14, reference 11.2.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeAlias

from proxy.config import EngineConfig
from proxy.database.snapshot import EngineSnapshot
from proxy.engine.schema import Schema
from proxy.events import Emit, SchemaLoaded
from proxy.server.state import State
from proxy.shadow.policy import Names

LONGEST_WAIT = 32.0
"""Seconds between two attempts, at the most; the first waits are 1, 2, 4, ..."""

LoadSchema: TypeAlias = Callable[[EngineConfig], Awaitable[Schema]]


class SchemaCache:
    """Keeps the schema cache of ``state``.

    With an upstream a cache that cannot be read anew stays in use: at worst the engine disagrees and is
    found out. ``forgetful`` drops it, as PostgREST does: then every request is told that there is none.
    """

    def __init__(
        self,
        state: State,
        load: LoadSchema,
        emit: Emit,
        *,
        clock: Callable[[], float],
        forgetful: bool = False,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._state = state
        self._load = load
        self._emit = emit
        self._clock = clock
        self._forgetful = forgetful
        self._sleep = sleep
        self._wanted = asyncio.Event()

    def refresh(self) -> None:
        """Have the cache loaded anew, soon; calls while that is still to come are one."""
        self._wanted.set()

    async def keep(self) -> None:
        """Load now, and whenever ``refresh`` was called, until cancelled."""
        while True:
            self._wanted.clear()
            await self._load_until_there()
            await self._wanted.wait()

    async def _load_until_there(self) -> None:
        wait = 1.0
        while not await self.load():
            await self._sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)

    async def load(self) -> bool:
        """Load once; whether that went well."""
        started = self._clock()
        options = self._state.current.config.engine
        try:
            schema = await self._load(options)
        except Exception as error:
            if self._forgetful:
                self._state.replace(replace(self._state.current, engine=None, names=Names()))
            self._emit(SchemaLoaded(False, problem=f"{type(error).__name__}: {error}"))
            return False
        snapshot = self._state.current
        names = make_names(schema, options)
        engine = EngineSnapshot(snapshot.config.engine, schema)
        self._state.replace(replace(snapshot, engine=engine, names=names))
        self._emit(SchemaLoaded(True, len(schema.relations), self._clock() - started))
        return True


def make_names(schema: Schema, options: EngineConfig) -> Names:
    """The names of ``schema``, with whether every overload of a function only reads."""
    functions = {
        name: all(function.volatility != "volatile" for function in overloads)
        for name, overloads in schema.functions.items()
    }
    return Names(options.db_schemas, frozenset(schema.relations), functions)

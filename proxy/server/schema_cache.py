"""Keep the schema cache: load it, try again until it is there, load it anew when somebody says so.

Source: PostgREST 14, reference 11.2.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeAlias

from proxy.config import EngineConfig
from proxy.database.snapshot import EngineSnapshot
from proxy.engine.reach import Reach, find_actors, find_hazards
from proxy.engine.schema import Schema
from proxy.errors import Unrecoverable
from proxy.events import Emit, LoadDelayed, SchemaLoaded
from proxy.server.failures import tell_failure
from proxy.server.state import State
from proxy.shadow.names import Actors, Hazards, Names

FIRST_WAIT = 1.0
LONGEST_WAIT = 32.0
"""Seconds between two attempts, at the most; the first waits are 1, 2, 4, ..."""

MERGED = 0.1
"""Seconds after the start of a load in which calls of ``refresh`` come to one more load."""

LoadSchema: TypeAlias = Callable[[EngineConfig], Awaitable[Schema]]
LoadReach: TypeAlias = Callable[[], Awaitable[Reach]]


async def _nothing() -> None:
    return None


async def _know_nothing() -> Reach:
    return Reach()


class SchemaCache:
    """Keeps the schema cache of ``state``.

    With an upstream a cache that cannot be read anew stays in use: at worst the engine disagrees and is
    found out. Without one it is dropped, as PostgREST does: every request is told that there is none.
    ``prepare`` is done before each load, and part of it. ``load_reach`` is asked after it. ``spread`` is
    awaited when another one is in force, before that is told.
    """

    def __init__(
        self,
        state: State,
        load: LoadSchema,
        emit: Emit,
        *,
        clock: Callable[[], float],
        prepare: Callable[[], Awaitable[None]] = _nothing,
        load_reach: LoadReach = _know_nothing,
        spread: Callable[[], Awaitable[None]] = _nothing,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._state = state
        self._load = load
        self._emit = emit
        self._clock = clock
        self._prepare = prepare
        self._load_reach = load_reach
        self._spread = spread
        self._sleep = sleep
        self._wanted = asyncio.Event()
        self._started = 0.0

    def refresh(self) -> None:
        """Have the cache loaded anew, soon; calls while that is still to come are one."""
        self._wanted.set()

    async def keep(self) -> None:
        """Load now, and whenever ``refresh`` was called, until cancelled. Raises Unrecoverable."""
        while True:
            await self._load_until_there()
            await self._wanted.wait()
            await self._merge()

    async def load(self) -> bool:
        """Load once; whether that went well. Raises Unrecoverable."""
        self._wanted.clear()
        self._started = self._clock()
        try:
            await self._prepare()
            options = self._state.current.config.engine
            schema = await self._load(options)
            reach = await self._load_reach()
            names = await asyncio.to_thread(make_names, schema, options, reach)
        except Unrecoverable:
            raise
        except Exception as error:
            if self._state.current.config.upstream is None:
                self._state.replace(replace(self._state.current, engine=None, names=Names()))
                await self._spread()
            self._emit(SchemaLoaded(False, problem=tell_failure(error)))
            return False
        snapshot = self._state.current
        engine = EngineSnapshot(snapshot.config.engine, schema, reach)
        self._state.replace(replace(snapshot, engine=engine, names=names))
        seconds = self._clock() - self._started
        await self._spread()
        self._emit(SchemaLoaded(True, len(schema.relations), seconds))
        return True

    async def _load_until_there(self) -> None:
        wait = FIRST_WAIT
        while not await self.load():
            if not self._state.current.config.engine.db_pool_automatic_recovery:
                return
            self._emit(LoadDelayed(wait))
            await self._pause(wait)
            await self._merge()
            wait = min(2 * wait, LONGEST_WAIT)

    async def _merge(self) -> None:
        await self._sleep(max(0.0, self._started + MERGED - self._clock()))

    async def _pause(self, seconds: float) -> None:
        """Wait, but no longer than until somebody asks: the listener is back, say, or an operator waits."""
        waits = (asyncio.ensure_future(self._sleep(seconds)), asyncio.ensure_future(self._wanted.wait()))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)


def make_names(schema: Schema, options: EngineConfig, reach: Reach) -> Names:
    """The names of ``schema``, with the functions that only read, and what requests reach."""
    functions = {
        name: all(function.volatility != "volatile" for function in overloads)
        for name, overloads in schema.functions.items()
    }
    columns = {name: frozenset(relation.columns) for name, relation in schema.relations.items()}
    hazards = Hazards(*find_hazards(reach, options.db_pre_request))
    actors = Actors(*find_actors(reach, options.db_pre_request))
    return Names(options.db_schemas, frozenset(schema.relations), functions, hazards, columns, actors)

"""The engine on a database, for callers in the same process.

The schema cache is loaded by the first call, and anew when a call names what is not in it, at most every ten
seconds: nothing of such a call has been done, so that it can be done again. No connection listens for
notifications, since every process would need one.
"""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace

from proxy.access.place import ReadOptions
from proxy.config import EngineConfig
from proxy.config.in_database import DATABASE_SETTINGS
from proxy.database.alone import answer_alone, answer_trouble
from proxy.database.connection import Database
from proxy.database.replica import join_replica
from proxy.database.settings import read_login, read_settings
from proxy.database.snapshot import EngineSnapshot
from proxy.errors import ApiError, EngineDown
from proxy.events import Event
from proxy.messages import Answer, Request

NAME = "understudy access"
"""What connections are called in ``pg_stat_activity``."""

REST = 10.0
"""Seconds between two loads of the schema cache that calls have caused."""

_UNKNOWN = frozenset({"PGRST200", "PGRST202", "PGRST204", "PGRST205"})
"""Codes by which a name is told that is not in the schema cache."""


class Engine:
    """Answers requests as PostgREST would. Everything happens on the event loop of the first request.

    Requests without a token are made as ``db-anon-role``, or without one as the role that is logged in as.
    ``clock`` gives seconds that only grow. Raises ConfigError.
    """

    def __init__(self, read_options: ReadOptions, clock: Callable[[], float] = time.monotonic) -> None:
        self._read_options = read_options
        self._options = read_options({})
        self._clock = clock
        pool = self._options.db_pool
        self._database = Database(self._options, connections=pool, application_name=NAME)
        self._stack = AsyncExitStack()
        self._stack.push_async_callback(self._database.close)
        self._snapshot: EngineSnapshot | None = None
        self._loaded_at = 0.0
        self._turn = asyncio.Lock()

    async def ask(self, request: Request) -> Answer:
        """What PostgREST would answer, of which trouble with the database is a part. Raises ConfigError."""
        try:
            return await self._ask(request)
        except EngineDown as error:
            refusal = error.error
        except ApiError as error:
            refusal = error
        return answer_trouble(refusal, request, self._options)

    async def reload(self) -> None:
        """Load the schema cache now. Raises ApiError, EngineDown and ConfigError."""
        await self._load(self._snapshot)

    async def close(self) -> None:
        """Close every connection."""
        await self._stack.aclose()

    async def _ask(self, request: Request) -> Answer:
        snapshot = self._snapshot or await self._load(None)
        answer = await answer_alone(request, snapshot.options, snapshot, self._database)
        if answer.status < 400 or self._clock() - self._loaded_at < REST or not _is_unknown(answer):
            return answer
        snapshot = await self._load(snapshot)
        return await answer_alone(request, snapshot.options, snapshot, self._database)

    async def _load(self, known: EngineSnapshot | None) -> EngineSnapshot:
        """A newer schema cache than ``known``; who comes while one is being loaded waits for that."""
        async with self._turn:
            if self._database.replica is None:
                await join_replica(self._database, self._options, _tell_nobody, NAME, self._stack)
            if self._snapshot is None or self._snapshot is known:
                options = await self._find_options()
                schema = await self._database.load_schema(options)
                self._snapshot = EngineSnapshot(options, schema)
                self._loaded_at = self._clock()
            return self._snapshot

    async def _find_options(self) -> EngineConfig:
        """The options with those that are kept in the database, and with a role for every request."""
        options, names = self._options, tuple(DATABASE_SETTINGS)
        if options.db_config:
            function = options.db_pre_config
            kept = await self._database.run(lambda connection: read_settings(connection, names, function))
            options = self._read_options(kept)
        if options.db_anon_role is not None:
            return options
        return replace(options, db_anon_role=await self._database.run(read_login))


def _tell_nobody(event: Event) -> None:
    """A library has no log of its own."""


def _is_unknown(answer: Answer) -> bool:
    try:
        told = json.loads(answer.body)
    except ValueError:
        return False
    return isinstance(told, dict) and told.get("code") in _UNKNOWN

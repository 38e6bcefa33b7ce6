"""``understudy engine``: the engine alone, where ``postgrest`` stood. Its objects are made and joined here.

Source: PostgREST 14, reference 11.2, 12.1, 12.3 and 12.5.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime
from typing import Any, Self, TextIO

from proxy.answering import NAME, Answering
from proxy.config import Config, EngineConfig, Limits
from proxy.config.in_database import DATABASE_SETTINGS
from proxy.crew import Crew, share_out
from proxy.database.notifications import Subscription, subscribe
from proxy.database.pool import CannotConnect
from proxy.database.server import check_server
from proxy.database.settings import read_role_settings, read_settings
from proxy.engine.schema_dump import dump_schema, summarize_schema
from proxy.errors import ApiError, EngineDown, Unrecoverable
from proxy.events import Crashed, DatabaseReached, SchemaLoaded
from proxy.operate.listeners import join_listeners
from proxy.operate.postgrest_admin import Gauges, LoadCounts, LoneSources, PostgrestAdmin
from proxy.operate.postgrest_log import PostgrestLog
from proxy.server.alone import LoneHandler
from proxy.server.failures import tell_failure
from proxy.server.front import FrontDoor
from proxy.server.listener import Listener
from proxy.server.listening import bind_path, bind_port, can_reach, show_place
from proxy.server.options import Options
from proxy.server.schema_cache import SchemaCache
from proxy.server.state import Snapshot, State
from proxy.shadow.policy import Names

_WRONG_PASSWORD = "28P01"

ReadOptions = Callable[[Mapping[str, str], str | None], EngineConfig]
"""The options, given the settings in the database and, once connected, the database it is."""


class Standalone:
    """One running engine, from ``open`` to ``close``. ``read`` is asked for the options at every reload.

    ``server`` is the ``Server`` header; empty for none. Requests are logged to ``out``, everything else to
    ``err``. So many ``workers`` answer, this process among them, and share the connections.
    """

    def __init__(
        self,
        options: EngineConfig,
        read: ReadOptions,
        *,
        server: str,
        out: TextIO,
        err: TextIO,
        workers: int = 1,
    ) -> None:
        self._server = server.encode()
        self._stack = contextlib.AsyncExitStack()
        self._tasks: set[asyncio.Task[None]] = set()
        self._passing: set[asyncio.Task[None]] = set()
        self.state = State(Snapshot(Config(engine=options), Names(), None))
        self.log = PostgrestLog(
            options.log_level, out, err, lambda: datetime.now().astimezone(), lambda: self._options
        )
        self._loads = LoadCounts()
        self.emit = join_listeners(self._loads.hearing, self.log.hearing, {SchemaLoaded: self._summarize})
        shares = share_out(options.db_pool, workers)
        self._answering = Answering(
            self.state,
            self.log,
            self.emit,
            server=self._server,
            connections=shares[0],
            refresh=self.refresh,
        )
        self._stack.push_async_callback(self._answering.close)
        self._database = self._answering.database
        self._connections = sum(shares)
        self._crew = Crew(
            self.state,
            self.emit,
            shares[1:],
            server=self._server,
            refresh=self.refresh,
            log=self.log,
            out=out,
            err=err,
        )
        self._stack.push_async_callback(self._crew.close)
        self.options = Options(
            self.state,
            self.emit,
            read=lambda settings: read(settings, options.db_uri),
            read_settings=self._read_settings,
            read_roles=lambda: self._database.run(read_role_settings),
            adopt=self._adopt,
        )
        self.schema_cache = SchemaCache(
            self.state,
            self._database.load_schema,
            self.emit,
            clock=time.monotonic,
            prepare=self._prepare,
            spread=self._crew.spread,
        )
        self.listener = Listener(
            self.state,
            self._subscribe,
            self.emit,
            reload_schema=self.schema_cache.refresh,
            reload_config=self.reload_options,
        )
        self._socket: socket.socket | None = None
        self.place = ""
        self.admin_place = ""

    async def __aenter__(self) -> Self:
        try:
            await self.open()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Listen for clients, and begin to load the schema cache. Raises OSError."""
        options = self._options
        self.log.say(f"Starting {NAME}...")
        listening = _bind(options)
        admin = _bind_admin(options)
        if admin is not None:
            self.admin_place = await self._open_admin(admin)
            self.log.say(f"Admin server listening on {self.admin_place}")
        await self._answering.open(listening, self._crew.seat)
        self._crew.open(listening)
        self._socket = listening
        self.place = show_place(listening)
        self.log.say(f"API server listening on {self.place}")
        self._spawn("schema cache", self.schema_cache.keep())
        if options.db_channel_enabled:
            self._spawn("listener", self.listener.keep())

    async def run(self, stopped: asyncio.Event) -> int:
        """Serve until ``stopped`` is set, or until that is impossible; gives the exit code."""
        waiting = asyncio.create_task(_wait(stopped))
        done, _ = await asyncio.wait({waiting, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
        if waiting in done:
            return 0
        waiting.cancel()
        for task in done:
            error = task.exception()
            if isinstance(error, Unrecoverable):
                self.log.say(str(error))
            elif error is not None:
                self.emit(Crashed(task.get_name(), type(error).__name__))
        return 1

    async def close(self) -> None:
        """Stop listening, let requests in progress end, close everything."""
        for task in (*self._tasks, *self._passing):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._passing, return_exceptions=True)
        await self._stack.aclose()

    def refresh(self) -> None:
        """Read the schema cache anew, soon (SIGUSR1)."""
        self.schema_cache.refresh()

    def reload_options(self) -> None:
        """Read the options anew, soon (SIGUSR2)."""
        task = asyncio.create_task(self.options.reload())
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)

    async def load_once(self) -> bytes | None:
        """The schema cache as JSON, read now; None if that fails, which is logged."""
        try:
            return self._dump() if await self.schema_cache.load() else None
        except Unrecoverable as error:
            self.log.say(str(error))
            return None

    @property
    def _options(self) -> EngineConfig:
        return self.state.current.config.engine

    async def _prepare(self) -> None:
        """What PostgREST does before each load: look at the server, read the options."""
        try:
            server = await self._database.run(check_server)
        except EngineDown as error:
            cause = error.__cause__
            if isinstance(cause, CannotConnect) and cause.sqlstate == _WRONG_PASSWORD:
                raise Unrecoverable(f"Failed to establish a connection. {tell_failure(error)}") from None
            if not self._options.db_pool_automatic_recovery:
                raise Unrecoverable("Automatic recovery disabled, exiting.") from None
            raise
        self.emit(DatabaseReached(server.description))
        await self.options.prepare()

    async def _read_settings(self, options: EngineConfig) -> Mapping[str, str]:
        names, function = tuple(DATABASE_SETTINGS), options.db_pre_config
        return await self._database.run(lambda connection: read_settings(connection, names, function))

    def _subscribe(
        self, options: EngineConfig, hear: Callable[[str], None]
    ) -> AbstractAsyncContextManager[Subscription]:
        return subscribe(options, hear, application_name=NAME)

    async def _open_admin(self, listening: socket.socket) -> str:
        sources = LoneSources(
            live=lambda: self._socket is not None and can_reach(self._socket),
            loaded=lambda: self.state.current.engine is not None,
            connected=self._is_connected,
            schema=self._dump,
            gauges=self._measure,
            loads=self._loads,
        )
        handler = LoneHandler(PostgrestAdmin(sources).answer, self.emit, server=self._server)
        door = FrontDoor(handler, Limits(), self.emit, grace=0.1)
        self._stack.push_async_callback(door.close)
        await door.open_on(listening)
        return show_place(listening)

    async def _is_connected(self) -> bool:
        if self._options.db_channel_enabled:
            return self.listener.listening
        try:
            await self._database.run(lambda connection: connection.execute("SELECT 1"))
        except (ApiError, EngineDown):
            return False
        return True

    async def _adopt(self, options: EngineConfig) -> None:
        self._database.adopt(options)
        await self._crew.spread()

    def _dump(self) -> bytes:
        engine = self.state.current.engine
        return b"" if engine is None else dump_schema(engine.schema)

    async def _measure(self) -> Gauges:
        counted = sum(await self._crew.measure(), self._answering.measure())
        return replace(counted, pool_max=self._connections)

    def _summarize(self, event: SchemaLoaded) -> None:
        engine = self.state.current.engine
        if event.accepted and engine is not None:
            self.log.say(f"Schema cache loaded {summarize_schema(engine.schema)}")

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.add(asyncio.create_task(work, name=name))


async def _wait(stopped: asyncio.Event) -> None:
    await stopped.wait()


def _bind(options: EngineConfig) -> socket.socket:
    if options.server_unix_socket is not None:
        return bind_path(options.server_unix_socket, options.server_unix_socket_mode)
    return bind_port(options.server_host, options.server_port)


def _bind_admin(options: EngineConfig) -> socket.socket | None:
    if options.admin_server_port is None:
        return None
    return bind_port(options.admin_server_host or options.server_host, options.admin_server_port)

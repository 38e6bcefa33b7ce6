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
from functools import lru_cache
from typing import Any, Self, TextIO

import proxy
from proxy.config import Config, EngineConfig, Limits
from proxy.config.in_database import DATABASE_SETTINGS
from proxy.database.alone import answer_alone, answer_trouble
from proxy.database.connection import Database
from proxy.database.notifications import Subscription, subscribe
from proxy.database.pool import CannotConnect
from proxy.database.replica import join_replica
from proxy.database.server import check_server
from proxy.database.settings import read_role_settings, read_settings
from proxy.database.statements import collect_statements
from proxy.engine.auth.cache import TOKENS
from proxy.engine.auth.claims import identify
from proxy.engine.edge import answer_preflight
from proxy.engine.schema_dump import dump_schema, summarize_schema
from proxy.errors import ApiError, EngineDown, OutcomeUnknown, Unrecoverable
from proxy.events import Crashed, DatabaseReached, OutcomeLost, SchemaLoaded
from proxy.messages import READ_METHODS, Answer, Request
from proxy.operate.listeners import join_listeners
from proxy.operate.postgrest_admin import Gauges, LoadCounts, LoneSources, PostgrestAdmin
from proxy.operate.postgrest_log import PostgrestLog
from proxy.server.alone import LoneHandler, Visit
from proxy.server.failures import tell_failure
from proxy.server.front import FrontDoor
from proxy.server.listener import Listener
from proxy.server.listening import bind_path, bind_port, can_reach, show_place
from proxy.server.options import Options
from proxy.server.orders import Orders
from proxy.server.schema_cache import SchemaCache
from proxy.server.state import Snapshot, State
from proxy.shadow.policy import Names

NAME = f"understudy {proxy.__version__}"
"""What the engine calls itself where PostgREST says ``PostgREST 14.17``: in ``pg_stat_activity``, say."""

_GRACE = 1.0
"""Seconds that requests in progress may take when the engine stops; PostgREST 14 gives them none."""

_SWEEP = 1.0
"""Seconds between two looks for connections that were unused for too long."""

_WRONG_PASSWORD = "28P01"

ReadOptions = Callable[[Mapping[str, str], str | None], EngineConfig]
"""The options, given the settings in the database and, once connected, the database it is."""


class Standalone:
    """One running engine, from ``open`` to ``close``. ``read`` is asked for the options at every reload.

    ``server`` is the ``Server`` header; empty for none. Requests are logged to ``out``, everything else to
    ``err``.
    """

    def __init__(
        self, options: EngineConfig, read: ReadOptions, *, server: str, out: TextIO, err: TextIO
    ) -> None:
        self._server = server.encode()
        self._stack = contextlib.AsyncExitStack()
        self._tasks: set[asyncio.Task[None]] = set()
        self._passing: set[asyncio.Task[None]] = set()
        self._orders = Orders()
        self.state = State(Snapshot(Config(engine=options), Names(), None))
        self.log = PostgrestLog(
            options.log_level, out, err, lambda: datetime.now().astimezone(), lambda: self._options
        )
        self._loads = LoadCounts()
        self.emit = join_listeners(self._loads.hearing, self.log.hearing, {SchemaLoaded: self._summarize})
        self._database = Database(options, connections=options.db_pool, application_name=NAME)
        self._stack.push_async_callback(self._database.close)
        self._stack.push_async_callback(self._orders.close)
        self.options = Options(
            self.state,
            self.emit,
            read=lambda settings: read(settings, options.db_uri),
            read_settings=self._read_settings,
            read_roles=lambda: self._database.run(read_role_settings),
            adopt=self._database.adopt,
        )
        self.schema_cache = SchemaCache(
            self.state,
            self._database.load_schema,
            self.emit,
            clock=time.monotonic,
            prepare=self._prepare,
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
        handler = LoneHandler(self._answer, self.emit, server=self._server, note=self._note)
        door = FrontDoor(handler, Limits(), self.emit, grace=_GRACE)
        self._stack.push_async_callback(door.close)
        await door.open_on(listening)
        self._socket = listening
        self.place = show_place(listening)
        self.log.say(f"API server listening on {self.place}")
        self._spawn("schema cache", self.schema_cache.keep())
        self._spawn("sweep", self._sweep())
        await join_replica(self._database, options, self.emit, NAME, self._stack)
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

    async def _answer(self, request: Request) -> Answer:
        if request.method in READ_METHODS:
            return await self._work(request)
        return await asyncio.shield(self._orders.begin(self._work(request)))

    async def _work(self, request: Request) -> Answer:
        snapshot = self.state.current
        options = snapshot.config.engine
        if options.log_query:
            with collect_statements() as statements:
                answer = await self._ask(request, snapshot)
            if self.log.wants(answer):
                for statement in statements:
                    self.log.say(statement)
        else:
            answer = await self._ask(request, snapshot)
        if answer.status == 503 and snapshot.engine is not None:
            self.schema_cache.refresh()
        return answer

    async def _ask(self, request: Request, snapshot: Snapshot) -> Answer:
        options = snapshot.config.engine
        try:
            return await answer_alone(request, options, snapshot.engine, self._database)
        except OutcomeUnknown as error:
            self.emit(OutcomeLost("other", "engine"))
            return answer_trouble(error.error, request, options)

    def _note(self, visit: Visit) -> None:
        if not self.log.wants(visit.answer):
            return
        options = self._options
        if answer_preflight(visit.request, options) is None:
            self.log.note(visit, _find_role(visit.request, options))

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

    def _dump(self) -> bytes:
        engine = self.state.current.engine
        return b"" if engine is None else dump_schema(engine.schema)

    def _measure(self) -> Gauges:
        pool = self._database.pool
        return Gauges(
            pool_available=pool.idle,
            pool_waiting=pool.waiting,
            pool_max=pool.size,
            pool_timeouts=pool.timeouts,
            token_lookups=TOKENS.lookups,
            token_hits=TOKENS.hits,
            token_evictions=TOKENS.evictions,
        )

    def _summarize(self, event: SchemaLoaded) -> None:
        engine = self.state.current.engine
        if event.accepted and engine is not None:
            self.log.say(f"Schema cache loaded {summarize_schema(engine.schema)}")

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP)
            try:
                await self._database.pool.sweep()
            except Exception as error:
                # Unused connections stay a while longer; that must not end the engine.
                self.emit(Crashed("sweep", type(error).__name__))

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


def _find_role(request: Request, options: EngineConfig) -> str | None:
    try:
        return identify(request, _without_cache(options), time.time()).role
    except ApiError:
        return None


@lru_cache(maxsize=1)
def _without_cache(options: EngineConfig) -> EngineConfig:
    """``options`` by which the log can look at a token without being counted as its user."""
    return replace(options, jwt_cache_max_entries=0)

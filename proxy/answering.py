"""Answer clients as ``postgrest`` does, by what is in force: what every process of an engine alone has."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import lru_cache

import proxy
from proxy.config import EngineConfig, Limits
from proxy.database.alone import answer_alone, answer_trouble
from proxy.database.connection import Database
from proxy.database.replica import join_replica
from proxy.database.statements import collect_statements
from proxy.engine.auth.cache import TOKENS
from proxy.engine.auth.claims import identify
from proxy.engine.edge import answer_preflight
from proxy.errors import ApiError, OutcomeUnknown
from proxy.events import Crashed, Emit, OutcomeLost
from proxy.messages import READ_METHODS, Answer, Request
from proxy.operate.postgrest_admin import Gauges
from proxy.operate.postgrest_log import PostgrestLog
from proxy.server.alone import LoneHandler, Visit
from proxy.server.front import FrontDoor
from proxy.server.orders import Orders
from proxy.server.seats import Seat
from proxy.server.state import Snapshot, State

NAME = f"understudy {proxy.__version__}"
"""What the engine calls itself where PostgREST says ``PostgREST 14.17``: in ``pg_stat_activity``, say."""

_GRACE = 1.0
"""Seconds that requests in progress may take when the engine stops; PostgREST 14 gives them none."""

_SWEEP = 1.0
"""Seconds between two looks for connections that were unused for too long."""


class Answering:
    """Answers clients by what is in force in ``state``, from ``open`` to ``close``.

    ``server`` is the ``Server`` header; empty for none. It has ``connections`` to the database, and asks for
    the schema cache to be read anew by ``refresh``.
    """

    def __init__(
        self,
        state: State,
        log: PostgrestLog,
        emit: Emit,
        *,
        server: bytes,
        connections: int,
        refresh: Callable[[], None],
    ) -> None:
        self._state = state
        self._log = log
        self._emit = emit
        self._server = server
        self._refresh = refresh
        self._orders = Orders()
        self._stack = contextlib.AsyncExitStack()
        self._sweeping: asyncio.Task[None] | None = None
        self.database = Database(self._options, connections=connections, application_name=NAME, hasty=True)
        self._stack.push_async_callback(self.database.close)
        self._stack.push_async_callback(self._orders.close)

    async def open(self, listening: socket.socket, seat: Seat) -> None:
        """Take clients from ``listening``, which is closed in the end; others who do so have seats, too."""
        handler = LoneHandler(
            self._answer, self._emit, server=self._server, wants=self._log.wants, note=self._note
        )
        door = FrontDoor(handler, Limits(), self._emit, grace=_GRACE)
        self._stack.push_async_callback(door.close)
        await door.open_on(listening, seat)
        self._sweeping = asyncio.create_task(self._sweep(), name="sweep")
        await join_replica(self.database, self._options, self._emit, NAME, self._stack)

    async def close(self) -> None:
        """Stop listening, let requests in progress end, close everything."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.wait([self._sweeping])
        await self._stack.aclose()

    def measure(self) -> Gauges:
        """What can be counted now."""
        pool = self.database.pool
        return Gauges(
            pool_available=pool.idle,
            pool_waiting=pool.waiting,
            pool_max=pool.size,
            pool_timeouts=pool.timeouts,
            token_lookups=TOKENS.lookups,
            token_hits=TOKENS.hits,
            token_evictions=TOKENS.evictions,
        )

    @property
    def _options(self) -> EngineConfig:
        return self._state.current.config.engine

    def _answer(self, request: Request) -> Awaitable[Answer]:
        work = self._work(request)
        return work if request.method in READ_METHODS else asyncio.shield(self._orders.begin(work))

    async def _work(self, request: Request) -> Answer:
        snapshot = self._state.current
        options = snapshot.config.engine
        if options.log_query:
            with collect_statements() as statements:
                answer = await self._ask(request, snapshot)
            if self._log.wants(answer):
                for statement in statements:
                    self._log.say(statement)
        else:
            answer = await self._ask(request, snapshot)
        if answer.status == 503 and snapshot.engine is not None:
            self._refresh()
        return answer

    async def _ask(self, request: Request, snapshot: Snapshot) -> Answer:
        options = snapshot.config.engine
        try:
            return await answer_alone(request, options, snapshot.engine, self.database)
        except OutcomeUnknown as error:
            self._emit(OutcomeLost("other", "engine"))
            return answer_trouble(error.error, request, options)

    def _note(self, visit: Visit) -> None:
        options = self._options
        if answer_preflight(visit.request, options) is None:
            self._log.note(visit, _find_role(visit.request, options))

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP)
            try:
                await self.database.pool.sweep()
            except Exception as error:
                # Unused connections stay a while longer; that must not end the engine.
                self._emit(Crashed("sweep", type(error).__name__))


def _find_role(request: Request, options: EngineConfig) -> str | None:
    try:
        return identify(request, _without_cache(options), time.time()).role
    except ApiError:
        return None


@lru_cache(maxsize=1)
def _without_cache(options: EngineConfig) -> EngineConfig:
    """``options`` by which the log can look at a token without being counted as its user."""
    return replace(options, jwt_cache_max_entries=0)

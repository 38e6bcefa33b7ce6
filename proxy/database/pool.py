"""The pool: SQLAlchemy's queue of asyncpg connections, with the limits that PostgREST's pool has.

A connection that has grown too old, was unused for too long, was made before the last flush, or has been
closed by the server is replaced when it is taken, and closed when nobody takes it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from proxy.config import EngineConfig
from proxy.errors import ApiError, EngineDown

_FAREWELL = 1.0
"""Seconds that the end of a connection may take."""


class CannotConnect(ConnectionError):
    """The server refuses the connection, with this SQLSTATE if it is PostgreSQL that does."""

    def __init__(self, text: str, sqlstate: str = "") -> None:
        super().__init__(text)
        self.sqlstate = sqlstate


_sweeping: ContextVar[bool] = ContextVar("sweeping", default=False)


class ConnectionPool:
    """At most ``size`` connections, made by ``connect`` when they are first needed.

    ``waiting`` is how many requests wait for one now, ``timeouts`` how many have given up so far.
    ``clock`` gives seconds that only grow.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Any]],
        options: EngineConfig,
        *,
        size: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.size = size
        self.waiting = 0
        self.timeouts = 0
        self._max_lifetime = options.db_pool_max_lifetime
        self._max_idletime = options.db_pool_max_idletime
        self._clock = clock
        self._generation = 0
        self._open: WeakSet[Any] = WeakSet()
        self.engine: AsyncEngine = create_async_engine(
            "postgresql+asyncpg://",
            # JSON stays the text that PostgreSQL wrote.
            json_deserializer=str,
            async_creator=connect,
            poolclass=AsyncAdaptedQueuePool,
            pool_size=size,
            max_overflow=0,
            pool_timeout=options.db_pool_acquisition_timeout,
            pool_reset_on_return=None,
        )
        event.listen(self.engine.sync_engine, "connect", self._note_made)
        event.listen(self.engine.sync_engine, "checkout", self._check_taken)
        event.listen(self.engine.sync_engine, "checkin", self._note_returned)

    @property
    def used(self) -> int:
        """How many connections are taken."""
        return self._queue.checkedout()

    @property
    def idle(self) -> int:
        """How many open connections nobody uses."""
        return self._queue.checkedin()

    @asynccontextmanager
    async def take(self) -> AsyncIterator[Any]:
        """SQLAlchemy's wrapper of a connection, given back at the end.

        Raises EngineDown (504, PGRST003) when none becomes free in time, CannotConnect for what PostgreSQL
        says to a new one, and OSError.
        """
        async with AsyncExitStack() as stack:
            self.waiting += 1
            try:
                pooled = await stack.enter_async_context(self.engine.connect())
            except PoolTimeout:
                self.timeouts += 1
                message = "Timed out acquiring connection from connection pool."
                raise EngineDown(ApiError(504, "PGRST003", message)) from None
            except DBAPIError as error:
                # SQLAlchemy's wrapping of its wrapping of what asyncpg raised.
                refusal = getattr(error.orig, "driver_exception", error)
                raise CannotConnect(str(refusal), getattr(refusal, "sqlstate", "") or "") from None
            finally:
                self.waiting -= 1
            yield await pooled.get_raw_connection()

    async def flush(self) -> None:
        """Have no connection used again that is there now: what it remembers of the catalog is old."""
        self._generation += 1
        await self.sweep()

    async def sweep(self) -> None:
        """Close the connections that are not to be used again and that nobody uses now."""
        token = _sweeping.set(True)
        try:
            for _ in range(self.idle):
                async with self.engine.connect() as pooled:
                    raw = await pooled.get_raw_connection()
                    if self._is_stale(raw.info, raw.driver_connection):
                        await pooled.invalidate()
        finally:
            _sweeping.reset(token)

    async def close(self) -> None:
        """Close every connection; a server that does not take part in that is not waited for."""
        farewells = (connection.close(timeout=_FAREWELL) for connection in tuple(self._open))
        await asyncio.gather(*farewells, return_exceptions=True)
        await self.engine.dispose()

    @property
    def _queue(self) -> AsyncAdaptedQueuePool:
        pool = self.engine.pool
        assert isinstance(pool, AsyncAdaptedQueuePool)
        return pool

    def _note_made(self, connection: Any, record: Any) -> None:
        self._open.add(record.driver_connection)
        record.info["made"] = self._clock()
        record.info["generation"] = self._generation

    def _check_taken(self, connection: Any, record: Any, taken: Any) -> None:
        if not _sweeping.get() and self._is_stale(record.info, record.driver_connection):
            # The pool then makes a new one in its place.
            raise DisconnectionError

    def _note_returned(self, connection: Any, record: Any) -> None:
        if not _sweeping.get():
            record.info["unused_since"] = self._clock()

    def _is_stale(self, info: Any, connection: Any) -> bool:
        now = self._clock()
        return bool(
            connection.is_closed()
            or info["generation"] != self._generation
            or now - info["made"] >= self._max_lifetime
            or now - info.get("unused_since", now) >= self._max_idletime
        )

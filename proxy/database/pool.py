"""The pool: connections kept to be used again, with the limits that PostgREST's pool has.

A connection that has grown too old, was unused for too long, was made before the last flush, or has been
closed by the server is replaced when it is taken, and closed when nobody takes it. The one used last is taken
first: it has prepared what is asked for most, and those that are not needed get to be unused for too long.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import asyncpg

from proxy.config import EngineConfig
from proxy.database.turns import Turns
from proxy.errors import ApiError, EngineDown

_LEFT = 5.0
"""Seconds that a connection may take to be made after whoever needed it has given up."""

_FAREWELL = 1.0
"""Seconds that the end of a connection may take."""


class CannotConnect(ConnectionError):
    """The server refuses the connection, with this SQLSTATE if it is PostgreSQL that does."""

    def __init__(self, text: str, sqlstate: str = "") -> None:
        super().__init__(text)
        self.sqlstate = sqlstate


class Poolable(Protocol):
    """What a connection has to be able to do."""

    def is_closed(self) -> bool:
        """Whether it is of no use any more."""

    async def close(self, *, timeout: float | None = None) -> None:
        """Say farewell and close."""

    def terminate(self) -> None:
        """Close at once."""


_Link = TypeVar("_Link", bound=Poolable)


@dataclass(slots=True, eq=False)
class Lease(Generic[_Link]):
    """A connection of a pool, and what decides when it is not to be used again."""

    connection: _Link
    made: float
    generation: int
    unused_since: float


class ConnectionPool(Generic[_Link]):
    """At most ``size`` connections, made by ``connect`` when they are first needed.

    ``waiting`` is how many requests wait for one now, ``timeouts`` how many have given up so far.
    ``clock`` gives seconds that only grow.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[_Link]],
        options: EngineConfig,
        *,
        size: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.size = size
        self.waiting = 0
        self.timeouts = 0
        self._connect = connect
        self._max_lifetime = options.db_pool_max_lifetime
        self._max_idletime = options.db_pool_max_idletime
        self._clock = clock
        self._generation = 0
        self._idle: list[Lease[_Link]] = []
        self._taken: set[Lease[_Link]] = set()
        self._connecting = 0
        self._opening: set[asyncio.Future[_Link]] = set()
        self._turns: Turns[Lease[_Link] | None] = Turns(options.db_pool_acquisition_timeout)
        self._farewells: set[asyncio.Task[None]] = set()

    @property
    def used(self) -> int:
        """How many connections are taken."""
        return len(self._taken) + self._connecting

    @property
    def idle(self) -> int:
        """How many open connections nobody uses."""
        return len(self._idle)

    async def acquire(self) -> Lease[_Link]:
        """A connection, which has to be released.

        Raises EngineDown (504, PGRST003) when none becomes free in time, CannotConnect for what PostgreSQL
        says to a new one, and OSError.
        """
        if self._turns:
            return await self._wait()
        while self._idle:
            lease = self._idle.pop()
            if not self._is_stale(lease):
                self._taken.add(lease)
                return lease
            self._bid_farewell(lease)
        if self.used == self.size:
            return await self._wait()
        self._connecting += 1
        return await self._open()

    def release(self, lease: Lease[_Link]) -> None:
        """Give back what was acquired; a connection that is closed by now is forgotten."""
        self._taken.discard(lease)
        if lease.connection.is_closed():
            self._pass_place()
            return
        lease.unused_since = self._clock()
        turn = self._turns.call()
        if turn is None:
            self._idle.append(lease)
        else:
            self._taken.add(lease)
            turn.set_result(lease)

    async def _open(self) -> Lease[_Link]:
        """A new connection, for which a place has been taken.

        Who gives up waiting leaves it to others. Were it given up as well, there would never be one where
        connecting takes longer than requests have time, and all the work of it would be for nothing.
        """
        opening = asyncio.ensure_future(self._connect())
        self._opening.add(opening)
        try:
            await asyncio.wait({opening})
        except BaseException:
            # Not for ever: the server may have stopped in the middle of it.
            giving_up = asyncio.get_running_loop().call_later(_LEFT, opening.cancel)
            opening.add_done_callback(lambda _: giving_up.cancel())
            opening.add_done_callback(self._leave_to_others)
            raise
        return self._take_opened(opening)

    def _take_opened(self, opening: "asyncio.Future[_Link]") -> Lease[_Link]:
        self._opening.discard(opening)
        self._connecting -= 1
        try:
            connection = opening.result()
        except BaseException as error:
            self._pass_place()
            if isinstance(
                error, asyncpg.PostgresError | asyncpg.InterfaceError | asyncpg.InternalClientError
            ):
                raise CannotConnect(str(error), getattr(error, "sqlstate", "") or "") from None
            raise
        now = self._clock()
        lease = Lease(connection, now, self._generation, now)
        self._taken.add(lease)
        return lease

    def _leave_to_others(self, opening: "asyncio.Future[_Link]") -> None:
        try:
            lease = self._take_opened(opening)
        except (Exception, asyncio.CancelledError):
            # Nobody waits to be told.
            return
        self.release(lease)

    async def _wait(self) -> Lease[_Link]:
        """The connection of somebody who gives one back, or a new one in place of one that is closed."""
        turn = self._turns.take()
        self.waiting += 1
        try:
            lease = await turn
        except TimeoutError:
            self.timeouts += 1
            message = "Timed out acquiring connection from connection pool."
            raise EngineDown(ApiError(504, "PGRST003", message)) from None
        except BaseException:
            self._pass_on(turn)
            raise
        finally:
            self.waiting -= 1
        if lease is not None and self._is_stale(lease):
            self._taken.discard(lease)
            self._bid_farewell(lease)
            self._connecting += 1
            lease = None
        return await self._open() if lease is None else lease

    def _pass_on(self, turn: "asyncio.Future[Lease[_Link] | None]") -> None:
        """Whoever waited for ``turn`` has given up: what came all the same is the next one's."""
        if turn.cancel() or turn.cancelled() or turn.exception() is not None:
            return
        lease = turn.result()
        if lease is not None:
            self.release(lease)
        else:
            self._connecting -= 1
            self._pass_place()

    def _pass_place(self) -> None:
        """There may be one connection more: whoever waits longest may make it."""
        turn = self._turns.call()
        if turn is not None:
            self._connecting += 1
            turn.set_result(None)

    async def flush(self) -> None:
        """Have no connection used again that is there now: what it remembers of the catalog is old."""
        self._generation += 1
        await self.sweep()

    async def sweep(self) -> None:
        """Close the connections that are not to be used again and that nobody uses now."""
        stale = [lease for lease in self._idle if self._is_stale(lease)]
        self._idle = [lease for lease in self._idle if lease not in stale]
        for lease in stale:
            self._bid_farewell(lease)
        await asyncio.gather(*self._farewells)

    async def close(self) -> None:
        """Close every connection; a server that does not take part in that is not waited for."""
        for opening in tuple(self._opening):
            opening.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        leases = [*self._idle, *self._taken]
        self._idle.clear()
        for lease in leases:
            self._bid_farewell(lease)
        await asyncio.gather(*self._farewells)

    def _bid_farewell(self, lease: Lease[_Link]) -> None:
        task = asyncio.create_task(_close(lease.connection))
        self._farewells.add(task)
        task.add_done_callback(self._farewells.discard)

    def _is_stale(self, lease: Lease[_Link]) -> bool:
        now = self._clock()
        return (
            lease.connection.is_closed()
            or lease.generation != self._generation
            or now - lease.made >= self._max_lifetime
            or now - lease.unused_since >= self._max_idletime
        )


async def _close(connection: Poolable) -> None:
    try:
        await connection.close(timeout=_FAREWELL)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
        connection.terminate()

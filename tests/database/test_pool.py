"""The pool's limits, with connections that are none and a clock of the test's own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import asyncpg
import pytest

from proxy.config import EngineConfig
from proxy.database import pool
from proxy.database.pool import CannotConnect, ConnectionPool
from proxy.database.turns import Turns
from proxy.errors import EngineDown


class Connection:
    """As much of a connection as the pool asks for."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.closed = False

    def is_closed(self) -> bool:
        return self.closed

    async def close(self, **_: object) -> None:
        self.closed = True

    def terminate(self) -> None:
        self.closed = True


@dataclass
class Bench:
    """A pool of at most ``size`` connections; ``now`` is its clock."""

    size: int = 2
    now: float = 0.0
    made: list[Connection] = field(default_factory=list)
    fault: Exception | None = None
    begun: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()
        options = EngineConfig(
            db_pool_acquisition_timeout=0.01, db_pool_max_lifetime=1800.0, db_pool_max_idletime=30.0
        )
        self.pool: ConnectionPool[Connection] = ConnectionPool(
            self.connect, options, size=self.size, clock=lambda: self.now
        )

    async def connect(self) -> Connection:
        self.begun += 1
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        self.made.append(Connection(len(self.made)))
        return self.made[-1]

    async def use(self) -> int:
        """Take a connection and give it back; gives its number."""
        async with self.take() as connection:
            return connection.number

    @asynccontextmanager
    async def take(self) -> AsyncIterator[Connection]:
        lease = await self.pool.acquire()
        try:
            yield lease.connection
        finally:
            self.pool.release(lease)


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_a_connection_is_made_when_it_is_needed_and_used_again(bench: Bench) -> None:
    assert bench.made == []
    assert [await bench.use() for _ in range(3)] == [0, 0, 0]
    assert (bench.pool.used, bench.pool.idle) == (0, 1)


async def test_a_connection_that_takes_longer_than_its_request_has_time_is_there_for_the_next(
    bench: Bench,
) -> None:
    bench.gate.clear()
    for _ in range(5):
        with pytest.raises((TimeoutError, EngineDown)):
            async with asyncio.timeout(0.005):
                await bench.use()
    assert bench.begun == bench.pool.used == 2, "no more are under way than there may be"
    bench.gate.set()
    assert await bench.use() in (0, 1)
    await asyncio.sleep(0)
    assert (bench.begun, len(bench.made), bench.pool.used, bench.pool.idle) == (2, 2, 0, 2)


async def test_a_connection_for_which_nobody_waits_any_more_and_that_fails_makes_room(bench: Bench) -> None:
    bench.gate.clear()
    for _ in range(2):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await bench.use()
    bench.fault = ConnectionRefusedError()
    bench.gate.set()
    with pytest.raises(ConnectionRefusedError):
        await bench.use()
    assert bench.pool.used == 0
    bench.fault = None
    assert await bench.use() == 0


async def test_a_connection_that_is_never_made_takes_its_place_for_a_while_only(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_LEFT", 0.01)
    bench.gate.clear()
    for _ in range(2):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await bench.use()
    assert bench.pool.used == 2
    async with asyncio.timeout(5):
        while bench.pool.used:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    bench.gate.set()
    assert await bench.use() == 0


async def test_what_is_being_connected_ends_with_the_pool(bench: Bench) -> None:
    bench.gate.clear()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await bench.use()
    await bench.pool.close()
    assert (bench.pool.used, bench.made) == (0, [])


async def test_who_waits_too_long_is_told_so_and_counted(bench: Bench) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(bench.take())
        assert (bench.pool.used, bench.pool.waiting) == (2, 0)
        waiting = asyncio.create_task(bench.use())
        await asyncio.sleep(0)
        assert bench.pool.waiting == 1
        with pytest.raises(EngineDown) as caught:
            await waiting
        assert (caught.value.error.status, caught.value.error.code) == (504, "PGRST003")
        assert (bench.pool.timeouts, bench.pool.waiting) == (1, 0)
    assert await bench.use() in (0, 1)


async def test_who_leaves_as_time_runs_out_is_no_trouble(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    monkeypatch.setattr(Turns, "take", lambda _: turn)
    async with bench.take(), bench.take():
        waiting = asyncio.create_task(bench.use())
        await asyncio.sleep(0)
        turn.set_exception(TimeoutError())
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (bench.pool.used, bench.pool.waiting) == (2, 0)
    assert (bench.pool.used, bench.pool.idle) == (0, 2)


@pytest.mark.parametrize(("later", "number"), [(29.9, 0), (30.0, 1)])
async def test_a_connection_that_was_unused_for_too_long_is_replaced(
    bench: Bench, later: float, number: int
) -> None:
    await bench.use()
    bench.now += later
    assert await bench.use() == number


async def test_a_connection_that_is_too_old_is_replaced(bench: Bench) -> None:
    for _ in range(180):
        assert await bench.use() == 0
        bench.now += 10
    assert await bench.use() == 1


async def test_a_connection_that_the_server_has_closed_is_replaced_unseen(bench: Bench) -> None:
    await bench.use()
    bench.made[0].closed = True
    assert await bench.use() == 1


async def test_unused_connections_are_closed_without_anyone_taking_them(bench: Bench) -> None:
    async with bench.take(), bench.take():
        pass
    bench.now += 20
    await bench.pool.sweep()
    assert [connection.closed for connection in bench.made] == [False, False]
    # Looking at a connection does not count as using it.
    bench.now += 10
    await bench.pool.sweep()
    assert [connection.closed for connection in bench.made] == [True, True]
    assert len(bench.made) == 2
    assert await bench.use() == 2


async def test_after_a_flush_only_new_connections_are_used(bench: Bench) -> None:
    async with bench.take() as held:
        await bench.use()
        await bench.pool.flush()
        assert bench.made[1].closed
        assert not held.closed
    assert await bench.use() == 2
    await bench.pool.sweep()
    assert held.closed


@pytest.mark.parametrize(
    ("fault", "sqlstate"),
    [
        (asyncpg.InvalidPasswordError("password authentication failed"), "28P01"),
        (asyncpg.CannotConnectNowError("the database system is starting up"), "57P03"),
        (asyncpg.InterfaceError("odd"), ""),
    ],
)
async def test_what_the_server_says_to_a_new_connection_is_passed_on(
    bench: Bench, fault: Exception, sqlstate: str
) -> None:
    bench.fault = fault
    with pytest.raises(CannotConnect) as caught:
        await bench.use()
    assert (str(caught.value), caught.value.sqlstate) == (str(fault), sqlstate)
    bench.fault = None
    assert await bench.use() == 0


async def test_what_the_network_says_is_passed_on(bench: Bench) -> None:
    bench.fault = ConnectionRefusedError(111, "refused")
    with pytest.raises(ConnectionRefusedError):
        await bench.use()


async def test_a_server_that_does_not_say_goodbye_is_not_waited_for(bench: Bench) -> None:
    async with bench.take(), bench.take():
        pass
    silent, polite = bench.made
    asked: list[float | None] = []

    async def ignore(*, timeout: float | None = None) -> None:
        asked.append(timeout)
        silent.closed = True
        raise TimeoutError

    silent.close = ignore  # type: ignore[assignment]
    await bench.pool.close()
    assert polite.closed
    assert asked[0] == 1.0


async def test_a_connection_goes_to_who_waits_longest_not_to_who_comes_first(bench: Bench) -> None:
    order: list[str] = []

    async def queue(name: str) -> None:
        async with bench.take():
            order.append(name)

    lease, other = await bench.pool.acquire(), await bench.pool.acquire()
    waiting = [asyncio.create_task(queue(name)) for name in ("first", "second")]
    await asyncio.sleep(0)
    bench.pool.release(lease)
    # Whoever comes now may not take what was just given back.
    waiting.append(asyncio.create_task(queue("newcomer")))
    await asyncio.gather(*waiting)
    assert order == ["first", "second", "newcomer"]
    bench.pool.release(other)
    assert (bench.pool.used, bench.pool.idle, len(bench.made)) == (0, 2, 2)


async def test_who_waits_makes_a_new_connection_when_one_is_lost(bench: Bench) -> None:
    lease, other = await bench.pool.acquire(), await bench.pool.acquire()
    waiting = asyncio.create_task(bench.use())
    await asyncio.sleep(0)
    lease.connection.terminate()
    bench.pool.release(lease)
    assert await waiting == 2
    bench.pool.release(other)
    assert (bench.pool.used, bench.pool.idle) == (0, 2)


async def test_what_was_given_to_somebody_who_has_left_goes_to_the_next(bench: Bench) -> None:
    lease, other = await bench.pool.acquire(), await bench.pool.acquire()
    leaving, staying = asyncio.create_task(bench.use()), asyncio.create_task(bench.use())
    await asyncio.sleep(0)
    bench.pool.release(lease)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert await staying == lease.connection.number
    bench.pool.release(other)
    assert (bench.pool.used, bench.pool.waiting, bench.pool.idle) == (0, 0, 2)


async def test_a_place_that_cannot_be_used_is_free_again(bench: Bench) -> None:
    bench.fault = ConnectionRefusedError(111, "refused")
    outcomes = await asyncio.gather(*(bench.use() for _ in range(5)), return_exceptions=True)
    assert all(isinstance(outcome, ConnectionRefusedError) for outcome in outcomes)
    bench.fault = None
    assert await bench.use() == 0
    assert (bench.pool.used, bench.pool.waiting) == (0, 0)

"""Work that goes on when whoever ordered it has left."""

import asyncio

import pytest

from proxy.server.orders import Orders


async def test_work_goes_on_when_whoever_waits_is_cancelled() -> None:
    orders, go_on, done = Orders(), asyncio.Event(), asyncio.Event()

    async def work() -> int:
        await go_on.wait()
        done.set()
        return 1

    async def order() -> int:
        return await asyncio.shield(orders.begin(work()))

    waiting = asyncio.create_task(order())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go_on.set()
    await asyncio.wait_for(done.wait(), 5)


async def test_whoever_stays_gets_what_comes_of_it() -> None:
    orders = Orders()

    async def fail() -> int:
        raise LookupError("nothing there")

    with pytest.raises(LookupError, match="nothing there"):
        await asyncio.shield(orders.begin(fail()))


async def test_the_end_gives_up_what_does_not_end_by_itself() -> None:
    orders, stopped = Orders(), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    orders.begin(work())
    await asyncio.sleep(0)
    await orders.close()
    assert stopped.is_set()

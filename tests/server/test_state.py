"""What is in force, and who waits for it to change."""

import asyncio
from dataclasses import replace

from proxy.config import Config
from proxy.server.state import Snapshot, State
from proxy.shadow.policy import Names

FIRST = Snapshot(Config(), Names(), None)


async def test_who_waits_is_told_of_what_came_last() -> None:
    state = State(FIRST)
    waiting = [asyncio.create_task(state.wait_for_another(FIRST)) for _ in range(2)]
    await asyncio.sleep(0)
    second, third = replace(FIRST, holds=frozenset({"a"})), replace(FIRST, holds=frozenset({"b"}))
    state.replace(second)
    state.replace(third)
    assert await asyncio.gather(*waiting) == [third, third]


async def test_who_comes_too_late_does_not_wait() -> None:
    state = State(FIRST)
    state.put_holds(frozenset({"a"}))
    assert await state.wait_for_another(FIRST) is state.current
    assert state.current.holds == {"a"}


async def test_what_is_put_in_force_again_is_nothing_new() -> None:
    state = State(FIRST)
    waiting = asyncio.create_task(state.wait_for_another(FIRST))
    await asyncio.sleep(0)
    state.replace(FIRST)
    await asyncio.sleep(0)
    assert not waiting.done()
    state.replace(replace(FIRST))
    assert await waiting is not FIRST

"""Whoever waits longest is next, and nobody waits for ever."""

import pytest

from proxy.database.turns import Turns

FOR_EVER = 1000.0


async def test_whoever_comes_first_is_served_first() -> None:
    turns: Turns[str] = Turns(FOR_EVER)
    assert not turns
    first, second = turns.take(), turns.take()
    assert turns
    assert [turns.call(), turns.call(), turns.call()] == [first, second, None]
    assert not turns


async def test_whoever_has_left_is_passed_over() -> None:
    turns: Turns[str] = Turns(FOR_EVER)
    first, second = turns.take(), turns.take()
    first.cancel()
    assert turns.call() is second


async def test_nobody_waits_longer_than_patience_lasts() -> None:
    turns: Turns[str] = Turns(0.0)
    waiting = [turns.take(), turns.take()]
    left = turns.take()
    left.cancel()
    for turn in waiting:
        with pytest.raises(TimeoutError):
            await turn
    assert left.cancelled()
    assert turns.call() is None


async def test_who_comes_later_gives_up_later() -> None:
    turns: Turns[str] = Turns(0.001)
    served = turns.take()
    turn = turns.call()
    assert turn is served
    turn.set_result("served")
    with pytest.raises(TimeoutError):
        await turns.take()
    # The timer for the first of them has gone off with nothing to do, and serves those behind.
    with pytest.raises(TimeoutError):
        await turns.take()
    assert await served == "served"

"""The mirror's pace: what the loop can do besides, and no more, however busy others make it."""

import asyncio
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.processor import Use
from proxy.server.pace import CALM, CROWDED, FIRST, LEAST, LOOK, ROOMY, Pace, adapt
from tests.server.virtual_time import now, run

STEADY = (ROOMY + CROWDED) / 2
"""A share at which the pace stays what it is."""

SETTLING = 0.0005
"""Seconds that a mirrored read takes, of which one follows the other."""


@dataclass
class Thread:
    """The loop's: clients keep it busy for this ``share`` of the time, a mirrored read for ``cost`` seconds.

    ``waiting`` is how much of that it waits for a processor.
    """

    share: float
    cost: float = 0.0
    waiting: float = 0.0
    mirrored: int = 0

    def use(self) -> Use:
        busy = self.share * now() + self.cost * self.mirrored
        return Use(busy * (1 - self.waiting), busy * self.waiting)


async def mirror(thread: Thread, seconds: float, pace: Pace | None = None) -> list[float]:
    """When reads were begun in so many ``seconds``; there are always enough."""
    pace = pace or Pace(use=thread.use, clock=now)
    begun, end = [], now() + seconds
    while now() < end:
        await pace.wait()
        thread.mirrored += 1
        begun.append(now())
        await asyncio.sleep(SETTLING)
    return begun


def rate(begun: list[float], since: float, until: float) -> float:
    return sum(since <= at < until for at in begun) / (until - since)


@pytest.mark.parametrize(
    ("share", "pace"),
    [(CALM - 0.01, 2 * 200), (ROOMY - 0.01, 1.1 * 200), (CROWDED, 200), (CROWDED + 0.01, 100)],
)
def test_the_busier_the_loop_the_slower_the_mirror(share: float, pace: float) -> None:
    assert adapt(200, share, begun=200) == pytest.approx(pace)


def test_a_pace_is_halved_from_what_was_begun_not_from_what_was_allowed() -> None:
    assert adapt(10_000, 0.9, begun=300) == 150


def test_what_was_allowed_and_not_made_use_of_is_not_saved_for_a_busy_moment() -> None:
    assert adapt(10_000, 0.1, begun=300) == 600
    assert adapt(10_000, 0.1, begun=0) == FIRST


@given(st.floats(LEAST, 1e6), st.floats(0, 2), st.floats(0, 1e6))
def test_some_are_always_begun(pace: float, share: float, begun: float) -> None:
    assert adapt(pace, share, begun) >= LEAST


def test_in_an_idle_loop_the_mirror_is_soon_as_fast_as_it_likes() -> None:
    begun = run(mirror(Thread(0.05), 2.0))
    assert rate(begun, 1.5, 2.0) == pytest.approx(1 / SETTLING, rel=0.1)


@pytest.mark.parametrize("waiting", [0.0, CALM])
def test_the_loop_is_not_kept_busier_than_clients_can_bear(waiting: float) -> None:
    thread = Thread(CALM, cost=0.001, waiting=waiting)
    begun = run(mirror(thread, 60.0))
    share = CALM + thread.cost * rate(begun, 30.0, 60.0)
    assert ROOMY - 0.1 < share < CROWDED


def test_in_a_loop_that_clients_fill_it_keeps_to_the_least() -> None:
    begun = run(mirror(Thread(1.0), 10.0))
    assert rate(begun, 5.0, 10.0) == pytest.approx(LEAST, rel=0.1)


def test_it_is_back_soon_when_clients_are_gone() -> None:
    async def scene() -> tuple[float, list[float]]:
        thread = Thread(1.0)
        pace = Pace(use=lambda: Use(min(10.0, now()) * thread.share), clock=now)
        await mirror(thread, 10.0, pace)
        return now(), await mirror(thread, 2.0, pace)

    gone, begun = run(scene())
    assert rate(begun, gone, gone + 0.5) < FIRST
    assert rate(begun, gone + 1.5, gone + 2.0) > 5 * FIRST


def test_turns_are_spread_evenly() -> None:
    begun = run(mirror(Thread(STEADY), 1.0))
    gaps = [after - before for before, after in pairwise(begun)]
    assert max(gaps) == pytest.approx(min(gaps)) == pytest.approx(1 / FIRST)


def test_who_waits_at_a_slow_pace_goes_on_at_a_quick_one_when_clients_are_gone() -> None:
    async def scene() -> float:
        pace = Pace(use=lambda: Use(min(10.0, now())), clock=now)
        await mirror(Thread(1.0), 10.0, pace)
        gone = now()
        for _ in range(100):
            await pace.wait()
        return now() - gone

    assert run(scene()) < 100 / LEAST / 5


def test_a_pause_is_not_made_up_for() -> None:
    async def scene() -> list[float]:
        thread = Thread(STEADY)
        pace = Pace(use=thread.use, clock=now)
        await mirror(thread, 1.0, pace)
        await asyncio.sleep(10 * LOOK)
        return await mirror(thread, 1.0, pace)

    assert len(run(scene())) == pytest.approx(FIRST, abs=1)


def test_where_the_system_does_not_tell_nothing_holds_the_mirror_back() -> None:
    async def scene() -> list[float]:
        return await mirror(Thread(0.0), 2.0, Pace(use=Use, clock=now))

    assert rate(run(scene()), 1.5, 2.0) == pytest.approx(1 / SETTLING, rel=0.1)

"""When the mirror holds back: by the budget, by latency, by waiting; and when it goes on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.shadow.throttle import (
    FLOOR,
    LEARNING,
    LONGEST_STOP,
    LONGEST_WAITING,
    SAVED_SECONDS,
    SHORTEST_STOP,
    Breaker,
    Budget,
    judge_breaker,
    observe,
    refill,
    spend,
)

FACTOR = 4.0


def test_a_budget_grows_by_its_rate_and_is_not_saved_for_long() -> None:
    assert refill(Budget(0.0, 10.0), 11.0, 0.5).left == 0.5
    assert refill(Budget(0.0, 10.0), 1000.0, 0.5).left == 0.5 * SAVED_SECONDS


def test_what_was_spent_beyond_it_is_a_debt() -> None:
    budget = spend(refill(Budget(), 1.0, 0.5), 2.0)
    assert budget.left == -1.5
    assert refill(budget, 3.0, 0.5).left == -0.5
    assert refill(budget, 5.0, 0.5).left == 0.5


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 1)), max_size=60), st.floats(0.01, 10))
def test_no_more_is_spent_than_was_earned_and_the_last_thing_that_was_begun(
    steps: list[tuple[float, float]], rate: float
) -> None:
    budget, now, spent = Budget(), 0.0, 0.0
    for passed, cost in steps:
        now += passed
        budget = refill(budget, now, rate)
        if budget.left > 0:
            budget = spend(budget, cost)
            spent += cost
    assert spent <= rate * (now + SAVED_SECONDS) + 1 + 1e-6


def learnt(latency: float = 0.1, now: float = 1000.0) -> Breaker:
    """A breaker that knows what is usual."""
    breaker = Breaker()
    for number in range(LEARNING + 1):
        breaker = observe(breaker, now - LEARNING + number, latency)
    return breaker


def after(breaker: Breaker, start: float, seconds: float, latency: float, waiting: int = 0) -> Breaker:
    """The breaker after so many seconds with an answer each tenth of one."""
    for step in range(int(seconds * 10)):
        now = start + step / 10
        breaker = judge_breaker(observe(breaker, now, latency), now, waiting, FACTOR)
    return breaker


def test_what_is_usual_opens_nothing() -> None:
    assert after(learnt(), 1001, 60, 0.1).opened is None
    assert after(learnt(), 1001, 60, 0.2).opened is None


def test_a_latency_that_rises_opens_it_within_seconds() -> None:
    breaker = after(learnt(), 1001, 10, 1.0)
    assert breaker.opened is not None
    assert breaker.opened - 1001 < 5


def test_one_slow_answer_opens_nothing() -> None:
    assert judge_breaker(observe(learnt(), 1000.1, 10.0), 1000.1, 0, FACTOR).opened is None


def test_fast_is_fast_enough_however_much_faster_it_usually_is() -> None:
    assert after(learnt(0.001), 1001, 60, FLOOR * 0.9).opened is None


def test_nothing_is_known_at_the_beginning() -> None:
    assert judge_breaker(observe(observe(Breaker(), 0, 0.001), 1, 9.0), 1, 0, FACTOR).opened is None


def test_it_closes_when_the_latency_is_well_below_what_opened_it() -> None:
    opened = after(learnt(), 1001, 10, 1.0)
    # Between half of the limit and the limit it stays as it is, so that it does not flutter.
    assert after(opened, 1011, 60, 0.3).opened == opened.opened
    closed = after(opened, 1011, 60, 0.1)
    assert closed.opened is None


def test_it_stays_open_for_a_while_however_fast_things_are() -> None:
    opened = learnt()._replace(opened=1000.0)
    assert judge_breaker(opened, 1000 + SHORTEST_STOP - 0.1, 0, FACTOR).opened == 1000.0
    assert judge_breaker(opened, 1000 + SHORTEST_STOP, 0, FACTOR).opened is None


def test_what_is_slow_for_long_is_usual_in_the_end() -> None:
    opened = after(learnt(), 1001, 10, 1.0)
    assert after(opened, 1011, LONGEST_STOP - 60, 1.0).opened is not None
    relearnt = after(opened, 1011, LONGEST_STOP + 60, 1.0)
    assert relearnt.opened is None
    assert relearnt.usual == pytest.approx(1.0, rel=0.1)


def test_while_it_is_open_trouble_does_not_become_usual() -> None:
    opened = after(learnt(), 1001, 10, 1.0)
    assert after(opened, 1011, 100, 1.0).usual == opened.usual


def test_waiting_for_connections_opens_it_when_it_lasts() -> None:
    breaker = judge_breaker(learnt(), 2000.0, 3, FACTOR)
    assert breaker.opened is None
    assert judge_breaker(breaker, 2000.0 + LONGEST_WAITING, 3, FACTOR).opened is None
    assert judge_breaker(breaker, 2000.1 + LONGEST_WAITING, 1, FACTOR).opened is not None
    # A break in between, and it begins anew.
    relieved = judge_breaker(breaker, 2000.5, 0, FACTOR)
    assert judge_breaker(relieved, 2000.1 + LONGEST_WAITING, 1, FACTOR).opened is None


def test_it_does_not_close_while_somebody_waits() -> None:
    opened = learnt()._replace(opened=1000.0)
    assert judge_breaker(opened, 1100.0, 1, FACTOR).opened == 1000.0

"""When the mirror has to hold back: its budget of database time is spent, or its company is felt.

States are values, and whoever holds them hands in the time in seconds, which only grows.
"""

from math import exp
from typing import NamedTuple

SAVED_SECONDS = 2.0
"""A budget that was not used is saved for so long."""

RECENTLY = 5.0
USUALLY = 300.0
"""Over how many seconds the recent and the usual latency are means."""

LEARNING = 50
"""Readings before which nothing is known to be usual."""

FLOOR = 0.05
"""Seconds below which no latency is a trouble, whatever is usual."""

LONGEST_WAITING = 1.0
"""Seconds that somebody may wait for a connection without a break."""

SHORTEST_STOP = 10.0
LONGEST_STOP = 300.0
"""The breaker stays open for so many seconds at least, and at most: then what is recent is usual."""


class Budget(NamedTuple):
    """Seconds of database time that may be spent; fewer than none are a debt."""

    left: float = 0.0
    since: float = 0.0


def refill(budget: Budget, now: float, rate: float) -> Budget:
    """The budget at ``now``, of which there is ``rate`` more each second."""
    earned = budget.left + rate * max(0.0, now - budget.since)
    return Budget(min(earned, rate * SAVED_SECONDS), now)


def spend(budget: Budget, seconds: float) -> Budget:
    """The budget after ``seconds`` were spent, of which nobody knew before how many they would be."""
    return Budget(budget.left - seconds, budget.since)


class Breaker(NamedTuple):
    """How one side's latency and the waiting for connections have been.

    ``opened`` is when mirroring was stopped; None while it goes on. ``waiting`` is since when somebody waits.
    """

    recent: float = 0.0
    usual: float = 0.0
    readings: int = 0
    updated: float = 0.0
    opened: float | None = None
    waiting: float | None = None


def observe(breaker: Breaker, now: float, seconds: float) -> Breaker:
    """The breaker after its side took ``seconds`` for an answer.

    While it is open, what is usual is not learnt anew from what is not.
    """
    if not breaker.readings:
        return breaker._replace(recent=seconds, usual=seconds, readings=1, updated=now)
    passed = max(0.0, now - breaker.updated)
    usual = breaker.usual
    if breaker.opened is None:
        usual = _lean(usual, seconds, passed, USUALLY, breaker.readings)
    recent = _lean(breaker.recent, seconds, passed, RECENTLY, breaker.readings)
    # Not by `_replace`, which takes longer than all of this: it is asked about every read.
    return Breaker(recent, usual, breaker.readings + 1, now, breaker.opened, breaker.waiting)


def _lean(mean: float, value: float, passed: float, span: float, readings: int) -> float:
    """The mean over ``span`` seconds; at the beginning, of all there were."""
    weight = max(1 - exp(-passed / span), 1 / (readings + 1) if readings < LEARNING else 0.0)
    return mean + weight * (value - mean)


def judge_breaker(breaker: Breaker, now: float, waiting: int, factor: float) -> Breaker:
    """Opened or closed by what is known at ``now``. ``waiting`` is how many wait for a connection.

    It opens where latency is ``factor`` times the usual one, and closes below half of that.
    """
    if breaker.opened is None and breaker.recent <= FLOOR and not waiting and breaker.waiting is None:
        # What nearly every read finds.
        return breaker
    since = None if not waiting else now if breaker.waiting is None else breaker.waiting
    if since != breaker.waiting:
        breaker = breaker._replace(waiting=since)
    crowded = since is not None and now - since > LONGEST_WAITING
    known = breaker.readings >= LEARNING
    if breaker.opened is None:
        slow = known and breaker.recent > max(FLOOR, factor * breaker.usual)
        return breaker._replace(opened=now) if slow or crowded else breaker
    stopped = now - breaker.opened
    if stopped >= LONGEST_STOP:
        return breaker._replace(opened=None, usual=breaker.recent)
    calm = breaker.recent <= max(FLOOR, factor / 2 * breaker.usual)
    return breaker._replace(opened=None) if calm and since is None and stopped >= SHORTEST_STOP else breaker

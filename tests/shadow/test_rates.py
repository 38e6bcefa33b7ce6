"""Bounds on a rate: the formula against its integral, its monotony, and what it costs."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.shadow.rates import find_rate_bound, find_reads_needed, is_rate_below

RATES = st.floats(0.0005, 0.5)
CONFIDENCES = st.sampled_from((0.5, 0.9, 0.95, 0.99))
COUNTS = st.integers(0, 3000).flatmap(lambda reads: st.tuples(st.just(reads), st.integers(0, min(reads, 40))))


def integrate(rate: float, reads: int, mismatches: int) -> float:
    """The mean over ``r`` by the midpoint rule, in ``u = r ** 0.25``, under which Beta(1/4, 1) is even."""
    steps = 20_000
    total = 0.0
    for step in range(steps):
        r = ((step + 0.5) / steps) ** 4
        log = mismatches * math.log(r) + (reads - mismatches) * math.log((1 - rate * r) / (1 - rate))
        total += math.exp(log)
    return total / steps


@pytest.mark.parametrize(
    ("rate", "reads", "mismatches"),
    [(0.001, 3402, 0), (0.001, 6893, 1), (0.01, 900, 2), (0.1, 60, 0), (0.1, 300, 12), (0.5, 9, 1)],
)
def test_the_series_is_the_mean_over_all_bets(rate: float, reads: int, mismatches: int) -> None:
    mean = integrate(rate, reads, mismatches)
    assert is_rate_below(rate, reads, mismatches, 1 - 1.002 / mean)
    assert not is_rate_below(rate, reads, mismatches, 1 - 0.998 / mean)


def test_a_clean_table_needs_little_more_than_one_look_fixed_in_advance() -> None:
    assert [find_reads_needed(rate, 0, 0.95) for rate in (0.01, 0.001, 0.0001)] == [339, 3402, 34032]
    assert find_reads_needed(0.001, 1, 0.95) == 6893


@given(COUNTS, CONFIDENCES)
def test_the_bound_is_never_below_what_was_seen(counts: tuple[int, int], confidence: float) -> None:
    reads, mismatches = counts
    bound = find_rate_bound(reads, mismatches, confidence)
    assert (mismatches / reads if reads else 0) <= bound <= 1


@given(COUNTS, CONFIDENCES)
def test_another_match_lowers_the_bound_and_another_mismatch_raises_it(
    counts: tuple[int, int], confidence: float
) -> None:
    reads, mismatches = counts
    bound = find_rate_bound(reads, mismatches, confidence)
    slack = 2e-4 * bound
    assert find_rate_bound(reads + 1, mismatches, confidence) <= bound + slack
    assert find_rate_bound(reads + 1, mismatches + 1, confidence) >= bound - slack


@given(COUNTS)
def test_more_confidence_is_a_higher_bound(counts: tuple[int, int]) -> None:
    bounds = [find_rate_bound(*counts, confidence) for confidence in (0.5, 0.9, 0.99, 0.999)]
    assert all(one <= other * 1.0002 for one, other in pairwise(bounds))


@given(RATES, st.integers(0, 30), CONFIDENCES)
def test_the_reads_needed_are_the_fewest(rate: float, mismatches: int, confidence: float) -> None:
    needed = find_reads_needed(rate, mismatches, confidence)
    assert is_rate_below(rate, needed, mismatches, confidence)
    assert not is_rate_below(rate, needed - 1, mismatches, confidence)


def test_bound_and_decision_agree() -> None:
    for mismatches in range(6):
        needed = find_reads_needed(0.001, mismatches, 0.95)
        assert find_rate_bound(needed, mismatches, 0.95) == pytest.approx(0.001, rel=2e-3)


def test_nothing_and_nothing_but_mismatches_bound_nothing() -> None:
    assert find_rate_bound(0, 0, 0.95) == 1.0
    assert find_rate_bound(1000, 1000, 0.95) == 1.0


def test_large_counts_neither_overflow_nor_take_long() -> None:
    assert find_rate_bound(10**9, 0, 0.95) < 4e-9
    assert 0.001 < find_rate_bound(10**8, 10**5, 0.95) < 0.00102

"""The share of unseen shapes: Good and Turing's estimate, and its upper bound."""

import math
import random
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.shadow.unseen import UnseenShare, find_unseen_share

MIXES = {
    "a long tail": [1 / rank for rank in range(1, 400)],
    "many alike": [1.0] * 1000,
    "halving": [0.7**rank for rank in range(60)],
    "common ones and one that is rare": [1.0] * 5 + [0.01],
    "common ones and ten that are rare": [1.0] * 5 + [0.002] * 10,
}


def test_nothing_seen_is_everything_unseen() -> None:
    assert find_unseen_share([], 0, 0.95) == UnseenShare(1.0, 1.0)
    assert find_unseen_share([0, 0], 0, 0.95) == UnseenShare(1.0, 1.0)


def test_shapes_seen_once_are_the_estimate() -> None:
    share = find_unseen_share([1, 1, 500, 498], 0, 0.95)
    assert share.estimate == 0.002
    assert 0.002 < share.bound < 0.01


def test_when_every_shape_was_seen_often_the_bound_is_the_rule_of_three() -> None:
    share = find_unseen_share([2000, 1000], 0, 0.95)
    assert share.estimate == 0.0
    assert share.bound == pytest.approx(-math.log(0.05) / 3000)


def test_reads_of_shapes_that_nobody_counted_count_as_unseen() -> None:
    assert find_unseen_share([900], 100, 0.95).estimate == 0.1


@given(st.lists(st.integers(1, 5)), st.integers(0, 5))
def test_the_bound_is_a_share_no_smaller_than_the_estimate(counts: list[int], unknown: int) -> None:
    share = find_unseen_share(counts, unknown, 0.95)
    assert 0 <= share.estimate <= share.bound <= 1


@pytest.mark.parametrize("mix", MIXES)
def test_the_true_share_is_below_the_bound_as_often_as_promised(mix: str) -> None:
    dice = random.Random(20)
    weights = MIXES[mix]
    sums = list(accumulate(weights))
    held = 0
    for _ in range(300):
        counts = [0] * len(weights)
        for shape in dice.choices(range(len(weights)), cum_weights=sums, k=500):
            counts[shape] += 1
        unseen = sum(weight for weight, count in zip(weights, counts, strict=True) if count == 0)
        held += unseen / sums[-1] <= find_unseen_share(counts, 0, 0.95).bound
    assert held / 300 >= 0.95

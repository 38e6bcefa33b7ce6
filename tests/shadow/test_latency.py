"""The paired latency ratio and its interval."""

import math
import random

from proxy.shadow.latency import LEAST_PAIRS, PairedTimes, find_latency_ratio


def times_of(logs: list[float]) -> PairedTimes:
    return PairedTimes(len(logs), sum(logs), sum(log * log for log in logs))


def test_few_pairs_say_nothing() -> None:
    assert find_latency_ratio(times_of([0.1] * (LEAST_PAIRS - 1)), 0.95) is None
    assert find_latency_ratio(PairedTimes(), 0.95) is None


def test_equal_ratios_are_their_own_interval() -> None:
    ratio = find_latency_ratio(times_of([math.log(1.5)] * 500), 0.95)
    assert ratio is not None
    assert [round(figure, 6) for figure in (ratio.low, ratio.mean, ratio.high)] == [1.5, 1.5, 1.5]


def test_more_pairs_and_less_confidence_narrow_the_interval() -> None:
    logs = [-0.5, 0.5] * 100
    few, many = find_latency_ratio(times_of(logs), 0.95), find_latency_ratio(times_of(logs * 20), 0.95)
    unsure = find_latency_ratio(times_of(logs), 0.5)
    assert few is not None
    assert many is not None
    assert unsure is not None
    assert few.low < many.low < 1 < many.high < few.high
    assert few.low < unsure.low < 1 < unsure.high < few.high


def test_the_interval_holds_at_all_looks_as_often_as_promised() -> None:
    """Noise as skewed as latencies are: each ratio is one of exponential times."""
    dice = random.Random(21)
    truth = 1.1
    left = 0
    for _ in range(200):
        count, logs, squares = 0, 0.0, 0.0
        for _ in range(40):
            for _ in range(50):
                log = math.log(truth * dice.expovariate(1) / dice.expovariate(1))
                count, logs, squares = count + 1, logs + log, squares + log * log
            ratio = find_latency_ratio(PairedTimes(count, logs, squares), 0.95)
            if ratio is not None and not ratio.low <= truth <= ratio.high:
                left += 1
                break
    assert left / 200 <= 0.05

"""The simulation in short: errors are as rare as promised, and sound tables become ready."""

import random
from collections import Counter

import pytest

from proxy.shadow.latency import PairedTimes
from proxy.shadow.readiness import ShapeEvidence, TableEvidence, judge_readiness
from tests.readiness.simulation import LIMITS, demand, draw_mismatches, simulate, watch

ALLOWED = 1 - LIMITS.confidence


@pytest.mark.parametrize("factor", [1.01, 1.2])
def test_tables_above_the_limit_are_hardly_ever_declared_ready(factor: float) -> None:
    outcome = simulate(factor * LIMITS.max_mismatch_rate, 10_000, 50_000, 7)
    assert outcome.share < ALLOWED


def test_looking_at_a_fixed_bound_all_day_would_err_far_more_often() -> None:
    """What the simulation would show of a bound that is for one look only: it can fail."""
    dice = random.Random(3)
    rate = 1.01 * LIMITS.max_mismatch_rate
    erred = 0
    for _ in range(1500):
        for mismatches, position in enumerate(draw_mismatches(rate, dice)):
            if position > 20_000:
                break
            # The upper bound of a Poisson mean, nearly: counted, twice its root, and three.
            if (mismatches + 1.65 * mismatches**0.5 + 3) / (position - 1 or 1) < LIMITS.max_mismatch_rate:
                erred += 1
                break
    assert erred / 1500 > 1.2 * ALLOWED


def test_clean_tables_become_ready_at_once_and_nearly_clean_ones_soon() -> None:
    assert simulate(0, 10, 10_000, 1).median_reads == 3402
    nearly = simulate(LIMITS.max_mismatch_rate / 10, 500, 100_000, 1)
    assert nearly.share == 1.0
    assert nearly.median_reads is not None
    assert nearly.median_reads <= 3402


def test_the_simulation_judges_as_the_product_does() -> None:
    """Read by read around the moment that the simulation names."""
    rate = LIMITS.max_mismatch_rate / 4
    found = watch(rate, 100_000, random.Random(11))
    assert found is not None
    stream = draw_mismatches(rate, random.Random(11))
    mismatches = 0
    while next(stream) <= found:
        mismatches += 1
    assert found == demand(mismatches)
    for reads, ready in ((found - 1, False), (found, True)):
        verdicts = Counter({"match": reads - mismatches, "mismatch": mismatches})
        shapes = (ShapeEvidence("GET a", "", "", verdicts, reads, mismatches),)  # type: ignore[arg-type]
        evidence = TableEvidence("a", shapes, PairedTimes(5000, 0.0, 200.0), 0, 0.0, 2 * LIMITS.min_period)
        gaps = judge_readiness(evidence, LIMITS, 2 * LIMITS.min_period).missing
        assert ("reads" not in {gap.reason for gap in gaps}) == ready

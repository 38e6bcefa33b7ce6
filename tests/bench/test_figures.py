"""Medians, spreads and ratios."""

import pytest

from tests.bench.figures import (
    Figure,
    Sample,
    geometric_mean,
    make_figure,
    make_interval,
    make_ratio,
    percentile,
    summarise,
)


def sample(per_second: float, *, failures: int = 0, processor_us: float | None = None) -> Sample:
    return Sample(100, failures, per_second, p50=1.0, p99=per_second / 10, processor_us=processor_us)


def test_a_figure_is_the_median_with_the_range_of_all_rounds() -> None:
    assert make_figure([30.0, 10.0, 20.0, 90.0, 15.0]) == Figure(20.0, 10.0, 90.0)


def test_one_round_out_of_line_does_not_move_the_median() -> None:
    assert make_figure([10.0, 10.0, 10.0, 10.0, 10_000.0]).median == 10.0


def test_the_spread_is_half_the_range_over_the_median() -> None:
    assert Figure(100.0, 90.0, 110.0).spread == pytest.approx(0.1)


def test_a_median_of_nothing_per_second_has_no_spread() -> None:
    assert Figure(0.0, 0.0, 0.0).spread == 0.0


def test_no_measurement_is_no_figure() -> None:
    with pytest.raises(ValueError, match="no measurement"):
        make_figure([])


def test_a_summary_has_a_figure_for_everything_and_adds_up_the_counts() -> None:
    summary = summarise(
        [sample(10.0, processor_us=5.0), sample(30.0, failures=2, processor_us=7.0), sample(20.0)]
    )
    assert (summary.requests, summary.failures) == (300, 2)
    assert summary.per_second == Figure(20.0, 10.0, 30.0)
    assert summary.p99 == Figure(2.0, 1.0, 3.0)
    assert summary.processor_us == Figure(6.0, 5.0, 7.0)


def test_processor_time_that_nobody_told_stays_unknown() -> None:
    assert summarise([sample(10.0)]).processor_us is None


def test_a_ratio_is_taken_within_each_round() -> None:
    """The second round was slow for both, and the ratio is the same as in the others."""
    assert make_ratio([20.0, 2.0, 22.0], [10.0, 1.0, 11.0]) == Figure(2.0, 2.0, 2.0)


def test_over_a_reference_that_did_nothing_there_is_no_ratio() -> None:
    assert make_ratio([20.0, 20.0], [10.0, 0.0]) is None


def test_rounds_that_do_not_pair_up_are_refused() -> None:
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        make_ratio([1.0, 2.0], [1.0])


def test_the_geometric_mean_of_twice_and_half_is_one() -> None:
    assert geometric_mean([2.0, 0.5]) == pytest.approx(1.0)


@pytest.mark.parametrize("values", [[], [1.0, 0.0], [-1.0]])
def test_a_geometric_mean_needs_positive_numbers(values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"no measurement|math domain|positive"):
        geometric_mean(values)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1.0), (0.5, 50.0), (0.501, 51.0), (0.99, 99.0), (1.0, 100.0)]
)
def test_a_percentile_is_found_by_nearest_rank(share: float, expected: float) -> None:
    assert percentile([float(number) for number in range(1, 101)], share) == expected


def test_a_percentile_of_nothing_is_zero() -> None:
    assert percentile([], 0.99) == 0.0


def test_the_interval_holds_the_median_and_is_the_same_each_time() -> None:
    values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    low, high = make_interval(values)
    assert 1 <= low < 4 < high <= 7
    assert make_interval(values) == (low, high)
    assert make_interval([3.0]) == (3.0, 3.0)
    with pytest.raises(ValueError, match="no measurement"):
        make_interval([])

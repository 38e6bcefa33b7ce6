"""Medians, spreads and ratios of repeated measurements."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil, exp, log
from statistics import median


@dataclass(frozen=True, slots=True)
class Sample:
    """One side in one round. Latencies are milliseconds.

    ``processor_us`` is the processor time of the measured process per request, in microseconds, or None
    where the system does not tell it.
    """

    requests: int
    failures: int
    per_second: float
    p50: float
    p99: float
    processor_us: float | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """A number measured several times: its median, the range of all, and the median's 95 % interval."""

    median: float
    low: float
    high: float
    interval: tuple[float, float] = field(default=(0.0, 0.0), compare=False)

    @property
    def spread(self) -> float:
        """How far the rounds lie apart, as half the range over the median; 0 for a median of 0."""
        return (self.high - self.low) / 2 / self.median if self.median else 0.0


@dataclass(frozen=True, slots=True)
class Summary:
    """One side over all rounds."""

    requests: int
    failures: int
    per_second: Figure
    p50: Figure
    p99: Figure
    processor_us: Figure | None


def make_figure(values: Iterable[float]) -> Figure:
    """The figure for ``values``. Raises ValueError when there is none."""
    found = sorted(values)
    if not found:
        raise ValueError("no measurement")
    return Figure(median(found), found[0], found[-1], make_interval(found))


def summarise(samples: Sequence[Sample]) -> Summary:
    """The summary of one side's samples, one from each round. Raises ValueError when there is none."""
    processor = [sample.processor_us for sample in samples if sample.processor_us is not None]
    return Summary(
        requests=sum(sample.requests for sample in samples),
        failures=sum(sample.failures for sample in samples),
        per_second=make_figure(sample.per_second for sample in samples),
        p50=make_figure(sample.p50 for sample in samples),
        p99=make_figure(sample.p99 for sample in samples),
        processor_us=make_figure(processor) if processor else None,
    )


def make_ratio(values: Sequence[float], reference: Sequence[float]) -> Figure | None:
    """``values`` over ``reference``, round by round, so that what slowed a whole round counts for neither.

    None when the reference is 0 in some round. Raises ValueError when the rounds do not pair up.
    """
    pairs = list(zip(values, reference, strict=True))
    return make_figure(value / base for value, base in pairs) if pairs and all(reference) else None


def make_interval(values: Sequence[float], *, resamples: int = 2000) -> tuple[float, float]:
    """Between which bounds the median of such ``values`` lies, at 95 % confidence, by the bootstrap.

    The same values give the same interval. Raises ValueError when there is none.
    """
    if not values:
        raise ValueError("no measurement")
    dice = random.Random(1)
    medians = sorted(median(dice.choices(values, k=len(values))) for _ in range(resamples))
    return percentile(medians, 0.025), percentile(medians, 0.975)


def geometric_mean(values: Iterable[float]) -> float:
    """The geometric mean of positive numbers. Raises ValueError for none, or for one that is not positive."""
    logarithms = [log(value) for value in values]
    if not logarithms:
        raise ValueError("no measurement")
    return exp(sum(logarithms) / len(logarithms))


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value that the ``share`` (0 to 1) of ``ordered`` does not exceed, by nearest rank; 0 for none."""
    if not ordered:
        return 0.0
    return ordered[max(0, ceil(share * len(ordered)) - 1)]

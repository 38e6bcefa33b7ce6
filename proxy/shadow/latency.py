"""How much longer the engine takes than the upstream, from pairs of times for the same read.

Each pair gives one logarithm of a ratio; their mean is the logarithm of the geometric mean, of which no
single slow answer is the master. The interval is an asymptotic confidence sequence: with ``n`` pairs of mean
``m`` and variance ``v``, the true mean is at every ``n`` from some hundred on within

    m +- sqrt(v) * sqrt(2 (n w + 1) / (n^2 w) * ln(sqrt(n w + 1) / (1 - confidence)))

so that one may look at it all day. Source: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform
central limit theory and asymptotic confidence sequences" (2024), theorem 2.2; ``w`` makes it narrowest at
``_NARROWEST`` pairs.

In shadow the engine reads after the upstream, whose pages the database then has in memory: the ratio
flatters the engine where the database reads from disks. In ``verify`` it is the other way round.
"""

import math
from dataclasses import dataclass

LEAST_PAIRS = 100
"""With fewer pairs the interval, which is asymptotic, says nothing."""

_NARROWEST = 1000


@dataclass(frozen=True, slots=True)
class PairedTimes:
    """The sums of ``pairs`` natural logarithms of engine's by upstream's time, of their squares, of times."""

    pairs: int = 0
    log_ratios: float = 0.0
    log_ratio_squares: float = 0.0
    upstream_seconds: float = 0.0
    engine_seconds: float = 0.0

    @property
    def cost_ratio(self) -> float | None:
        """All of the engine's time by all of the upstream's, in which long requests weigh more."""
        return self.engine_seconds / self.upstream_seconds if self.upstream_seconds > 0 else None


@dataclass(frozen=True, slots=True)
class LatencyRatio:
    """Engine's by upstream's time: the geometric mean of the pairs, and what it lies between."""

    mean: float
    low: float
    high: float


def find_latency_ratio(times: PairedTimes, confidence: float) -> LatencyRatio | None:
    """The ratio that ``times`` come to; None when there are too few pairs."""
    pairs = times.pairs
    if pairs < LEAST_PAIRS:
        return None
    mean = times.log_ratios / pairs
    variance = max(0.0, times.log_ratio_squares / pairs - mean * mean)
    tail = -2 * math.log(1 - confidence)
    weight = (tail + math.log(tail + 1)) / _NARROWEST
    grown = pairs * weight + 1
    log = math.log(math.sqrt(grown) / (1 - confidence))
    reach = math.sqrt(variance * 2 * grown / (pairs * pairs * weight) * log)
    return LatencyRatio(math.exp(mean), math.exp(mean - reach), math.exp(mean + reach))

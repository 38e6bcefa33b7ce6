"""Tables as streams of matches and mismatches, looked at after every single read.

Between two mismatches the evidence only grows, so that looking at the last read before each mismatch is
looking at all of them: a table is declared ready at the first read at which as many reads were compared as
its mismatches so far demand.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from statistics import median

from proxy.config import ReadinessConfig
from proxy.shadow.rates import find_reads_needed

LIMITS = ReadinessConfig()


@cache
def demand(mismatches: int) -> int:
    """How many reads it takes to be declared ready, for the limits of the configuration's defaults."""
    return find_reads_needed(LIMITS.max_mismatch_rate, mismatches, LIMITS.confidence)


def draw_mismatches(rate: float, dice: random.Random) -> Iterator[int]:
    """The numbers, from 1, of the reads that mismatch: each one does with a chance of ``rate``."""
    position = 0
    scale = math.log1p(-rate)
    while True:
        position += 1 + int(math.log(1 - dice.random()) / scale)
        yield position


def watch(rate: float, horizon: int, dice: random.Random) -> int | None:
    """The number of the read at which a table is declared ready; None if it is not within ``horizon``."""
    if rate == 0:
        return demand(0) if demand(0) <= horizon else None
    for mismatches, position in enumerate(draw_mismatches(rate, dice)):
        needed = demand(mismatches)
        if needed > horizon:
            return None
        if needed < position:
            return needed
    raise AssertionError("an endless stream has ended")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of ``tables`` with one true ``rate``."""

    rate: float
    tables: int
    ready: int
    median_reads: int | None

    @property
    def share(self) -> float:
        """The share of tables that were ever declared ready."""
        return self.ready / self.tables


def simulate(rate: float, tables: int, horizon: int, seed: int) -> Outcome:
    """Watch so many tables for ``horizon`` reads each; the median is over those that became ready."""
    dice = random.Random(seed)
    found = [read for _ in range(tables) if (read := watch(rate, horizon, dice)) is not None]
    return Outcome(rate, tables, len(found), round(median(found)) if found else None)

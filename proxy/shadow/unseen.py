"""How likely it is that the next read is of a shape that was never compared.

Good and Turing: of ``n`` reads drawn from a fixed mix, those of shapes seen exactly once estimate the share
of what was never seen (Good, "The population frequencies of species", 1953). The error of that estimate,
times ``n``, has a variance of about ``f1 + 2 f2``, with ``f`` the shapes seen once and twice (Esty, "A normal
limit law for a nonparametric estimator of the coverage of a random sample", 1983). Its upper tail is that of
a sum of independent events, which no normal law does justice to while few were counted; so the bound is
Bernstein's, with ``L = -ln(1 - confidence)``:

    (f1 + sqrt(2 L (f1 + 2 f2)) + L) / n

When every shape was seen three times it says ``L / n``, the rule of three. See Ben-Hamou, Boucheron and
Ohannessian, "Concentration inequalities in the infinite urn scheme" (2017), for tails of this form.

The bound is for one look, unlike the one on mismatches; and what comes once a month is in no mix of a week:
that is what must-see shapes are for.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UnseenShare:
    """The share of reads that are of unseen shapes: as estimated, and as it is at most."""

    estimate: float
    bound: float


def find_unseen_share(counts: Iterable[int], unknown: int, confidence: float) -> UnseenShare:
    """Estimate from how often each shape was seen; ``unknown`` reads are of shapes that nobody counted."""
    seen = [number for number in counts if number > 0]
    reads = sum(seen) + unknown
    if reads == 0:
        return UnseenShare(1.0, 1.0)
    once, twice = seen.count(1) + unknown, seen.count(2)
    tail = -math.log(1 - confidence)
    most = once + math.sqrt(2 * tail * (once + 2 * twice)) + tail
    return UnseenShare(once / reads, min(1.0, most / reads))

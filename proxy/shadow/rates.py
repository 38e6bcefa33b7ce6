"""Bounds on a rate that hold at every look, however often one looks and whenever one stops.

Let each compared read disagree, given all that came before it, with a probability of at least ``rate``. For
any ``r`` in [0, 1] the product over the reads of ``r`` for one that disagrees and of
``(1 - rate r) / (1 - rate)`` for one that agrees is then a supermartingale that begins at 1 (it bets that
the true rate is ``rate r``), and so is its mean over ``r``. By Ville's inequality (1939) the chance that it
*ever* reaches ``1 / (1 - confidence)`` is at most ``1 - confidence``; when it does, the rate is below
``rate``. This is Robbins' method of mixtures (1970) for a Bernoulli stream, on one side; see Waudby-Smith
and Ramdas, "Estimating means of bounded random variables by betting" (2024), section 4.

The mixture is Beta(a, 1) for ``r``, with ``a`` a quarter: heavy at 0, where a sound table is. After ``n``
reads of which ``s`` disagreed the mean is, with the incomplete beta function written as its series,

    E(n, s) = a (1 - p) / (s + a) * sum over k of p^k * prod over j < k of (n + 1 + a + j) / (s + 1 + a + j)

It depends on the two counts alone, so that evidence may come in batches, of several replicas, in any order,
and be looked at between any two. All terms are positive, it grows with ``p`` and with ``n``, and it falls
with ``s``. At a limit of 0.001 and a confidence of 0.95 it takes 3,402 reads without a disagreement, where
one look at a time fixed in advance takes 2,995.

Reads are not independent draws: the bound is for the mix of the traffic that was seen.
"""

from itertools import count

_SHAPE = 0.25
"""The ``a`` of the mixture. A smaller one gains a little without disagreements and loses with them."""

_PRECISION = 1e-4


def is_rate_below(rate: float, reads: int, mismatches: int, confidence: float) -> bool:
    """Whether ``mismatches`` in so many ``reads`` show, at ``confidence``, a rate below ``rate``."""
    wanted = 1 / (1 - confidence)
    term = total = _SHAPE * (1 - rate) / (mismatches + _SHAPE)
    for k in count(1 + _SHAPE):
        if total >= wanted:
            return True
        # The ratio falls from term to term, so that what is left is less than a geometric series.
        ratio = rate * (reads + k) / (mismatches + k)
        if ratio < 1 and total + term * ratio / (1 - ratio) < wanted:
            return False
        term *= ratio
        total += term
    raise AssertionError("an endless series has ended")


def find_rate_bound(reads: int, mismatches: int, confidence: float) -> float:
    """The rate that the true one is below, at ``confidence`` and at every look; 1 when nothing is known."""
    low, high = 0.0, 1.0
    while high - low > _PRECISION * high:
        middle = (low + high) / 2
        if is_rate_below(middle, reads, mismatches, confidence):
            high = middle
        else:
            low = middle
        if low > 1 - _PRECISION:
            return 1.0
    return high


def find_reads_needed(rate: float, mismatches: int, confidence: float) -> int:
    """How many reads, of which ``mismatches`` disagree, it takes to show a rate below ``rate``."""
    low, high = mismatches, mismatches + 1
    while not is_rate_below(rate, high, mismatches, confidence):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if is_rate_below(rate, middle, mismatches, confidence):
            high = middle
        else:
            low = middle
    return high

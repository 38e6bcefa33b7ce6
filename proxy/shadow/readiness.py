"""Whether the evidence for a table is enough to promote it, and what exactly is still missing.

A table is *ready* when nothing is missing, *not ready* when something speaks against it, and otherwise there
is *insufficient evidence*: that is never a guess in either direction.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from proxy.config import ReadinessConfig
from proxy.events import Verdict
from proxy.shadow.latency import LEAST_PAIRS, LatencyRatio, PairedTimes, find_latency_ratio
from proxy.shadow.must_see import find_never_seen
from proxy.shadow.rates import find_rate_bound, find_reads_needed
from proxy.shadow.unseen import UnseenShare, find_unseen_share
from proxy.shadow.words import count_of, fraction, period, roughly

AGREED: Final[tuple[Verdict, ...]] = ("match", "equivalent")
UNDECIDED: Final[tuple[Verdict, ...]] = ("indeterminate", "race", "inconclusive", "volatile")
UNANSWERED: Final[tuple[Verdict, ...]] = ("unsupported", "failed")

ReadinessVerdict: TypeAlias = Literal["ready", "not ready", "insufficient evidence"]
GapReason: TypeAlias = Literal[
    "reads", "signatures", "rate", "unseen_shapes", "must_see", "latency", "undecided", "unanswered", "age"
]

SHAPES_NAMED = 3
"""How many shapes that were never seen are named one by one."""


@dataclass(frozen=True, slots=True)
class ShapeEvidence:
    """The verdicts on reads of one shape, by one role and with one class of answer.

    ``shape`` is None for reads of shapes that were not told apart, since there were too many. ``fresh`` are
    the reads that say whether the sides agree and repeat none of shortly before, and ``fresh_mismatches``
    those of them that mismatch: only these are counted where a rate is estimated, since a client that asks
    one thing a million times is not a million observations.
    """

    shape: str | None
    role: str = ""
    answer_class: str = ""
    verdicts: Mapping[Verdict, int] = field(default_factory=lambda: MappingProxyType({}))
    fresh: int = 0
    fresh_mismatches: int = 0

    def count(self, verdicts: Iterable[Verdict]) -> int:
        """How many reads had one of ``verdicts``."""
        return sum(self.verdicts.get(verdict, 0) for verdict in verdicts)


@dataclass(frozen=True, slots=True)
class VoidEvidence:
    """Evidence that counts no more: how many reads, and which conditions have changed since."""

    reads: int
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TableEvidence:
    """All that is known of one table's reads under the conditions in force. Times are seconds since 1970.

    ``must_see`` are the shapes that have to have been compared.
    """

    table: str
    shapes: tuple[ShapeEvidence, ...] = ()
    times: PairedTimes = field(default_factory=PairedTimes)
    open_signatures: int = 0
    first_seen: float | None = None
    last_seen: float | None = None
    void: VoidEvidence | None = None
    must_see: tuple[str, ...] = ()

    @property
    def fresh(self) -> int:
        """How many reads count where a rate is estimated."""
        return sum(shape.fresh for shape in self.shapes)

    @property
    def fresh_mismatches(self) -> int:
        """How many of these mismatch."""
        return sum(shape.fresh_mismatches for shape in self.shapes)

    def count(self, verdicts: Iterable[Verdict]) -> int:
        """How many reads had one of ``verdicts``."""
        wanted = tuple(verdicts)
        return sum(shape.count(wanted) for shape in self.shapes)


@dataclass(frozen=True, slots=True)
class Gap:
    """One thing that keeps a table from being ready. ``against``: it was found, not only not yet shown."""

    reason: GapReason
    words: str
    against: bool = False


@dataclass(frozen=True, slots=True)
class Readiness:
    """The judgement on one table: the verdict, the figures it comes from, and what is missing.

    Of the reads that ``agreed`` and the ``mismatches``, ``fresh`` count for the bounds.
    """

    table: str
    verdict: ReadinessVerdict
    missing: tuple[Gap, ...]
    agreed: int
    mismatches: int
    fresh: int
    mismatch_bound: float
    reads_needed: int
    undecided: Mapping[Verdict, int]
    unsupported: int
    failed: int
    shapes: int
    unseen: UnseenShare
    must_see: int
    never_seen: tuple[str, ...]
    latency: LatencyRatio | None
    cost_ratio: float | None
    open_signatures: int
    first_seen: float | None
    last_seen: float | None
    void: VoidEvidence | None


def judge_readiness(evidence: TableEvidence, limits: ReadinessConfig, now: float) -> Readiness:
    """Judge one table at the time ``now``."""
    agreed, mismatches = evidence.count(AGREED), evidence.count(("mismatch",))
    fresh, wrong = evidence.fresh, evidence.fresh_mismatches
    needed = max(0, find_reads_needed(limits.max_mismatch_rate, wrong, limits.confidence) - fresh)
    compared = [shape for shape in evidence.shapes if shape.count((*AGREED, "mismatch"))]
    known = [shape.fresh for shape in compared if shape.shape is not None]
    unseen = find_unseen_share(known, fresh - sum(known), limits.confidence)
    seen = {shape.shape for shape in compared if shape.shape is not None}
    never = find_never_seen(evidence.must_see, seen)
    latency = find_latency_ratio(evidence.times, limits.confidence)
    missing = (
        *_find_found(evidence, limits),
        *_find_unshown(evidence, limits, needed, unseen, never),
        *_find_latency_gap(evidence.times, latency, limits),
        *_find_age_gaps(evidence, limits, now),
    )
    verdict: ReadinessVerdict = "ready"
    if missing:
        verdict = "not ready" if any(gap.against for gap in missing) else "insufficient evidence"
    return Readiness(
        evidence.table,
        verdict,
        missing,
        agreed,
        mismatches,
        fresh,
        find_rate_bound(fresh, wrong, limits.confidence),
        needed,
        {verdict: evidence.count((verdict,)) for verdict in UNDECIDED},
        evidence.count(("unsupported",)),
        evidence.count(("failed",)),
        len(known),
        unseen,
        len(evidence.must_see),
        never,
        latency,
        evidence.times.cost_ratio,
        evidence.open_signatures,
        evidence.first_seen,
        evidence.last_seen,
        evidence.void,
    )


def _find_found(evidence: TableEvidence, limits: ReadinessConfig) -> Iterable[Gap]:
    """What speaks against the table."""
    fresh, wrong = evidence.fresh, evidence.fresh_mismatches
    if evidence.open_signatures:
        kinds = count_of(evidence.open_signatures, "open mismatch signature")
        yield Gap("signatures", kinds, against=True)
    if fresh and wrong / fresh > limits.max_mismatch_rate:
        rate, limit = fraction(wrong / fresh), fraction(limits.max_mismatch_rate)
        words = f"{count_of(wrong, 'mismatch', 'mismatches')} in {fresh:,} reads: {rate} is over {limit}"
        yield Gap("rate", words, against=True)
    undecided, unanswered = evidence.count(UNDECIDED), evidence.count(UNANSWERED)
    reads = evidence.count((*AGREED, "mismatch")) + undecided + unanswered
    if reads and unanswered / reads > limits.max_unanswered:
        parts = _name_counts(evidence, UNANSWERED)
        words = f"{fraction(unanswered / reads)} of reads unanswered by the engine ({parts})"
        yield Gap("unanswered", f"{words}, over the limit {fraction(limits.max_unanswered)}", against=True)


def _find_unshown(
    evidence: TableEvidence,
    limits: ReadinessConfig,
    needed: int,
    unseen: UnseenShare,
    never: tuple[str, ...],
) -> Iterable[Gap]:
    """What is not known yet."""
    if needed:
        yield Gap("reads", f"another {roughly(needed)} matched reads" + _tell_void(evidence.void))
    undecided, unanswered = evidence.count(UNDECIDED), evidence.count(UNANSWERED)
    reads = evidence.count((*AGREED, "mismatch")) + undecided + unanswered
    if reads and undecided / reads > limits.max_undecided:
        words = f"{fraction(undecided / reads)} of reads undecided ({_name_counts(evidence, UNDECIDED)})"
        yield Gap("undecided", f"{words}, over the limit {fraction(limits.max_undecided)}")
    if unseen.bound > limits.max_unseen_shapes:
        limit = fraction(limits.max_unseen_shapes)
        words = f"the next read may be of an unseen shape with a chance of {fraction(unseen.bound)}"
        yield Gap("unseen_shapes", f"{words}, over the limit {limit}")
    for shape in never[:SHAPES_NAMED]:
        yield Gap("must_see", f"shape {shape} never seen")
    if len(never) > SHAPES_NAMED:
        rest = count_of(len(never) - SHAPES_NAMED, "further must-see shape")
        yield Gap("must_see", f"{rest} never seen")


def _find_latency_gap(
    times: PairedTimes, latency: LatencyRatio | None, limits: ReadinessConfig
) -> Iterable[Gap]:
    limit = f"{limits.max_latency_ratio:g}"
    if latency is None:
        missing = LEAST_PAIRS - times.pairs
        yield Gap(
            "latency", f"another {count_of(missing, 'read')} that both sides answered, for their latency"
        )
    elif latency.low > limits.max_latency_ratio:
        words = f"paired latency ratio {latency.mean:.2f} over the limit {limit}"
        yield Gap("latency", words, against=True)
    elif latency.high > limits.max_latency_ratio:
        words = f"paired latency ratio {latency.mean:.2f}, perhaps up to {latency.high:.2f}"
        yield Gap("latency", f"{words}: not shown to be within the limit {limit}")


def _find_age_gaps(evidence: TableEvidence, limits: ReadinessConfig, now: float) -> Iterable[Gap]:
    if evidence.first_seen is None or evidence.last_seen is None:
        return
    reach = evidence.last_seen - evidence.first_seen
    if reach < limits.min_period:
        words = f"evidence of {period(reach)} only; {period(limits.min_period)} are wanted"
        yield Gap("age", words)
    age = now - evidence.last_seen
    if age > limits.max_age:
        yield Gap(
            "age", f"the newest compared read is {period(age)} old; {period(limits.max_age)} is the limit"
        )


def _tell_void(void: VoidEvidence | None) -> str:
    if void is None or not void.reads:
        return ""
    changed = " and ".join(void.changed) or "conditions"
    verb = "have" if len(void.changed) > 1 else "has"
    return f" ({count_of(void.reads, 'read')} count no more, since the {changed} {verb} changed)"


def _name_counts(evidence: TableEvidence, verdicts: Iterable[Verdict]) -> str:
    counts = {verdict: evidence.count((verdict,)) for verdict in verdicts}
    return ", ".join(f"{number:,} {verdict}" for verdict, number in counts.items() if number)

"""What is counted of one shape, and the conditions on which its evidence depends.

Evidence is void as soon as a condition changes. So it is kept under an *epoch*, a digest of the conditions:
evidence of another epoch is simply other evidence. Replicas agree on epochs without talking to each other,
two versions may run side by side, and whoever goes back to a former schema has its evidence back.
"""

import hashlib
import math
from collections import Counter
from dataclasses import dataclass, field

from proxy.events import Verdict
from proxy.shadow.latency import PairedTimes

BOTH_ANSWERED: frozenset[Verdict] = frozenset(
    {"match", "equivalent", "indeterminate", "mismatch", "race", "inconclusive", "volatile"}
)
"""Verdicts that come with two answers and so with a pair of times."""

CONCLUSIVE: frozenset[Verdict] = frozenset({"match", "equivalent", "mismatch"})
"""Verdicts that say whether the sides agree; the others are no evidence either way."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """On what the evidence of one table depends; each a text that changes when the thing does."""

    schema: str = ""
    engine: str = ""
    upstream: str = ""
    rules: str = ""

    epoch: str = field(init=False)
    """The digest of all of them."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "epoch", digest(self.schema, self.engine, self.upstream, self.rules))


@dataclass(frozen=True, slots=True)
class EvidenceKey:
    """What is counted together: requests of one shape, role and class of answer, in one epoch."""

    table: str
    epoch: str
    shape: str
    role: str
    answer_class: str


@dataclass(slots=True)
class Evidence:
    """The counts of one key. Times are seconds since 1970; ``detail`` is the newest that was told.

    ``fresh`` are the reads with a conclusive verdict of which the like was not judged shortly before, and
    ``fresh_mismatches`` those of them that are mismatches. The sums are over ``pairs`` reads that both sides
    answered, of the natural logarithm of engine's by upstream's time, and of its square.
    """

    verdicts: Counter[str] = field(default_factory=Counter)
    fresh: int = 0
    fresh_mismatches: int = 0
    pairs: int = 0
    log_ratios: float = 0.0
    log_ratio_squares: float = 0.0
    upstream_seconds: float = 0.0
    engine_seconds: float = 0.0
    first_seen: float = math.inf
    last_seen: float = 0.0
    detail: str = ""

    @property
    def times(self) -> PairedTimes:
        """The sums over pairs."""
        return PairedTimes(
            self.pairs, self.log_ratios, self.log_ratio_squares, self.upstream_seconds, self.engine_seconds
        )

    @property
    def reads(self) -> int:
        """How many reads were judged."""
        return self.verdicts.total()

    def add(
        self,
        verdict: Verdict,
        upstream_seconds: float,
        engine_seconds: float,
        detail: str,
        now: float,
        *,
        fresh: bool,
    ) -> None:
        """Count one verdict, given at ``now``."""
        self.verdicts[verdict] += 1
        if fresh:
            self.fresh += 1
            self.fresh_mismatches += verdict == "mismatch"
        self.first_seen, self.last_seen = min(self.first_seen, now), max(self.last_seen, now)
        self.detail = detail or self.detail
        if verdict in BOTH_ANSWERED and upstream_seconds > 0 and engine_seconds > 0:
            ratio = math.log(engine_seconds / upstream_seconds)
            self.pairs += 1
            self.log_ratios += ratio
            self.log_ratio_squares += ratio * ratio
            self.upstream_seconds += upstream_seconds
            self.engine_seconds += engine_seconds

    def merge(self, other: "Evidence") -> None:
        """Count what ``other`` has counted as well."""
        self.verdicts.update(other.verdicts)
        self.fresh += other.fresh
        self.fresh_mismatches += other.fresh_mismatches
        self.pairs += other.pairs
        self.log_ratios += other.log_ratios
        self.log_ratio_squares += other.log_ratio_squares
        self.upstream_seconds += other.upstream_seconds
        self.engine_seconds += other.engine_seconds
        self.detail = other.detail if other.last_seen >= self.last_seen else self.detail
        self.first_seen = min(self.first_seen, other.first_seen)
        self.last_seen = max(self.last_seen, other.last_seen)


def classify_answer(status: int) -> str:
    """The class of an answer: ``2xx`` and so on; empty if there was none."""
    return f"{status // 100}xx" if status else ""


def digest(*texts: str) -> str:
    """Sixteen hexadecimal digits that stand for ``texts``."""
    content = "\0".join(texts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(content).hexdigest()[:16]

"""What happened since the last flush, counted and in bounds, so that a ledger that is gone costs nothing.

Counting the same thing again takes no more room. Nothing here has been redacted: it is memory, as the
mirror's own.
"""

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from proxy.events import Judged, LedgerKind, MismatchShrunk, ModeChanged
from proxy.shadow.evidence import Conditions, Evidence, EvidenceKey, classify_answer

MAX_KEYS: Final = 20_000
MAX_BYTES: Final = 16 * 1024 * 1024
MAX_MODES: Final = 1_000
MAX_TEXT: Final = 400

EXAMPLES_KEPT: Final = 3
"""How many examples of one signature are kept."""

Traffic: TypeAlias = tuple[str, str, str]
"""Table, kind and reason."""


@dataclass(slots=True)
class Occurrences:
    """The mismatches of one table and signature: how many, and the first few whole."""

    epoch: str
    aspects: frozenset[str]
    first_seen: float
    last_seen: float
    count: int = 0
    examples: list[tuple[float, Judged]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Change:
    """A mode change, and when."""

    at: float
    event: ModeChanged


@dataclass(slots=True)
class Batch:
    """Counts by what they are of. ``shed`` is what did not fit since it was last asked."""

    max_keys: int = MAX_KEYS
    max_bytes: int = MAX_BYTES
    evidence: dict[EvidenceKey, Evidence] = field(default_factory=dict)
    epochs: dict[tuple[str, str], tuple[Conditions, float]] = field(default_factory=dict)
    traffic: Counter[Traffic] = field(default_factory=Counter)
    mismatches: dict[tuple[str, str], Occurrences] = field(default_factory=dict)
    smallest: dict[tuple[str, str], MismatchShrunk] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    _seen: dict[Hashable, Evidence] = field(default_factory=dict)
    bytes: int = 0
    shed: Counter[LedgerKind] = field(default_factory=Counter)

    @property
    def entries(self) -> int:
        """How many things are counted."""
        counted = len(self.evidence) + len(self.traffic) + len(self.mismatches)
        return counted + len(self.smallest) + len(self.changes)

    def add_verdict(self, event: Judged, conditions: Conditions, now: float, *, fresh: bool) -> None:
        """Count a verdict that was given at ``now`` under ``conditions``; ``fresh`` as in ``Evidence``."""
        seen = (event.table, conditions.epoch, event.shape, event.role, event.status)
        evidence = self._seen.get(seen)
        if evidence is None:
            evidence = self._find_evidence(event, conditions, now)
            if evidence is None:
                self.shed["evidence"] += 1
                return
            self._seen[seen] = evidence
        times = event.upstream_seconds, event.engine_seconds
        evidence.add(event.verdict, *times, event.detail, now, fresh=fresh)
        if event.verdict == "mismatch":
            self._add_mismatch(event, conditions.epoch, now)

    def _find_evidence(self, event: Judged, conditions: Conditions, now: float) -> Evidence | None:
        """What ``event`` counts to, new if need be; None if there is no room."""
        key = EvidenceKey(
            event.table,
            conditions.epoch,
            clean(event.shape),
            clean(event.role),
            classify_answer(event.status),
        )
        evidence = self.evidence.get(key)
        if evidence is None and len(self._seen) < self.max_keys and self.entries < self.max_keys:
            evidence = self.evidence[key] = Evidence()
            self.epochs.setdefault((event.table, conditions.epoch), (conditions, now))
        return evidence

    def add_traffic(self, table: str, kind: str, reason: str) -> None:
        """Count a request that was served, or a read that was not compared."""
        key = (table, kind, reason)
        if key not in self.traffic and self.entries >= self.max_keys:
            self.shed["traffic"] += 1
        else:
            self.traffic[key] += 1

    def add_smallest(self, event: MismatchShrunk) -> None:
        """Remember the smallest request of a signature."""
        if self.entries < self.max_keys:
            self.smallest[event.table, clean(event.signature)] = event

    def add_change(self, event: ModeChanged, now: float) -> None:
        """Remember a mode change."""
        if len(self.changes) < MAX_MODES:
            self.changes.append(Change(now, event))
        else:
            self.shed["mode"] += 1

    def _add_mismatch(self, event: Judged, epoch: str, now: float) -> None:
        key = (event.table, clean(event.signature))
        aspects = frozenset(difference.aspect for difference in event.differences)
        found = self.mismatches.get(key)
        if found is None:
            if self.entries >= self.max_keys:
                self.shed["mismatch"] += 1
                return
            found = self.mismatches[key] = Occurrences(epoch, aspects, now, now)
        found.count += 1
        found.last_seen, found.epoch = now, epoch
        found.aspects |= aspects
        size = _measure(event)
        if len(found.examples) >= EXAMPLES_KEPT or size == 0:
            return
        if self.bytes + size > self.max_bytes:
            self.shed["example"] += 1
            return
        self.bytes += size
        found.examples.append((now, event))


def clean(text: str) -> str:
    """``text`` shortened, and such that every database takes it."""
    return text[:MAX_TEXT].encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def _measure(event: Judged) -> int:
    """What keeping the messages of ``event`` costs in memory; 0 if it has none."""
    request, upstream, engine = event.request, event.upstream, event.engine
    if request is None or upstream is None or engine is None:
        return 0
    bodies = len(request.target) + len(request.body) + len(upstream.body) + len(engine.body)
    headers = len(request.headers) + len(upstream.headers) + len(engine.headers)
    return 2048 + 160 * headers + bodies


Shed: TypeAlias = Mapping[LedgerKind, int]

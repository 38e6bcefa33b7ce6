"""Plain counts per table, so that anyone can check that every read is accounted for (promise 3)."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, TypeAlias, get_args

from proxy.events import (
    FallbackReason,
    FellBack,
    Judged,
    Listener,
    OutcomeLost,
    RehearsalVerdict,
    Rehearsed,
    Served,
    Shed,
    ShedReason,
    Skipped,
    SkipReason,
    Unrehearsed,
    UnrehearsedReason,
    Verdict,
)

WRITE_REASON: SkipReason = "method"
"""The reason that is given for what is no read, and that therefore stands on the writes' side."""

Counts: TypeAlias = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class TableTally:
    """What became of one table's requests: ``reads = verdicts + skipped + shed + pending``.

    ``skipped`` counts reads only. ``pending`` are reads that are queued or in work; it is below zero for the
    moment in which a verdict is known and the client's answer is not yet counted. Of the ``writes``,
    ``to_rehearse`` were in the mode ``rehearse``, and are ``rehearsals + unrehearsed`` once all are known.
    ``unknown_outcomes`` are writes of which nobody knows whether they were done.
    """

    table: str
    reads: int
    writes: int
    verdicts: Counts
    skipped: Counts
    shed: Counts
    fallbacks: Counts
    engine_served: int
    to_rehearse: int
    rehearsals: Counts
    unrehearsed: Counts
    unknown_outcomes: int

    @property
    def settled(self) -> int:
        """The reads of which the end is known."""
        return sum(self.verdicts.values()) + sum(self.skipped.values()) + sum(self.shed.values())

    @property
    def pending(self) -> int:
        """The reads of which the end is not known yet."""
        return self.reads - self.settled


@dataclass(slots=True)
class _Counts:
    reads: int = 0
    writes: int = 0
    engine_served: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    shed: Counter[str] = field(default_factory=Counter)
    fallbacks: Counter[str] = field(default_factory=Counter)
    to_rehearse: int = 0
    rehearsals: Counter[str] = field(default_factory=Counter)
    unrehearsed: Counter[str] = field(default_factory=Counter)
    unknown_outcomes: int = 0


class Tally(Listener):
    """A listener that counts. Its tables are those of the events, which are names of the schema cache."""

    def __init__(self) -> None:
        super().__init__(
            {
                Served: self._count_served,
                Judged: self._by("verdicts", "verdict"),
                Skipped: self._by("skipped", "reason"),
                Shed: self._by("shed", "reason"),
                Rehearsed: self._by("rehearsals", "verdict"),
                Unrehearsed: self._by("unrehearsed", "reason"),
                OutcomeLost: self._count_lost,
                FellBack: self._by("fallbacks", "reason"),
            }
        )
        self._tables: defaultdict[str, _Counts] = defaultdict(_Counts)

    def _count_served(self, served: Served) -> None:
        counts = self._tables[served.table]
        if served.read:
            counts.reads += 1
            counts.engine_served += served.answered_by == "engine"
        else:
            counts.writes += 1
            counts.to_rehearse += served.mode == "rehearse"

    def _count_lost(self, lost: OutcomeLost) -> None:
        self._tables[lost.table].unknown_outcomes += 1

    def _by(self, counts: str, what: str) -> Callable[[Any], None]:
        """Counts an event in the table's ``counts``, by ``what`` it says."""
        find_counts: Callable[[_Counts], Counter[str]] = attrgetter(counts)
        read: Callable[[Any], str] = attrgetter(what)

        def count(event: Any) -> None:
            find_counts(self._tables[event.table])[read(event)] += 1

        return count

    def report(self) -> tuple[TableTally, ...]:
        """The counts of every table that was asked for, by name; every verdict and reason is in them."""
        return tuple(
            TableTally(
                table,
                counts.reads,
                counts.writes,
                _complete(counts.verdicts, get_args(Verdict)),
                _complete(counts.skipped, [name for name in get_args(SkipReason) if name != WRITE_REASON]),
                _complete(counts.shed, get_args(ShedReason)),
                _complete(counts.fallbacks, get_args(FallbackReason)),
                counts.engine_served,
                counts.to_rehearse,
                _complete(counts.rehearsals, get_args(RehearsalVerdict)),
                _complete(counts.unrehearsed, get_args(UnrehearsedReason)),
                counts.unknown_outcomes,
            )
            for table, counts in sorted(self._tables.items())
        )


def _complete(counts: Counter[str], names: "list[str] | tuple[str, ...]") -> Counts:
    return {name: counts[name] for name in names}

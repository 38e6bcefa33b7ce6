"""What happened lately, per table and in slots of time: what small pictures are drawn from.

It is this process's own, in bounds, and gone with it; what lasts is in the ledger and in Prometheus.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from proxy.events import Judged, Listener, Served, SideAnswered
from proxy.shadow.readiness import AGREED, UNANSWERED

SECONDS = 30.0
"""How long a slot is."""

SLOTS = 60
"""How many slots are remembered."""

TABLES = 250
"""How many tables; what is asked for beyond these has no pictures."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One slot of one table.

    Reads by who answered them, verdicts by what they come to, and for each side the typical seconds of an
    answer (the geometric mean); None where it gave none.
    """

    upstream: int = 0
    engine: int = 0
    agreed: int = 0
    mismatches: int = 0
    undecided: int = 0
    unanswered: int = 0
    upstream_seconds: float | None = None
    engine_seconds: float | None = None


EMPTY = Moment()


@dataclass(slots=True)
class _Slot:
    number: int
    upstream: int = 0
    engine: int = 0
    agreed: int = 0
    mismatches: int = 0
    undecided: int = 0
    unanswered: int = 0
    upstream_times: int = 0
    upstream_logs: float = 0.0
    engine_times: int = 0
    engine_logs: float = 0.0

    def freeze(self) -> Moment:
        return Moment(
            *(self.upstream, self.engine),
            *(self.agreed, self.mismatches, self.undecided, self.unanswered),
            _find_mean(self.upstream_times, self.upstream_logs),
            _find_mean(self.engine_times, self.engine_logs),
        )


class History(Listener):
    """A listener that counts. ``clock`` gives seconds that only grow."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__({Served: self._count, SideAnswered: self._time, Judged: self._judge})
        self._clock = clock
        self._tables: dict[str, deque[_Slot]] = {}

    def _count(self, served: Served) -> None:
        slot = self._find(served.table) if served.read else None
        if slot is not None:
            slot.engine += served.answered_by == "engine"
            slot.upstream += served.answered_by != "engine"

    def _time(self, answered: SideAnswered) -> None:
        slot = self._find(answered.table)
        if slot is None or answered.seconds <= 0:
            return
        if answered.side == "engine":
            slot.engine_times += 1
            slot.engine_logs += math.log(answered.seconds)
        else:
            slot.upstream_times += 1
            slot.upstream_logs += math.log(answered.seconds)

    def _judge(self, judged: Judged) -> None:
        slot = self._find(judged.table)
        if slot is not None:
            slot.agreed += judged.verdict in AGREED
            slot.mismatches += judged.verdict == "mismatch"
            slot.unanswered += judged.verdict in UNANSWERED
            slot.undecided += judged.verdict not in (*AGREED, *UNANSWERED, "mismatch")

    def report(self, table: str) -> tuple[Moment, ...]:
        """The last ``SLOTS`` moments of ``table``, the oldest first; the last one is still going on."""
        now = self._number()
        moments = [EMPTY] * SLOTS
        for slot in self._tables.get(table, ()):
            age = now - slot.number
            if 0 <= age < SLOTS:
                moments[SLOTS - 1 - age] = slot.freeze()
        return tuple(moments)

    def _find(self, table: str) -> _Slot | None:
        """The slot that is going on; None if there is no room for the table."""
        slots = self._tables.get(table)
        if slots is None:
            if len(self._tables) >= TABLES:
                return None
            slots = self._tables[table] = deque(maxlen=SLOTS)
        number = self._number()
        if not slots or slots[-1].number != number:
            slots.append(_Slot(number))
        return slots[-1]

    def _number(self) -> int:
        return int(self._clock() // SECONDS)


def _find_mean(count: int, logs: float) -> float | None:
    return math.exp(logs / count) if count else None

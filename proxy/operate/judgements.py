"""The newest judgement on each table's readiness, and how its bound has come down."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from proxy.shadow.readiness import Readiness

KEPT = 240
"""How many bounds of a table are remembered: at a judgement a minute, those of four hours."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A judgement, when it was made (in seconds since 1970), and the bounds up to it, the oldest first."""

    readiness: Readiness
    at: float
    bounds: tuple[float, ...]


@dataclass(slots=True)
class _Judged:
    readiness: Readiness
    at: float
    bounds: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))


class Judgements:
    """Keeps what it is told. ``wall_clock`` gives seconds since 1970."""

    def __init__(self, wall_clock: Callable[[], float]) -> None:
        self._wall_clock = wall_clock
        self._tables: dict[str, _Judged] = {}

    def note(self, readiness: Readiness) -> None:
        """Keep a judgement that was made just now."""
        known = self._tables.get(readiness.table)
        if known is None:
            known = self._tables[readiness.table] = _Judged(readiness, 0.0)
        known.readiness, known.at = readiness, self._wall_clock()
        known.bounds.append(readiness.mismatch_bound)

    def report(self) -> Mapping[str, Judgement]:
        """The newest judgement on each table."""
        return {
            table: Judgement(one.readiness, one.at, tuple(one.bounds)) for table, one in self._tables.items()
        }

"""What watches a table whose reads the engine answers, and when that has to end.

The guard only ever finds reasons to hold a table back. It knows nothing of ramps, of people who are being
waited for, or of whether there is an upstream to go back to: it looks at each sign as it comes, in every
state, and whoever asks it decides what follows.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from proxy.config import Config, GuardConfig
from proxy.events import FellBack, Judged, OutcomeLost, Served, Side, TripReason
from proxy.shadow.words import count_of, fraction, period

Telling: TypeAlias = Served | FellBack | OutcomeLost | Judged
"""The events that may say something of the engine where it answers clients."""

Sign: TypeAlias = Literal["answered", "slow", "failed", "mismatch"]
"""How the engine did once: it answered, in time or slowly; it did not; or its answer is proven wrong."""

ON_STAGE = frozenset({"canary", "engine"})
"""The modes in which the engine answers clients."""

TROUBLES = frozenset({"failed", "timeout", "circuit"})
"""Why the upstream answered instead, where that was the engine's fault; what it does not do is none."""

FAILED_CODES: Mapping[Side, frozenset[int]] = {
    "engine": frozenset({503, 504}),
    "proxy": frozenset({500, 503, 504}),
    "upstream": frozenset(),
}
"""By which codes a client is told that the engine, or the proxy around it, failed; 500 may be SQL's own."""

_SLOTS = 60
"""Into how many parts the window is divided; it slides by one of them at a time."""


@dataclass(frozen=True, slots=True)
class Trip:
    """A table is beyond a limit: which one, and in words."""

    table: str
    reason: TripReason
    words: str


@dataclass(frozen=True, slots=True)
class Hold:
    """A table is kept in ``shadow``, ``since`` a time in seconds since 1970, until a person re-arms it."""

    table: str
    since: float
    reason: TripReason
    words: str


def is_on_stage(config: Config) -> bool:
    """Whether there is anything that the engine is to answer clients."""
    rules = (config.defaults, *config.tables.values(), *config.functions.values())
    return any(rule.reads in ON_STAGE or rule.writes == "engine" for rule in rules)


def read_sign(event: Telling, limits: GuardConfig, *, alone: bool = False) -> tuple[str, Sign] | None:
    """What ``event`` says of the engine where it answers clients: which table, and how it did.

    A read that fails is answered by the upstream, a write is not; ``alone``, without an upstream, a read is
    not either: what the client is told is then all there is to see.
    """
    match event:
        case Served(answered_by="engine" | "proxy") if event.mode in ON_STAGE:
            if (alone or not event.read) and event.code in FAILED_CODES[event.answered_by]:
                return event.table, "failed"
            if event.answered_by == "proxy":
                return None
            slow = event.read and event.seconds > limits.slow
            return event.table, "slow" if slow else "answered"
        case FellBack() if event.reason in TROUBLES:
            return event.table, "failed"
        case OutcomeLost(side="engine"):
            return event.table, "failed"
        case Judged(verdict="mismatch") if event.mode in ON_STAGE:
            return event.table, "mismatch"
        case _:
            return None


@dataclass(slots=True)
class Window:
    """Counts of signs within the last seconds, in slots of time, of which the oldest are forgotten."""

    slots: deque[tuple[float, dict[Sign, int]]] = field(default_factory=deque)
    counts: dict[Sign, int] = field(
        default_factory=lambda: {"answered": 0, "slow": 0, "failed": 0, "mismatch": 0}
    )

    def add(self, sign: Sign, now: float, window: float) -> None:
        """Count ``sign``, and forget what is older than ``window`` seconds."""
        while self.slots and self.slots[0][0] <= now - window:
            for old, number in self.slots.popleft()[1].items():
                self.counts[old] -= number
        if not self.slots or now >= self.slots[-1][0] + window / _SLOTS:
            self.slots.append((now, {}))
        slot = self.slots[-1][1]
        slot[sign] = slot.get(sign, 0) + 1
        self.counts[sign] += 1


class Guard:
    """The windows of all tables. Times are seconds that only grow."""

    def __init__(self) -> None:
        self._windows: dict[str, Window] = {}

    def note(self, table: str, sign: Sign, now: float, limits: GuardConfig) -> Trip | None:
        """Take note of ``sign``; says when it takes the table beyond a limit, and then begins anew."""
        window = self._windows.setdefault(table, Window())
        window.add(sign, now, limits.window)
        trip = _find_trip(table, window.counts, limits)
        if trip is not None:
            self.forget(table)
        return trip

    def forget(self, table: str) -> None:
        """Begin anew with ``table``."""
        self._windows.pop(table, None)


def _find_trip(table: str, counts: dict[Sign, int], limits: GuardConfig) -> Trip | None:
    asked = counts["answered"] + counts["slow"] + counts["failed"]
    failed, slow, mismatches = counts["failed"], counts["slow"], counts["mismatch"]
    within = f"within {period(limits.window)}"
    if mismatches > limits.max_mismatches:
        words = count_of(mismatches, "proven mismatch", "proven mismatches")
        return Trip(table, "mismatches", f"{words} {within}")
    of = f"of {count_of(asked, 'request')} {within}, over the limit"
    if failed >= limits.min_errors and failed > limits.max_error_rate * asked:
        words = f"{count_of(failed, 'engine error')} {of} {fraction(limits.max_error_rate)}"
        return Trip(table, "errors", words)
    if slow >= limits.min_errors and slow > limits.max_slow_rate * asked:
        words = f"{count_of(slow, 'answer')} slower than {limits.slow:g} s {of}"
        return Trip(table, "latency", f"{words} {fraction(limits.max_slow_rate)}")
    return None

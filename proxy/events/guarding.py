"""Of the guard, and of people who overrule it."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

TripReason: TypeAlias = Literal["mismatches", "errors", "latency"]


@dataclass(frozen=True, slots=True)
class Held:
    """The guard, here or on another replica, has put a table back to ``shadow``; ``words`` say why."""

    table: str
    reason: TripReason
    words: str


@dataclass(frozen=True, slots=True)
class Rearmed:
    """A person has taken the hold from a table; it does what the file says again."""

    table: str
    who: str
    why: str


@dataclass(frozen=True, slots=True)
class GuardAlarmed:
    """A table is beyond a limit, and there is no upstream to go back to, or none that can be reached."""

    table: str
    reason: TripReason
    words: str

"""The matrix as data: every thing that can be broken, in every way, in every mode.

What makes no sense is there too, with the reason why.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

Broken: TypeAlias = Literal["upstream", "database", "ledger", "file", "disk", "clock", "client"]
How: TypeAlias = Literal[
    "slow", "hung", "refusing", "reset", "garbage", "huge", "flapping", "full", "gone and back"
]
Mode: TypeAlias = Literal["upstream", "shadow", "canary", "engine", "rehearse"]

BROKEN: tuple[Broken, ...] = get_args(Broken)
HOWS: tuple[How, ...] = get_args(How)
MODES: tuple[Mode, ...] = get_args(Mode)

Outcome: TypeAlias = Literal["right", "theirs", "500", "502", "503", "504", "cut", "late"]
"""What a client can see: the right answer; whatever a broken upstream said, byte for byte; an error in
PostgREST's shape; a connection that breaks off, so that nothing is taken for complete; nothing in time."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a client ``may`` see, and what at least one of them ``must``."""

    may: frozenset[Outcome]
    must: frozenset[Outcome] = frozenset()


@dataclass(frozen=True, slots=True)
class Cell:
    """One thing, broken in one way, in one mode.

    ``counted`` are counters of the mode's table, or of the proxy, that have to be above zero then; of those
    joined by ``|`` one has to be. ``nonsense`` says why there is no such cell.
    """

    broken: Broken
    how: How
    mode: Mode
    reads: Seen
    writes: Seen
    counted: tuple[str, ...] = ()
    nonsense: str = ""


def only(*outcomes: Outcome) -> Seen:
    """Each of these, and each at least once."""
    return Seen(frozenset(outcomes), frozenset(outcomes))


def may(*outcomes: Outcome, must: tuple[Outcome, ...] = ()) -> Seen:
    """Any of these."""
    return Seen(frozenset(outcomes), frozenset(must))


RIGHT = only("right")

NONSENSE: dict[tuple[Broken, How], str] = {
    (
        "ledger",
        "huge",
    ): "the ledger is asked for sums, in bounds: it answers nothing that could be",
    ("file", "slow"): "it is read in a thread of its own: slow is hung for less long",
    ("disk", "slow"): "only the ledger's thread waits for it: slow is hung for less long",
    ("disk", "refusing"): "the system tells SQLite an error, as it does when it is full",
    ("disk", "reset"): "a disk has no connection; a write that is cut short is the full disk",
    ("disk", "huge"): "what is read from it is what was written",
    ("clock", "refusing"): "asking the time cannot fail",
    ("clock", "reset"): "asking the time cannot break off",
    ("clock", "full"): "a clock holds nothing",
    ("client", "refusing"): "who refuses to connect is no client",
    ("client", "full"): "a client with no room does not read on: that is the hung one",
}
"""Why there is no such cell, in any mode."""

UPSTREAM: dict[How, tuple[Seen, Seen]] = {
    "slow": (RIGHT, RIGHT),
    "hung": (only("504"), only("504")),
    "refusing": (only("503"), only("503")),
    "reset": (may("cut", "502", "503", must=("cut",)), may("cut", "502", must=("cut",))),
    "garbage": (may("503", "502", must=("503",)), may("502", "503", must=("502",))),
    "huge": (only("theirs"), only("theirs")),
    "flapping": (
        may("right", "502", "503", "504", "cut", must=("503",)),
        may("right", "502", "503", "504", "cut"),
    ),
    "full": (may("503", "504", must=("503",)), may("503", "504", must=("503",))),
    "gone and back": (may("503", "cut", must=("503",)), may("503", "502", "cut", must=("503",))),
}
"""What clients see of a broken upstream, reading and writing, where it is the upstream that answers."""

ENGINE_WRITES = may("right", "500", "503", "504", "late")
"""A write that the engine has begun is not the upstream's to repeat: the client is told."""

_FAILED = "failed|deadline|breaker|queue|no_schema|inconclusive"
_GIVEN_UP = "fallbacks|held"
_UNREHEARSED = "rehearsal failed|rehearsal inconclusive|unrehearsed"

_COUNTED: dict[tuple[Broken, Mode], tuple[str, ...]] = {
    ("database", "shadow"): (_FAILED,),
    ("database", "canary"): (_GIVEN_UP,),
    ("database", "engine"): (_GIVEN_UP,),
    ("database", "rehearse"): (_UNREHEARSED,),
    ("upstream", "shadow"): ("upstream_error",),
    ("upstream", "rehearse"): ("upstream_error",),
}
_ONLY_LATE: frozenset[How] = frozenset({"slow"})
"""Ways in which everything still comes right."""


def make_cell(broken: Broken, how: How, mode: Mode) -> Cell:
    """The cell of the matrix."""
    if (reason := NONSENSE.get((broken, how))) is not None:
        return Cell(broken, how, mode, RIGHT, RIGHT, nonsense=reason)
    reads, writes = RIGHT, RIGHT
    counted = () if how in _ONLY_LATE else _COUNTED.get((broken, mode), ())
    match broken:
        case "upstream":
            reads, writes = _see_upstream(how, mode)
            if how == "huge":
                counted = ("too_large",) if mode in ("shadow", "rehearse") else ()
        case "database":
            writes = ENGINE_WRITES if mode == "engine" else RIGHT
        case "ledger" | "disk":
            counted = () if how in _ONLY_LATE else ("ledger down",)
        case "file":
            counted = ("file refused",)
        case "clock":
            counted = ()
        case "client":
            counted = RUDE[how]
    return Cell(broken, how, mode, reads, writes, counted)


def _see_upstream(how: How, mode: Mode) -> tuple[Seen, Seen]:
    reads, writes = UPSTREAM[how]
    if mode == "engine":
        return RIGHT, RIGHT
    if mode == "canary":
        return Seen(reads.may | {"right"}, frozenset({"right"})), writes
    return reads, writes


RUDE: dict[How, tuple[str, ...]] = {
    "slow": (),
    "hung": (),
    "reset": ("clients that left",),
    "garbage": ("refused requests",),
    "huge": ("refused requests",),
    "flapping": (),
    "gone and back": ("clients that left",),
}
"""What is counted of clients that are themselves broken."""

CELLS = tuple(make_cell(broken, how, mode) for broken in BROKEN for how in HOWS for mode in MODES)

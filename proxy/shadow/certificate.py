"""What can be said about a cutover when it is done: the evidence, its bounds, and what was left out of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from proxy.shadow.readiness import Readiness
from proxy.shadow.words import count_of

IDLE_NAMED = 5
"""How many tables that nobody asked for are named in an objection."""


@dataclass(frozen=True, slots=True)
class AliveRule:
    """A rule by which something is not compared: what it leaves out, why, until when, how often it did."""

    table: str
    leaves_out: str
    reason: str
    expires: str
    hits: int


@dataclass(frozen=True, slots=True)
class CertifiedTable:
    """One table: its modes, the judgement, and what of its requests was never compared.

    ``excluded`` are counts of reads by reason, over all that the ledger remembers. ``undefined_paging`` are
    shapes whose rows have no complete order and are cut by a limit, with how often they came: their callers
    rely on luck.
    """

    readiness: Readiness
    reads: str
    writes: str
    held: bool = False
    schema: str = ""
    excluded: Mapping[str, int] = field(default_factory=dict)
    undefined_paging: Mapping[str, int] = field(default_factory=dict)
    unsupported: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Certificate:
    """The whole: ``made_at`` in seconds since 1970, versions by name, tables, rules that are alive.

    ``idle`` are the modes of reads and of writes of the tables that nobody has asked for, ``gone`` the tables
    that have evidence and are not in the schema any more.
    """

    made_at: float
    versions: Mapping[str, str]
    tables: tuple[CertifiedTable, ...]
    rules: tuple[AliveRule, ...] = ()
    idle: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    gone: tuple[str, ...] = ()

    @property
    def objections(self) -> tuple[str, ...]:
        """Why the upstream cannot be switched off yet, in words; none if it can."""
        return (*_find_objections(self.tables), *_find_idle_objections(self.idle))


def _find_objections(tables: Iterable[CertifiedTable]) -> Iterable[str]:
    for table in tables:
        name = table.readiness.table
        if table.held:
            yield f"{name} is held"
        elif table.reads != "engine":
            yield f"reads of {name} are in {table.reads}"
        if table.writes != "engine":
            yield f"writes of {name} are in {table.writes}"
        if table.readiness.verdict != "ready":
            yield f"{name}: {table.readiness.verdict}"
        if table.unsupported:
            number = sum(table.unsupported.values())
            shapes = count_of(len(table.unsupported), "shape")
            yield f"{name}: the engine cannot answer {shapes} ({number:,} reads)"


def _find_idle_objections(idle: Mapping[str, tuple[str, str]]) -> Iterable[str]:
    """Nothing is known of what nobody asks for; but whoever does would ask the upstream."""
    left = [name for name, modes in idle.items() if modes != ("engine", "engine")]
    if left:
        more = f" and {len(left) - IDLE_NAMED:,} more" if len(left) > IDLE_NAMED else ""
        named = ", ".join(left[:IDLE_NAMED])
        yield f"{count_of(len(left), 'table')} that nobody asked for not on the engine: {named}{more}"

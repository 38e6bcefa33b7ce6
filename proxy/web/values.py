"""The console's pages as values: all that is on each of them, and nothing about how it looks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Literal, TypeAlias

from proxy.config import ReadinessConfig, Rule
from proxy.console.side_by_side import Line
from proxy.operate.health import LastReload, LastSchemaLoad
from proxy.operate.history import Moment
from proxy.operate.judgements import Judgement
from proxy.shadow.guard import Hold
from proxy.shadow.policy import TableModes
from proxy.shadow.wish import Outcome, Wish
from proxy.web.configuration import ShownSection

Document: TypeAlias = Mapping[str, Any]
"""JSON values, as ``proxy.ledger.report`` makes them for the terminal."""

NOTHING: Document = MappingProxyType({})

Standing: TypeAlias = Literal["held", "not ready", "insufficient evidence", "ready", "unknown"]
"""How a table stands: the verdict of its readiness, unless a hold is on it or there is no evidence at all."""


@dataclass(frozen=True, slots=True)
class TableLine:
    """One table at a glance."""

    table: str
    standing: Standing
    modes: TableModes
    hold: Hold | None
    judgement: Judgement | None
    moments: tuple[Moment, ...] = ()


@dataclass(frozen=True, slots=True)
class TablesPage:
    """All tables: those of which something is known, and the others by what their reads do."""

    title: ClassVar[str] = "Tables"
    template: ClassVar[str] = "tables.html"

    lines: tuple[TableLine, ...]
    idle: Mapping[str, tuple[str, ...]]
    limits: ReadinessConfig
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TablePage:
    """One table: what it does, whether it may be promoted, what was found and what was changed.

    ``traffic`` are its requests by what became of them, of all replicas since the ledger began.
    """

    template: ClassVar[str] = "table.html"

    line: TableLine
    rule: Rule
    limits: ReadinessConfig
    traffic: Document = field(default_factory=lambda: NOTHING)
    mismatches: tuple[Document, ...] = ()
    changes: tuple[Document, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return self.line.table


@dataclass(frozen=True, slots=True)
class ReadinessPage:
    """The judgements on all tables of which there is evidence, and the limits they were made by."""

    title: ClassVar[str] = "Readiness"
    template: ClassVar[str] = "readiness.html"

    tables: tuple[Judgement, ...]
    limits: ReadinessConfig
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MismatchesPage:
    """The kinds of mismatch, of all tables or of one."""

    title: ClassVar[str] = "Mismatches"
    template: ClassVar[str] = "mismatches.html"

    table: str
    mismatches: tuple[Document, ...]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShownExample:
    """One example of a mismatch, both answers beside each other.

    ``anchors`` gives for each of its differences the line that shows it, None if none does. ``pale`` are the
    lines of headers that differ and are not compared, as the date.
    """

    example: Document
    lines: tuple[Line, ...]
    anchors: tuple[int | None, ...]
    pale: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MismatchPage:
    """One kind of mismatch with its examples."""

    template: ClassVar[str] = "mismatch.html"

    mismatch: Document
    examples: tuple[ShownExample, ...]
    problems: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return f"Mismatch {self.mismatch['id']}"


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """The mode changes, the newest first."""

    title: ClassVar[str] = "History"
    template: ClassVar[str] = "history.html"

    changes: tuple[Document, ...]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ConfigurationPage:
    """The configuration in force, without secrets, and what became of the newest file and schema cache."""

    title: ClassVar[str] = "Configuration"
    template: ClassVar[str] = "configuration.html"

    sections: tuple[ShownSection, ...]
    last_reload: LastReload | None
    last_schema_load: LastSchemaLoad | None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OutcomePage:
    """What came of something an operator wished."""

    title: ClassVar[str] = "Outcome"
    template: ClassVar[str] = "outcome.html"

    wish: Wish
    outcome: Outcome
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """There is no page to show: why."""

    title: ClassVar[str] = "Not shown"
    template: ClassVar[str] = "error.html"

    status: int
    problems: tuple[str, ...] = ()


Page: TypeAlias = (
    TablesPage
    | TablePage
    | ReadinessPage
    | MismatchesPage
    | MismatchPage
    | HistoryPage
    | ConfigurationPage
    | OutcomePage
    | ErrorPage
)


@dataclass(frozen=True, slots=True)
class Frame:
    """What is around every page: who reads it, when, and what their forms and scripts have to carry.

    ``holds`` are counted for the navigation; ``now`` is in seconds since 1970.
    """

    now: float
    version: str
    path: str = ""
    operator: str = ""
    token: str = ""
    nonce: str = ""
    holds: int = 0

"""Whole plans as frozen values: a tree of rows to read, where they come from, and what is made of them."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from proxy.engine.parse.media import MediaType
from proxy.engine.parse.range import RowRange
from proxy.engine.parse.request import Action
from proxy.engine.plan.types import Page, ReadNode, Sort, Value, Where
from proxy.engine.schema import Function, Parameter, QualifiedName

ALL_COLUMNS = ("*",)
"""The columns taken of a function or given back by a change, where that is all of them."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One named argument of a call; ``type`` is what its text is cast to."""

    name: str
    type: str
    variadic: bool
    value: Value


@dataclass(frozen=True, slots=True)
class NamedArguments:
    """Arguments given one by one, as a query string or a form gives them."""

    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class RawArgument:
    """The whole payload as the single unnamed argument."""

    type: str
    value: Value


@dataclass(frozen=True, slots=True)
class JsonArguments:
    """Arguments that PostgreSQL takes out of a JSON object, or out of the first of an array."""

    body: Value
    single: bool
    parameters: tuple[Parameter, ...]


@dataclass(frozen=True, slots=True)
class CallNode:
    """A function call as the statement's source.

    ``columns`` are those taken, ``*`` for all of the function's. Where there are none it is all that stands
    in the FROM, the arguments that are taken out of a JSON object among them.
    """

    function: QualifiedName
    arguments: NamedArguments | RawArgument | JsonArguments
    scalar: bool
    single: bool
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GivenColumn:
    """A column that a payload gives values to; JSON is read as ``type``.

    ``parser`` is the function of a representation, ``default`` the expression for where a key is missing.
    """

    name: str
    type: str
    parser: str | None = None
    default: str | None = None


@dataclass(frozen=True, slots=True)
class GivenRows:
    """Rows that PostgreSQL takes out of a JSON array, or the one of an object.

    There is no ``body`` where nothing is taken out of it: one row of no columns. ``defaults``: what a row
    leaves out gets the column's default.
    """

    body: Value | None
    single: bool
    columns: tuple[GivenColumn, ...]
    defaults: bool = False


@dataclass(frozen=True, slots=True)
class Conflict:
    """What becomes of a row whose ``columns`` equal those of another: merged into it, or ignored."""

    columns: tuple[str, ...]
    merge: bool


@dataclass(frozen=True, slots=True)
class Portion:
    """The rows of a page of ``order`` only, told apart by the columns ``by`` (PostgREST 12)."""

    by: tuple[str, ...]
    order: tuple[Sort, ...]
    page: Page


@dataclass(frozen=True, slots=True)
class Insert:
    """Rows are added. ``matching`` are conditions that the given rows have to meet.

    ``counted``: which of them are new, not merged into others, has to be known. ``located``: so does the
    primary key of the one that is added. ``returning`` are the columns given back, ``*`` for all.
    """

    relation: QualifiedName
    rows: GivenRows
    conflict: Conflict | None = None
    matching: tuple[Where, ...] = ()
    returning: tuple[str, ...] = ()
    counted: bool = False
    located: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """The rows that meet ``where`` get the values of the given row; without one nothing is done."""

    relation: QualifiedName
    rows: GivenRows | None = None
    where: tuple[Where, ...] = ()
    returning: tuple[str, ...] = ()
    portion: Portion | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """The rows that meet ``where`` are removed."""

    relation: QualifiedName
    where: tuple[Where, ...] = ()
    returning: tuple[str, ...] = ()
    portion: Portion | None = None


Change: TypeAlias = Insert | Update | Delete


@dataclass(frozen=True, slots=True)
class JsonBody:
    """A JSON array of the rows, or the first row as an object.

    ``scalar``: the rows are single values, and shown bare.
    """

    single: bool = False
    stripped: bool = False
    scalar: bool = False


@dataclass(frozen=True, slots=True)
class CsvBody:
    """Comma-separated values with a header line."""


@dataclass(frozen=True, slots=True)
class GeoJsonBody:
    """A GeoJSON feature collection, by PostGIS."""


@dataclass(frozen=True, slots=True)
class CustomBody:
    """What a function of the database makes of the rows, cast to ``relation`` where it is given.

    ``scalar``: the rows are single values, and given bare. ``sender`` makes bytes of a value that is no
    text, as PostgreSQL would send it in binary.
    """

    function: QualifiedName
    relation: QualifiedName | None
    scalar: bool = False
    sender: str | None = None


@dataclass(frozen=True, slots=True)
class NoBody:
    """HEAD: rows are read and not shown."""


Body: TypeAlias = JsonBody | CsvBody | GeoJsonBody | CustomBody | NoBody


@dataclass(frozen=True, slots=True)
class Explain:
    """The execution plan is wanted instead of the rows."""

    json: bool
    options: tuple[str, ...]


Quiet: TypeAlias = tuple[tuple[QualifiedName, int], ...]
"""Relations with their oids; see ``proxy.engine.plan.quiet``."""


@dataclass(frozen=True, slots=True)
class Shape:
    """All that the SQL of a request depends on.

    ``source`` is what gives the rows that ``root`` reads, where it is not a relation. ``count``: all rows
    that match are counted, ``count_limit`` of them at the most. ``quiet`` are the relations that are
    read, where nothing runs but what is built in.
    """

    root: ReadNode
    body: Body
    source: CallNode | Change | None = None
    count: bool = False
    count_limit: int | None = None
    explain: Explain | None = None
    quiet: Quiet = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done: the SQL with its values, and what the answer needs to know besides.

    ``rows`` is the range asked for. ``estimate``: the planner is asked how many rows match. ``applied``
    are the preferences that were honoured, as the answer names them; ``timezone`` the one to set.
    ``max_affected`` is the most rows that may be affected, ``max_changed`` the same by the page that a
    change is limited to. ``counted`` and ``shown`` tell whether the answer to a change has the number of
    rows and the rows.
    """

    action: Action
    shape: Shape
    schema: str
    profile: bool
    media: MediaType
    rows: RowRange
    function: Function | None = None
    read_only: bool = True
    estimate: Literal["planned", "estimated"] | None = None
    max_rows: int | None = None
    max_affected: int | None = None
    max_changed: int | None = None
    counted: bool = False
    shown: bool = False
    rollback: bool = False
    applied: tuple[str, ...] = ()
    timezone: str | None = None

    @property
    def read(self) -> bool:
        """Whether rows are read, or given by a function, rather than changed."""
        return self.action in ("read", "call")

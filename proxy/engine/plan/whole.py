"""Whole plans as frozen values: a tree of rows to read, where they come from, and what is made of them."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from proxy.engine.parse.media import MediaType
from proxy.engine.parse.range import RowRange
from proxy.engine.plan.types import ReadNode, Value
from proxy.engine.schema import Function, Parameter, QualifiedName


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
    """A function call as the statement's source. Without ``columns`` all are taken."""

    function: QualifiedName
    arguments: NamedArguments | RawArgument | JsonArguments
    scalar: bool
    single: bool
    columns: tuple[str, ...] = ()


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

    ``scalar``: the rows are single values, and given bare.
    """

    function: QualifiedName
    relation: QualifiedName | None
    scalar: bool = False


@dataclass(frozen=True, slots=True)
class NoBody:
    """HEAD: rows are read and not shown."""


Body: TypeAlias = JsonBody | CsvBody | GeoJsonBody | CustomBody | NoBody


@dataclass(frozen=True, slots=True)
class Explain:
    """The execution plan is wanted instead of the rows."""

    json: bool
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """All that the SQL of a request depends on.

    ``count``: all rows that match are counted, ``count_limit`` of them at the most.
    """

    root: ReadNode
    body: Body
    call: CallNode | None = None
    count: bool = False
    count_limit: int | None = None
    explain: Explain | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done: the SQL with its values, and what the answer needs to know besides.

    ``rows`` is the range asked for. ``estimate``: the planner is asked how many rows match. ``applied``
    are the preferences that were honoured, as the answer names them; ``timezone`` the one to set.
    ``max_affected`` is the most rows that may be affected.
    """

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
    rollback: bool = False
    applied: tuple[str, ...] = ()
    timezone: str | None = None

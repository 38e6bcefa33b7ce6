"""Plans as frozen values: what is to be read, every name resolved against the schema cache.

Two plans that differ only in literal values are equal: a ``Value`` compares equal to any other. A plan
is therefore its own shape, and the statement built for one serves all that are equal to it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal, TypeAlias

from proxy.engine.parse.media import MediaType
from proxy.engine.parse.range import RowRange
from proxy.engine.parse.syntax import Aggregate, Quantifier, Truth
from proxy.engine.schema import QualifiedName


@dataclass(frozen=True, slots=True)
class Value:
    """A literal from the request. It reaches PostgreSQL as a bind parameter and in no other way."""

    text: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class PathStep:
    """One JSON arrow; ``key`` is a number as text where ``index`` is set."""

    as_text: bool
    key: Value
    index: bool


@dataclass(frozen=True, slots=True)
class Operand:
    """A column, or a path into it, as it stands in SQL.

    ``to_json``: the column is no json and must become jsonb before a path can enter it. ``vector``: it
    is searched as text; ``language`` says how. ``formatter`` is the function of a representation.
    """

    name: str
    path: tuple[PathStep, ...] = ()
    to_json: bool = False
    vector: bool = False
    language: Value | None = None
    formatter: str | None = None


@dataclass(frozen=True, slots=True)
class Compare:
    """``operand operator value``; ``parser`` is the function of a representation, for the value."""

    operator: str
    value: Value
    quantifier: Quantifier | None = None
    parser: str | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """``operand = ANY (array)``; no array for the empty list. The value is an array literal."""

    array: Value | None
    parser: str | None = None


@dataclass(frozen=True, slots=True)
class Is:
    """``operand IS truth``."""

    truth: Truth


@dataclass(frozen=True, slots=True)
class Distinct:
    """``operand IS DISTINCT FROM value``."""

    value: Value


@dataclass(frozen=True, slots=True)
class Search:
    """``operand @@ operator(language, value)``."""

    operator: str
    value: Value
    language: Value | None = None


Test: TypeAlias = Compare | Member | Is | Distinct | Search


@dataclass(frozen=True, slots=True)
class Predicate:
    """One resolved filter."""

    operand: Operand
    test: Test
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Resolved conditions joined by ``and`` or ``or``."""

    operator: Literal["and", "or"]
    members: tuple["Where", ...]
    negated: bool = False


Where: TypeAlias = Predicate | Group


@dataclass(frozen=True, slots=True)
class Sort:
    """One resolved term of the order."""

    operand: Operand
    descending: bool | None = None
    nulls_first: bool | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """One output column. ``key`` is its name in the answer; ``alias`` the name given in the request."""

    operand: Operand
    key: str
    cast: str | None = None
    aggregate: Aggregate | None = None
    aggregate_cast: str | None = None
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """LIMIT and OFFSET as literals; no limit means all rows."""

    limit: Value | None
    offset: Value


@dataclass(frozen=True, slots=True)
class ReadNode:
    """One relation to read. An empty ``select`` is every column."""

    relation: QualifiedName
    select: tuple[Output, ...] = ()
    where: tuple[Where, ...] = ()
    order: tuple[Sort, ...] = ()
    page: Page | None = None


@dataclass(frozen=True, slots=True)
class JsonBody:
    """A JSON array of the rows, or the first row as an object."""

    single: bool = False
    stripped: bool = False


@dataclass(frozen=True, slots=True)
class CsvBody:
    """Comma-separated values with a header line."""


@dataclass(frozen=True, slots=True)
class CustomBody:
    """What a function of the database makes of the rows, cast to ``relation`` where it is given."""

    function: QualifiedName
    relation: QualifiedName | None


@dataclass(frozen=True, slots=True)
class NoBody:
    """HEAD: rows are read and not shown."""


Body: TypeAlias = JsonBody | CsvBody | CustomBody | NoBody


@dataclass(frozen=True, slots=True)
class ReadShape:
    """All that the SQL of a read depends on."""

    root: ReadNode
    body: Body
    count: bool


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """A read: its SQL with values, and what the answer needs to know besides.

    ``rows`` is the range asked for. ``applied`` are the preferences that were honoured, as the answer
    names them; ``timezone`` the one to set.
    """

    shape: ReadShape
    schema: str
    profile: bool
    media: MediaType
    rows: RowRange
    applied: tuple[str, ...] = ()
    timezone: str | None = None


def walk_values(plan: Any) -> Iterator[Value]:
    """Every ``Value`` in ``plan``, in an order that is the same for equal plans."""
    if isinstance(plan, Value):
        yield plan
    elif isinstance(plan, tuple):
        for item in plan:
            yield from walk_values(item)
    elif is_dataclass(plan):
        for part in fields(plan):
            yield from walk_values(getattr(plan, part.name))

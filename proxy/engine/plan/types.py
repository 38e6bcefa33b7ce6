"""Plans as frozen values: what is to be read, every name resolved against the schema cache.

Two plans that differ only in literal values are equal: a ``Value`` compares equal to any other. A plan
is therefore its own shape, and the statement built for one serves all that are equal to it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal, TypeAlias

from proxy.engine.parse.range import ALL_ROWS, RowRange
from proxy.engine.parse.syntax import Aggregate, JoinType, Quantifier, Truth
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
    ``whole_row``: not a column but the row itself.
    """

    name: str
    path: tuple[PathStep, ...] = ()
    to_json: bool = False
    vector: bool = False
    language: Value | None = None
    formatter: str | None = None
    whole_row: bool = False


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
class HasNone:
    """An embedded resource, by its SQL alias, that has no row; ``negated``: that has some."""

    embed: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Resolved conditions joined by ``and`` or ``or``."""

    operator: Literal["and", "or"]
    members: tuple["Where", ...]
    negated: bool = False


Where: TypeAlias = Predicate | HasNone | Group


@dataclass(frozen=True, slots=True)
class Sort:
    """One resolved term of the order. ``embed``: the operand belongs to that embedded resource."""

    operand: Operand
    descending: bool | None = None
    nulls_first: bool | None = None
    embed: str | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """One output column. Without an ``alias`` PostgreSQL or ``operand`` names it.

    ``embed``: the operand belongs to that embedded resource.
    """

    operand: Operand
    alias: str | None = None
    cast: str | None = None
    aggregate: Aggregate | None = None
    aggregate_cast: str | None = None
    embed: str | None = None

    @property
    def name(self) -> str:
        """What the column is called in SQL, as far as the request tells."""
        return self.operand.name if self.alias is None else self.alias


@dataclass(frozen=True, slots=True)
class Page:
    """LIMIT and OFFSET; no limit means all rows, no offset the first.

    A limit that is a number is part of the shape.
    """

    limit: Value | int | None
    offset: Value | None


@dataclass(frozen=True, slots=True)
class ColumnEquality:
    """``one.column = other.column``, each with the qualifier it is known by in SQL."""

    one: tuple[str, ...]
    column: str
    other: tuple[str, ...]
    other_column: str


@dataclass(frozen=True, slots=True)
class Link:
    """How the rows of a node belong to a row of its parent.

    By ``equalities``, with a ``junction`` between them or not; or as the result of ``function`` called
    with the parent's row: ``parent`` is its SQL alias, ``parent_relation`` its type.
    """

    to_one: bool
    equalities: tuple[ColumnEquality, ...] = ()
    junction: QualifiedName | None = None
    function: QualifiedName | None = None
    parent: str = ""
    parent_relation: QualifiedName = ("", "")


@dataclass(frozen=True, slots=True)
class EmbedOutput:
    """An embedded resource as one JSON column called ``key``; an ``empty`` one only joins."""

    embed: str
    key: str
    to_one: bool
    empty: bool


@dataclass(frozen=True, slots=True)
class SpreadColumn:
    """One column that a spread puts into its parent."""

    name: str
    alias: str | None = None
    aggregate: Aggregate | None = None
    aggregate_cast: str | None = None


@dataclass(frozen=True, slots=True)
class SpreadOutput:
    """A spread resource: its columns stand among the parent's."""

    embed: str
    columns: tuple[SpreadColumn, ...]


ChildOutput: TypeAlias = EmbedOutput | SpreadOutput


@dataclass(frozen=True, slots=True)
class ReadNode:
    """One relation to read, with the resources embedded in it.

    ``relation`` without a schema is the statement's own source. ``label`` is its alias in SQL, ``embed``
    the alias of the node as a whole. ``name``, ``alias`` and ``hint`` are as written in the request.
    ``spread_select`` and ``spread_order`` order the arrays of a to-many spread.
    """

    relation: QualifiedName
    name: str = ""
    alias: str | None = None
    hint: str | None = None
    join: JoinType | None = None
    spread: bool = False
    depth: int = 0
    label: str | None = None
    embed: str = ""
    link: Link | None = None
    select: tuple[Output, ...] = ()
    children_outputs: tuple[ChildOutput, ...] = ()
    where: tuple[Where, ...] = ()
    order: tuple[Sort, ...] = ()
    rows: RowRange = field(default=ALL_ROWS, compare=False)
    page: Page | None = None
    spread_select: tuple[Output, ...] = ()
    spread_order: tuple[Sort, ...] = ()
    children: tuple["ReadNode", ...] = ()

    @property
    def key(self) -> str:
        """What the node is called in the answer, and by null filters and related orders."""
        return self.name if self.alias is None else self.alias

    @property
    def qualifier(self) -> tuple[str, ...]:
        """What columns of the node are qualified with in SQL."""
        if self.label is not None:
            return (self.label,)
        return tuple(part for part in self.relation if part)

    @property
    def spread_to_many(self) -> bool:
        return self.spread and self.link is not None and not self.link.to_one


def walk(plan: Any) -> Iterator[Any]:
    """Every dataclass in ``plan``, in an order that is the same for equal plans."""
    if isinstance(plan, tuple):
        for item in plan:
            yield from walk(item)
    elif is_dataclass(plan):
        yield plan
        for part in fields(plan):
            yield from walk(getattr(plan, part.name))


def walk_values(plan: Any) -> Iterator[Value]:
    """Every ``Value`` in ``plan``, in that order."""
    return (part for part in walk(plan) if isinstance(part, Value))

"""The schema cache as a frozen value: what the catalog holds of the exposed schemas.

Source: PostgREST 14, reference 11.1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

QualifiedName: TypeAlias = tuple[str, str]
"""Schema and name."""

ColumnPairs: TypeAlias = tuple[tuple[str, str], ...]
"""Columns of one relation with the columns of another that they equal."""

Cardinality: TypeAlias = Literal["one-to-many", "many-to-one", "one-to-one", "many-to-many"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``type`` is the base type without modifiers, ``nominal_type`` as declared.

    ``told_apart``: values that are equal are the same text, which a collation may say otherwise.
    """

    name: str
    type: str
    nominal_type: str
    nullable: bool = True
    default: str | None = None
    max_length: int | None = None
    enum: tuple[str, ...] = ()
    description: str | None = None
    told_apart: bool = True


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, view, materialized view, foreign or partitioned table.

    ``key`` is its primary key, for a view what PostgREST takes for one. ``unique`` are the keys, without
    nulls, that no two rows share. ``quiet`` is its oid, where reading it runs nothing but what is built in.
    """

    schema: str
    name: str
    columns: Mapping[str, Column]
    key: tuple[str, ...] = ()
    view: bool = False
    insertable: bool = False
    updatable: bool = False
    deletable: bool = False
    description: str | None = None
    unique: tuple[tuple[str, ...], ...] = ()
    quiet: int | None = None


@dataclass(frozen=True, slots=True)
class Junction:
    """The relation between two others in a many-to-many relationship.

    ``source_columns`` pair columns of the source with the junction's, ``target_columns`` the target's.
    """

    relation: QualifiedName
    source_constraint: str
    target_constraint: str
    source_columns: ColumnPairs
    target_columns: ColumnPairs


@dataclass(frozen=True, slots=True)
class Relationship:
    """How rows of ``source`` belong to rows of ``target``, by a foreign key or through a junction."""

    source: QualifiedName
    target: QualifiedName
    cardinality: Cardinality
    constraint: str = ""
    columns: ColumnPairs = ()
    junction: Junction | None = None
    # On one side of a one-to-one only: the one that is referenced.
    parent: bool = False
    reflexive: bool = False
    source_view: bool = False
    target_view: bool = False

    @property
    def to_one(self) -> bool:
        return self.cardinality in ("many-to-one", "one-to-one")


@dataclass(frozen=True, slots=True)
class ComputedRelationship:
    """A relationship by a function from a row of ``source`` to rows of ``target``."""

    source: QualifiedName
    target: QualifiedName
    function: QualifiedName
    to_one: bool


AnyRelationship: TypeAlias = Relationship | ComputedRelationship


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a function. ``cast_type`` is ``type`` without a length that would cut values."""

    name: str
    type: str
    cast_type: str
    required: bool
    variadic: bool = False


@dataclass(frozen=True, slots=True)
class Function:
    """A function. ``composite`` tells whether it returns rows with named columns.

    ``returns`` is its result type, domains resolved; ``settings`` are those that hold for its transaction.
    """

    schema: str
    name: str
    parameters: tuple[Parameter, ...] = ()
    returns: QualifiedName = ("pg_catalog", "void")
    returns_set: bool = False
    composite: bool = False
    volatility: Literal["volatile", "stable", "immutable"] = "volatile"
    isolation: str | None = None
    settings: tuple[tuple[str, str], ...] = ()
    description: str | None = None

    @property
    def scalar(self) -> bool:
        return not self.composite

    @property
    def single(self) -> bool:
        return not self.returns_set

    @property
    def void(self) -> bool:
        return self.single and self.returns == ("pg_catalog", "void")


@dataclass(frozen=True, slots=True)
class MediaHandler:
    """A function of the database that makes a body. It is labelled with ``media_type``.

    ``sender`` is the function that makes the bytes of what it gives, where those are not simply its text.
    """

    function: QualifiedName
    media_type: str
    sender: str | None = None


def _nothing() -> Mapping[Any, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Schema:
    """Everything the engine knows of the database.

    ``relationships`` are keyed by their source and the schema of their target (of the function, for
    computed ones). ``functions`` has the overloads of a name, those with fewest parameters first.
    ``representations`` maps a pair of type names, one of them a domain, to the function that casts the
    first to the second (reference 2.8). ``handlers`` are keyed by the relation they serve, None for any,
    and the media type asked for. ``role_settings`` are those that hold for a role's transactions.
    """

    relations: Mapping[QualifiedName, Relation] = field(default_factory=_nothing)
    relationships: Mapping[tuple[QualifiedName, str], tuple[AnyRelationship, ...]] = field(
        default_factory=_nothing
    )
    functions: Mapping[QualifiedName, tuple[Function, ...]] = field(default_factory=_nothing)
    representations: Mapping[tuple[str, str], str] = field(default_factory=_nothing)
    handlers: Mapping[tuple[QualifiedName | None, str], MediaHandler] = field(default_factory=_nothing)
    role_settings: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=_nothing)
    timezones: frozenset[str] = frozenset()

    def representation(self, source: str, target: str) -> str | None:
        """The function that casts type ``source`` to type ``target``, if one was declared."""
        return self.representations.get((source, target))

"""The schema cache as a frozen value: what the catalog holds of the exposed schemas.

Source: PostgREST 14, reference 11.1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

QualifiedName: TypeAlias = tuple[str, str]
"""Schema and name."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``type`` is the base type without modifiers, ``nominal_type`` as declared."""

    name: str
    type: str
    nominal_type: str
    nullable: bool = True
    default: str | None = None
    max_length: int | None = None
    enum: tuple[str, ...] = ()
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, view, materialized view, foreign or partitioned table. ``key`` is its primary key."""

    schema: str
    name: str
    columns: Mapping[str, Column]
    key: tuple[str, ...] = ()
    view: bool = False
    insertable: bool = False
    updatable: bool = False
    deletable: bool = False
    description: str | None = None


@dataclass(frozen=True, slots=True)
class MediaHandler:
    """A function of the database that makes a body. It is labelled with ``media_type``."""

    function: QualifiedName
    media_type: str


@dataclass(frozen=True, slots=True)
class Schema:
    """Everything the engine knows of the database.

    ``representations`` maps a pair of type names, one of them a domain, to the function that casts the
    first to the second (reference 2.8). ``functions`` maps a name to whether all its overloads only read.
    ``handlers`` are keyed by the relation they serve, None for any, and the media type asked for.
    """

    relations: Mapping[QualifiedName, Relation] = field(default_factory=lambda: MappingProxyType({}))
    representations: Mapping[tuple[str, str], str] = field(default_factory=lambda: MappingProxyType({}))
    functions: Mapping[QualifiedName, bool] = field(default_factory=lambda: MappingProxyType({}))
    handlers: Mapping[tuple[QualifiedName | None, str], MediaHandler] = field(
        default_factory=lambda: MappingProxyType({})
    )
    timezones: frozenset[str] = frozenset()

    def representation(self, source: str, target: str) -> str | None:
        """The function that casts type ``source`` to type ``target``, if one was declared."""
        return self.representations.get((source, target))

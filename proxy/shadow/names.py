"""The names in the schema cache: all that the second opinion knows of the database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

QualifiedName: TypeAlias = tuple[str, str]
"""Schema and name."""


@dataclass(frozen=True, slots=True)
class Hazards:
    """Why writes must not be rehearsed: for each relation and function the reasons, none where they may be.

    What is not in here is not known, and what is not known must not be rehearsed.
    """

    relations: Mapping[QualifiedName, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    functions: Mapping[QualifiedName, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Actors:
    """What acts outside of the database when it is read: a second reading would do all that again."""

    relations: frozenset[QualifiedName] = frozenset()
    functions: frozenset[QualifiedName] = frozenset()


@dataclass(frozen=True, slots=True)
class Names:
    """What the schema cache knows: relations with their columns, functions with whether POST only reads.

    ``schemas`` are the exposed ones, the default first; there are none while no schema cache is loaded.
    """

    schemas: tuple[str, ...] = ()
    relations: frozenset[QualifiedName] = frozenset()
    functions: Mapping[QualifiedName, bool] = field(default_factory=lambda: MappingProxyType({}))
    hazards: Hazards = Hazards()
    columns: Mapping[QualifiedName, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    actors: Actors = Actors()

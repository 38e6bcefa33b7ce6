"""The nouns of a PostgREST query string, as frozen values. They know nothing of any schema."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

EmbedPath: TypeAlias = tuple[str, ...]
Quantifier: TypeAlias = Literal["any", "all"]
Aggregate: TypeAlias = Literal["sum", "avg", "count", "max", "min"]
Truth: TypeAlias = Literal["null", "not_null", "true", "false", "unknown"]
JoinType: TypeAlias = Literal["left", "inner"]


@dataclass(frozen=True, slots=True)
class JsonStep:
    """``->key`` or ``->>key``; an ``index`` has a sign and digits in ``key``."""

    as_text: bool
    key: str
    index: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """A column with a JSON path into it."""

    name: str
    path: tuple[JsonStep, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """``eq.5``, ``like(any).{a,b}``, ``cs.{1}``: an operator token and its value as text."""

    operator: str
    value: str
    quantifier: Quantifier | None = None


@dataclass(frozen=True, slots=True)
class InList:
    """``in.(a,b)``."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IsTruth:
    """``is.null`` and its kin."""

    truth: Truth


@dataclass(frozen=True, slots=True)
class IsDistinctFrom:
    """``isdistinct.5``."""

    value: str


@dataclass(frozen=True, slots=True)
class TextSearch:
    """``fts(english).word`` and its kin; ``operator`` is fts, plfts, phfts or wfts."""

    operator: str
    value: str
    language: str | None = None


Operation: TypeAlias = Comparison | InList | IsTruth | IsDistinctFrom | TextSearch


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on one field of one node."""

    field: Field
    operation: Operation
    negated: bool = False


@dataclass(frozen=True, slots=True)
class LogicGroup:
    """``and(…)`` or ``or(…)`` of conditions."""

    operator: Literal["and", "or"]
    members: tuple["Condition", ...]
    negated: bool = False


Condition: TypeAlias = Filter | LogicGroup


@dataclass(frozen=True, slots=True)
class OrderTerm:
    """One term of ``order``; ``relation`` is set for ``relation(column)``."""

    field: Field
    descending: bool | None = None
    nulls_first: bool | None = None
    relation: str | None = None


@dataclass(frozen=True, slots=True)
class SelectField:
    """One plain item of ``select``. ``*`` is a field of that name."""

    field: Field
    alias: str | None = None
    cast: str | None = None
    aggregate: Aggregate | None = None
    aggregate_cast: str | None = None


@dataclass(frozen=True, slots=True)
class SelectRelation:
    """An embedded resource of ``select``, or a spread one (``...relation()``)."""

    relation: str
    items: tuple["SelectItem", ...]
    alias: str | None = None
    hint: str | None = None
    join: JoinType | None = None
    spread: bool = False


SelectItem: TypeAlias = SelectField | SelectRelation

"""Resolve fields and conditions of a request against the columns of a relation.

Source: PostgREST 14, reference 1.3 to 1.6 and 2.8. Names that are not in the schema cache are kept:
they may be computed fields, and if not, PostgreSQL says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from proxy.engine.parse.syntax import (
    Comparison,
    Condition,
    Field,
    Filter,
    InList,
    IsDistinctFrom,
    IsTruth,
    LogicGroup,
    Operation,
    OrderTerm,
    SelectField,
    TextSearch,
)
from proxy.engine.plan.types import (
    Compare,
    Distinct,
    Group,
    Is,
    Member,
    Operand,
    Output,
    PathStep,
    Predicate,
    Search,
    Sort,
    Test,
    Value,
    Where,
)
from proxy.engine.schema import Column, QualifiedName, Schema

_PATTERNS = ("like", "ilike")


@dataclass(frozen=True, slots=True)
class Scope:
    """The relation that names are looked up in; it need not exist.

    ``makes_vectors``: what is searched for text becomes a tsvector first.
    """

    schema: Schema
    relation: QualifiedName
    makes_vectors: bool = True

    @property
    def columns(self) -> Mapping[str, Column]:
        relation = self.schema.relations.get(self.relation)
        return {} if relation is None else relation.columns

    def formatter(self, name: str) -> str | None:
        """The function that makes JSON of the column, if its type has one."""
        column = self.columns.get(name)
        return None if column is None else self.schema.representation(column.nominal_type, "json")


def until_nul(text: str) -> str:
    """``text`` up to a NUL, which PostgreSQL could not take."""
    return text.partition("\0")[0]


def resolve_field(subject: Field, scope: Scope, formatter: str | None = None) -> Operand:
    """A field as SQL has it."""
    column = scope.columns.get(subject.name)
    return Operand(
        name=subject.name,
        path=make_path(subject),
        to_json=column is None or column.nominal_type not in ("json", "jsonb"),
        formatter=formatter,
    )


def make_path(subject: Field) -> tuple[PathStep, ...]:
    """The JSON path of a field, its keys as values."""
    return tuple(PathStep(step.as_text, Value(step.key), step.index) for step in subject.path)


def resolve_output(item: SelectField, scope: Scope) -> Output:
    """One plain item of ``select``."""
    formatter = scope.formatter(item.field.name)
    operand = resolve_field(item.field, scope, formatter)
    alias = item.alias
    if alias is None and item.aggregate is None and (item.field.path or formatter is not None):
        alias = last_key(item.field)
    # A second cast belongs to an aggregate; without one it has no effect (reference 1.7).
    aggregate_cast = item.aggregate_cast if item.aggregate else None
    return Output(operand, alias, item.cast, item.aggregate, aggregate_cast)


def last_key(subject: Field) -> str:
    """The key of a path: its last step that is not an index, else the column (reference 2.3)."""
    return next((step.key for step in reversed(subject.path) if not step.index), subject.name)


def resolve_condition(condition: Condition, scope: Scope) -> Where:
    """A filter or logic tree."""
    if isinstance(condition, LogicGroup):
        members = tuple(resolve_condition(member, scope) for member in condition.members)
        return Group(condition.operator, members, condition.negated)
    return _resolve_filter(condition, scope)


def _resolve_filter(condition: Filter, scope: Scope) -> Predicate:
    column = scope.columns.get(condition.field.name)
    parser = scope.schema.representation("text", column.nominal_type) if column else None
    operand = resolve_field(condition.field, scope)
    operation = condition.operation
    vector = not scope.makes_vectors or column is None or column.type == "tsvector"
    if isinstance(operation, TextSearch) and not vector:
        language = None if operation.language is None else Value(operation.language)
        operand = Operand(operand.name, operand.path, operand.to_json, True, language)
    return Predicate(operand, _resolve_operation(operation, parser), condition.negated)


def _resolve_operation(operation: Operation, parser: str | None) -> Test:
    match operation:
        case Comparison(operator, text, quantifier):
            if operator in _PATTERNS:
                return Compare(operator, Value(text.replace("*", "%")), quantifier)
            return Compare(operator, Value(text), quantifier, parser)
        case InList(values):
            return Member(None if values == ("",) else Value(make_array_literal(values)), parser)
        case IsTruth(truth):
            return Is(truth)
        case IsDistinctFrom(text):
            return Distinct(Value(text))
        case TextSearch(operator, text, language):
            return Search(operator, Value(text), None if language is None else Value(language))


def make_array_literal(values: tuple[str, ...]) -> str:
    """``values`` as a PostgreSQL array literal, every element quoted."""
    quoted = (until_nul(value).replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in quoted) + "}"


def resolve_term(term: OrderTerm, scope: Scope) -> Sort:
    """One term of ``order``; for a related one ``embed`` is still the name in the request."""
    if term.relation is not None:
        operand = Operand(term.field.name, make_path(term.field))
        return Sort(operand, term.descending, term.nulls_first, term.relation)
    return Sort(resolve_field(term.field, scope), term.descending, term.nulls_first)

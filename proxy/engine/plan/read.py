"""From a request for rows to a ``ReadPlan``, in small passes.

Source: PostgREST 14, reference 0.3 (steps 11 to 14), 1.4 to 1.8 and 2.3.
"""

from dataclasses import dataclass

from proxy.config import EngineConfig
from proxy.engine.fuzzy import find_similar
from proxy.engine.parse.query import parse_range_path
from proxy.engine.parse.range import ALL_ROWS, RowRange, restrict
from proxy.engine.parse.request import ApiRequest
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
from proxy.engine.plan.negotiate import (
    accept_timezone,
    choose_body,
    name_applied,
    refuse_unknown_preferences,
)
from proxy.engine.plan.types import (
    Compare,
    Distinct,
    Group,
    Is,
    Member,
    NoBody,
    Operand,
    Output,
    Page,
    PathStep,
    Predicate,
    ReadNode,
    ReadPlan,
    ReadShape,
    Search,
    Sort,
    Test,
    Value,
    Where,
)
from proxy.engine.schema import Column, Relation, Schema
from proxy.errors import ApiError, Unsupported

_TABLE_SIMILARITY = 0.75
_MOST_RELATIONS_FOR_HINTS = 500
_PATTERNS = ("like", "ilike")


@dataclass(frozen=True, slots=True)
class _Context:
    """The relation that names are looked up in."""

    relation: Relation
    schema: Schema

    def column(self, name: str) -> Column | None:
        return self.relation.columns.get(name)


def find_relation(schema: Schema, namespace: str, name: str) -> Relation:
    """The relation of that name. Raises ApiError PGRST205, with a hint at a similar name."""
    relation = schema.relations.get((namespace, name))
    if relation is not None:
        return relation
    names = [known for space, known in schema.relations if space == namespace]
    similar = find_similar(name, names, _TABLE_SIMILARITY) if len(names) < _MOST_RELATIONS_FOR_HINTS else []
    hint = f"Perhaps you meant the table '{namespace}.{similar[0][1]}'" if similar else None
    message = f"Could not find the table '{namespace}.{name}' in the schema cache"
    raise ApiError(404, "PGRST205", message, None, hint)


def make_read_plan(request: ApiRequest, schema: Schema, options: EngineConfig) -> ReadPlan:
    """Plan a GET or HEAD of one relation.

    Raises ApiError for what a client did wrong, Unsupported for what the engine cannot do yet.
    """
    relation = find_relation(schema, request.schema, request.name or "")
    context = _Context(relation, schema)
    rows = restrict(request.rows, options.db_max_rows)
    root = ReadNode(
        relation=(relation.schema, relation.name),
        select=_resolve_select(request, context),
        where=_resolve_filters(request, context),
        order=_resolve_order(request, context),
        page=_make_page(rows),
    )
    if any(output.aggregate for output in root.select) and not options.db_aggregates_enabled:
        raise ApiError(400, "PGRST123", "Use of aggregate functions is not allowed")
    body, media = choose_body(request.accept, root, schema, options)
    refuse_unknown_preferences(request.preferences, schema)
    if request.preferences.count in ("planned", "estimated"):
        raise Unsupported(f"count={request.preferences.count}")
    shape = ReadShape(root, NoBody() if request.head else body, request.preferences.count == "exact")
    return ReadPlan(
        shape=shape,
        schema=request.schema,
        profile=request.profile,
        media=media,
        rows=request.rows,
        applied=name_applied(request.preferences, schema, options),
        timezone=accept_timezone(request.preferences, schema),
    )


def _resolve_select(request: ApiRequest, context: _Context) -> tuple[Output, ...]:
    if not all(isinstance(item, SelectField) for item in request.parameters.select):
        raise Unsupported("embedding")
    items = [item for item in request.parameters.select if isinstance(item, SelectField)]
    aggregated = any(item.aggregate for item in items)
    represented = any(_formatter(column, context) for column in context.relation.columns.values())
    outputs: list[Output] = []
    for item in items:
        if item.field.name == "*" and not item.aggregate and (aggregated or represented):
            outputs += (_make_output(SelectField(Field(name)), context) for name in context.relation.columns)
        else:
            outputs.append(_make_output(item, context))
    return tuple(outputs)


def _formatter(column: Column, context: _Context) -> str | None:
    return context.schema.representation(column.nominal_type, "json")


def _make_output(item: SelectField, context: _Context) -> Output:
    column = context.column(item.field.name)
    operand = resolve_field(item.field, context, _formatter(column, context) if column else None)
    key = item.aggregate or _last_key(item.field) if item.alias is None else item.alias
    key, alias = _until_nul(key), None if item.alias is None else _until_nul(item.alias)
    # A second cast belongs to an aggregate; without one it has no effect (reference 1.7).
    aggregate_cast = item.aggregate_cast if item.aggregate else None
    return Output(operand, key, item.cast, item.aggregate, aggregate_cast, alias)


def _until_nul(text: str) -> str:
    return text.partition("\0")[0]


def _last_key(subject: Field) -> str:
    """The key of a column or path: its last step that is not an index (reference 2.3)."""
    return next((step.key for step in reversed(subject.path) if not step.index), subject.name)


def resolve_field(subject: Field, context: _Context, formatter: str | None = None) -> Operand:
    """A field as SQL has it. Unknown columns are left for PostgreSQL to complain about."""
    column = context.column(subject.name)
    return Operand(
        name=_until_nul(subject.name),
        path=tuple(PathStep(step.as_text, Value(step.key), step.index) for step in subject.path),
        to_json=column is None or column.nominal_type not in ("json", "jsonb"),
        formatter=formatter,
    )


def _resolve_filters(request: ApiRequest, context: _Context) -> tuple[Where, ...]:
    """Logic trees first, then filters, each in the order of the URL (reference 2.1)."""
    parts = request.parameters
    for path, _ in (*reversed(parts.filters), *reversed(parts.order)):
        _refuse_path(path)
    for key, _ in parts.ranges:
        _refuse_path(parse_range_path(key))
    for path, _ in reversed(parts.logic):
        _refuse_path(path)
    return tuple(
        _resolve_condition(condition, context)
        for condition in (*(tree for _, tree in parts.logic), *(one for _, one in parts.filters))
    )


def _refuse_path(path: tuple[str, ...]) -> None:
    if path:
        hint = f"Verify that '{path[0]}' is included in the 'select' query parameter."
        message = f"'{path[0]}' is not an embedded resource in this request"
        raise ApiError(400, "PGRST108", message, None, hint)


def _resolve_condition(condition: Condition, context: _Context) -> Where:
    if isinstance(condition, LogicGroup):
        members = tuple(_resolve_condition(member, context) for member in condition.members)
        return Group(condition.operator, members, condition.negated)
    return _resolve_filter(condition, context)


def _resolve_filter(condition: Filter, context: _Context) -> Predicate:
    column = context.column(condition.field.name)
    parser = context.schema.representation("text", column.nominal_type) if column else None
    operand = resolve_field(condition.field, context)
    operation = condition.operation
    if isinstance(operation, TextSearch) and column is not None and column.type != "tsvector":
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
    """``values`` as a PostgreSQL array literal, every element quoted; a NUL ends an element."""
    quoted = (_until_nul(value).replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in quoted) + "}"


def _resolve_order(request: ApiRequest, context: _Context) -> tuple[Sort, ...]:
    terms = next((terms for path, terms in request.parameters.order if not path), ())
    return tuple(_resolve_term(term, context) for term in terms)


def _resolve_term(term: OrderTerm, context: _Context) -> Sort:
    if term.relation is not None:
        _refuse_path((term.relation,))
    return Sort(resolve_field(term.field, context), term.descending, term.nulls_first)


def _make_page(rows: RowRange) -> Page | None:
    if rows == ALL_ROWS:
        return None
    limit = rows.limit
    return Page(None if limit is None else Value(str(limit)), Value(str(rows.first)))

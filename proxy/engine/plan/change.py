"""Plan a change of a relation: which rows of it, and what values they get.

Source: PostgREST 14, reference 7.1 to 7.6.
"""

from proxy.engine.dialect import Dialect
from proxy.engine.parse.payload import Payload, decode_for_postgres
from proxy.engine.parse.request import ApiRequest
from proxy.engine.parse.syntax import Comparison
from proxy.engine.plan.call import find_needed_columns
from proxy.engine.plan.resolve import Scope, resolve_condition, resolve_term
from proxy.engine.plan.tree import make_page
from proxy.engine.plan.types import ReadNode, Value, Where
from proxy.engine.plan.whole import (
    ALL_COLUMNS,
    Change,
    Conflict,
    Delete,
    GivenColumn,
    GivenRows,
    Insert,
    Portion,
    Update,
)
from proxy.engine.schema import Relation, Schema
from proxy.errors import ApiError


def make_change(
    request: ApiRequest, relation: Relation | None, tree: ReadNode, schema: Schema, dialect: Dialect
) -> Change:
    """The change that ``request`` asks for; ``tree`` reads the rows changed.

    ``relation`` is None where the schema cache has none of that name and PostgreSQL is to say so.
    Raises ApiError PGRST105 and PGRST204, and an empty 404 where values are given to an unknown relation.
    """
    name = (request.schema, request.name or "")
    scope = Scope(schema, name, dialect.makes_vectors)
    key = () if relation is None else relation.key
    returning = _find_returned(request, tree, key)
    portion = _find_portion(request, scope) if dialect.limits_changes else None
    if request.action == "delete":
        return Delete(name, _select_rows(request, scope), returning, portion)
    if request.action == "upsert":
        _check_upsert(request, key)
    rows = _read_rows(request, relation, schema)
    match request.action:
        case "update" if not rows.columns:
            return Update(name, returning=returning)
        case "update":
            return Update(name, rows, _select_rows(request, scope), returning, portion)
        case "upsert":
            matching = _select_rows(request, scope)
            return Insert(name, rows, Conflict(key, merge=True), matching, returning, counted=True)
        case _:
            conflict = find_conflict(request, key)
            return Insert(
                name,
                rows,
                conflict,
                returning=returning,
                counted=conflict is not None and conflict.merge,
                located=key if request.preferences.returning == "headers-only" else None,
            )


def find_conflict(request: ApiRequest, key: tuple[str, ...]) -> Conflict | None:
    """How conflicts of added rows with others are resolved; without columns they are errors all the same."""
    resolution = request.preferences.resolution
    if resolution is None:
        return None
    targets = request.parameters.on_conflict
    columns = key if targets is None else targets
    return Conflict(columns, resolution == "merge-duplicates")


def _find_returned(request: ApiRequest, tree: ReadNode, key: tuple[str, ...]) -> tuple[str, ...]:
    """The columns that a change gives back: what ``tree`` needs and the primary key (reference 7.2)."""
    if request.preferences.returning not in ("representation", "headers-only"):
        return ()
    needed = find_needed_columns(tree)
    return ALL_COLUMNS if needed is None else tuple(sorted(needed | frozenset(key)))


def _select_rows(request: ApiRequest, scope: Scope) -> tuple[Where, ...]:
    """The conditions on the rows to change. Logic trees count wherever they are aimed, as in PostgREST."""
    filters = (condition for path, condition in request.parameters.filters if not path)
    logic = (condition for _, condition in request.parameters.logic)
    return tuple(resolve_condition(condition, scope) for condition in (*filters, *logic))


def _find_portion(request: ApiRequest, scope: Scope) -> Portion | None:
    """The page of rows that a change is limited to, in PostgREST 12 (reference 7.4)."""
    page = make_page(request.rows)
    if page is None:
        return None
    order = next((terms for path, terms in request.parameters.order if not path), ())
    sorts = tuple(resolve_term(term, scope) for term in order)
    return Portion(tuple(sort.operand.name for sort in sorts), sorts, page)


def _check_upsert(request: ApiRequest, key: tuple[str, ...]) -> None:
    """Raises ApiError PGRST105 unless the filters name one row by its primary key (reference 7.6)."""
    parameters = request.parameters
    named = key and not parameters.logic and parameters.filter_names == frozenset(key)
    if not named or not all(
        isinstance(condition.operation, Comparison)
        and condition.operation.operator == "eq"
        and condition.operation.quantifier is None
        and not condition.negated
        for path, condition in parameters.filters
        if not path
    ):
        message = "Filters must include all and only primary key columns with 'eq' operators"
        raise ApiError(405, "PGRST105", message)


def _read_rows(request: ApiRequest, relation: Relation | None, schema: Schema) -> GivenRows:
    payload = request.payload or Payload(b"")
    defaults = request.preferences.missing == "default" and request.action != "upsert"
    columns = tuple(_give_column(name, relation, schema, defaults=defaults) for name in sorted(payload.keys))
    empty = payload.single and not columns
    body = None if empty else Value(decode_for_postgres(payload.text))
    return GivenRows(body, payload.single, columns, defaults)


def _give_column(name: str, relation: Relation | None, schema: Schema, *, defaults: bool) -> GivenColumn:
    if relation is None:
        raise ApiError(404, "", "")
    column = relation.columns.get(name)
    if column is None:
        message = f"Could not find the '{name}' column of '{relation.name}' in the schema cache"
        raise ApiError(400, "PGRST204", message)
    parser = schema.representation("json", column.nominal_type)
    type_name = column.nominal_type if parser is None else "json"
    return GivenColumn(name, type_name, parser, column.default if defaults else None)

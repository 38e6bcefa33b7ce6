"""From a request to a ``Plan``: the passes in their order.

Source: PostgREST 14, reference 0.3 (steps 11 to 14).
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

from proxy.config import EngineConfig
from proxy.engine.dialect import Dialect, find_dialect
from proxy.engine.parse.media import MediaType
from proxy.engine.parse.request import ApiRequest
from proxy.engine.parse.syntax import SelectField, SelectItem
from proxy.engine.plan.call import find_function, make_call
from proxy.engine.plan.change import make_change
from proxy.engine.plan.embed import (
    add_outputs,
    expand_stars,
    find_null_filters,
    hoist_aggregates,
    hoist_aggregates_once,
    name_spread_aggregates,
    order_spreads,
    refuse_aggregates,
    refuse_empty_spreads,
    refuse_many_spreads,
    relate_orders,
)
from proxy.engine.plan.negotiate import (
    accept_timezone,
    choose_body,
    name_applied,
    refuse_unknown_preferences,
    wants_rollback,
)
from proxy.engine.plan.quiet import find_quiet
from proxy.engine.plan.relations import find_relation
from proxy.engine.plan.tree import (
    SOURCE,
    add_filters,
    add_logic,
    add_orders,
    add_ranges,
    add_relations,
    plant,
    restrict_rows,
)
from proxy.engine.plan.types import Group, HasNone, ReadNode, Where
from proxy.engine.plan.whole import Body, Change, Explain, Insert, NoBody, Plan, Shape
from proxy.engine.schema import Function, QualifiedName, Relation, Schema
from proxy.errors import ApiError

_MOST_EMBEDDED = 256
_SETS_ONLY = "Function must return SETOF or TABLE when max-affected preference is used with handling=strict"


def make_plan(request: ApiRequest, schema: Schema, options: EngineConfig) -> Plan:
    """Plan what ``request`` asks for.

    Raises ApiError for what a client did wrong, Unsupported for what the engine cannot do yet.
    """
    if request.resource == "function":
        return _plan_call(request, schema, options)
    return _plan_change(request, schema, options) if request.writes else _plan_read(request, schema, options)


def find_target(request: ApiRequest, schema: Schema, options: EngineConfig) -> Relation | Function | None:
    """What OPTIONS asks about; None for the root. Raises ApiError."""
    match request.resource:
        case "relation":
            dialect = find_dialect(options.compat)
            relation = schema.relations.get((request.schema, request.name or ""))
            if relation is None and not dialect.checks_relations:
                raise ApiError(404, "", "")
            return relation or find_relation(schema, request.schema, request.name or "", dialect)
        case "function":
            return _plan_call(request, schema, options).function
        case "root":
            return None


def _plan_read(request: ApiRequest, schema: Schema, options: EngineConfig) -> Plan:
    dialect = find_dialect(options.compat)
    name = _find_name(request, schema, dialect)
    tree = make_tree(name, request, schema, options)
    body, media = choose_body(request.accept, tree, name, schema, options)
    refuse_unknown_preferences(request.preferences, schema)
    estimate = _find_estimate(request)
    limited = estimate == "estimated" and options.db_max_rows is not None
    shape = _make_shape(request, tree, body, media)
    if limited:
        shape = replace(shape, count_limit=(options.db_max_rows or 0) + 1)
    shape = replace(shape, quiet=find_quiet(shape, schema))
    plan = _make_plan(request, schema, options, shape, media)
    return replace(
        plan,
        read_only=True,
        estimate=estimate,
        max_rows=options.db_max_rows,
        applied=name_applied(request, schema, options),
    )


def _plan_call(request: ApiRequest, schema: Schema, options: EngineConfig) -> Plan:
    dialect = find_dialect(options.compat)
    function = find_function(request, schema, dialect)
    # Rows of a relation's type are planned like that relation, looked up beside the function.
    relation = (function.schema, function.returns[1] if function.composite else function.name)
    tree = make_tree(relation, request, schema, options)
    body, media = choose_body(request.accept, tree, relation, schema, options, function)
    refuse_unknown_preferences(request.preferences, schema)
    max_affected = _find_max_affected(request)
    if max_affected is not None and function.single and dialect.limits_single_results:
        raise ApiError(400, "PGRST128", _SETS_ONLY)
    shape = replace(
        _make_shape(request, tree, body, media), source=make_call(function, request, tree, dialect)
    )
    plan = _make_plan(request, schema, options, shape, media)
    return replace(
        plan,
        function=function,
        read_only=request.action == "read" or function.volatility != "volatile",
        max_rows=options.db_max_rows,
        max_affected=max_affected,
        applied=name_applied(request, schema, options),
    )


def _plan_change(request: ApiRequest, schema: Schema, options: EngineConfig) -> Plan:
    dialect = find_dialect(options.compat)
    name = _find_name(request, schema, dialect)
    tree = make_tree(name, request, schema, options)
    relation = schema.relations.get((request.schema, request.name or ""))
    change = make_change(request, relation, tree, schema, dialect)
    refuse_unknown_preferences(request.preferences, schema)
    body, media = choose_body(request.accept, tree, name, schema, options)
    shown = request.preferences.returning == "representation"
    if not shown:
        # Nothing of what was selected is looked at.
        tree, body = ReadNode(tree.relation, name=tree.name, label=tree.label), NoBody()
    shape = replace(_make_shape(request, tree, body, media), source=change, count=False)
    plan = _make_plan(request, schema, options, shape, media)
    conflict = change.conflict if request.action == "create" and isinstance(change, Insert) else None
    return replace(
        plan,
        read_only=False,
        max_affected=_find_max_affected(request),
        max_changed=_find_max_changed(request, change),
        counted=request.preferences.count in ("exact", "estimated"),
        shown=shown,
        applied=name_applied(
            request, schema, options, resolved=conflict is not None and bool(conflict.columns)
        ),
    )


def _find_name(request: ApiRequest, schema: Schema, dialect: Dialect) -> QualifiedName:
    """The relation as PostgreSQL is to be asked for it. Raises ApiError PGRST205."""
    name = request.name or ""
    if dialect.checks_relations:
        find_relation(schema, request.schema, name, dialect)
    return request.schema, name


def _find_estimate(request: ApiRequest) -> Literal["planned", "estimated"] | None:
    count = request.preferences.count
    return count if count in ("planned", "estimated") else None


def _find_max_affected(request: ApiRequest) -> int | None:
    """The most rows that may be affected (reference 7.7)."""
    affecting = request.resource == "function" or request.action in ("update", "delete")
    return request.preferences.max_affected if affecting and request.preferences.strict else None


def _find_max_changed(request: ApiRequest, change: Change) -> int | None:
    portion = None if isinstance(change, Insert) else change.portion
    return None if portion is None else request.rows.limit


def _make_shape(request: ApiRequest, tree: ReadNode, body: Body, media: MediaType) -> Shape:
    return Shape(
        root=tree,
        body=NoBody() if request.head else body,
        count=request.preferences.count in ("exact", "estimated"),
        explain=Explain(media.plan_json, media.plan_options) if media.kind == "plan" else None,
    )


def _make_plan(
    request: ApiRequest, schema: Schema, options: EngineConfig, shape: Shape, media: MediaType
) -> Plan:
    return Plan(
        action=request.action,
        shape=shape,
        schema=request.schema,
        profile=request.profile,
        media=media,
        rows=request.rows,
        rollback=wants_rollback(request.preferences, options),
        timezone=accept_timezone(request.preferences, schema),
    )


def make_tree(
    relation: QualifiedName, request: ApiRequest, schema: Schema, options: EngineConfig
) -> ReadNode:
    """The tree of nodes to read, rooted in ``relation``. Raises ApiError."""
    dialect = find_dialect(options.compat)
    _refuse_too_many(request.parameters.select)
    tree = plant(relation, request.parameters.select, schema)
    tree = add_filters(tree, request, schema, dialect)
    tree = add_orders(tree, request, schema, dialect)
    tree = add_ranges(tree, request)
    tree = add_logic(tree, request, schema, dialect)
    if request.resource == "function" or request.writes:
        tree = replace(tree, relation=("", SOURCE), label=tree.name)
    tree = add_relations(tree, request.schema, schema)
    tree = expand_stars(tree, request.schema, schema, counts_rows=not dialect.hoists_once)
    tree = tree if dialect.hoists_once else name_spread_aggregates(tree)
    tree = relate_orders(tree)
    if not dialect.spreads_many:
        refuse_many_spreads(tree)
    tree = find_null_filters(tree)
    tree = _settle_aggregates(add_outputs(tree), dialect, allowed=options.db_aggregates_enabled)
    tree = order_spreads(tree)
    return tree if request.writes else restrict_rows(tree, options.db_max_rows)


def _refuse_too_many(select: Sequence[SelectItem]) -> None:
    """Raises ApiError for more embedded resources than PostgreSQL can plan to join in reasonable time."""
    if _count_embedded(select) > _MOST_EMBEDDED:
        raise ApiError(400, "PGRST100", f"The request embeds more than {_MOST_EMBEDDED} resources")


def _count_embedded(select: Sequence[SelectItem]) -> int:
    return sum(1 + _count_embedded(item.items) for item in select if not isinstance(item, SelectField))


def _settle_aggregates(tree: ReadNode, dialect: Dialect, *, allowed: bool) -> ReadNode:
    if dialect.hoists_once:
        tree = hoist_aggregates_once(tree)
        refuse_empty_spreads(tree)
    if not allowed:
        refuse_aggregates(tree)
    return tree if dialect.hoists_once else hoist_aggregates(tree)


def strip_to_count(node: ReadNode) -> ReadNode:
    """``node`` with only what decides which rows match."""
    tested = {embed for condition in node.where for embed in _find_tested(condition)}
    children = (child for child in node.children if child.join == "inner" or child.embed in tested)
    return ReadNode(
        relation=node.relation,
        label=node.label,
        embed=node.embed,
        join=node.join,
        link=node.link,
        where=node.where,
        children=tuple(map(strip_to_count, children)),
    )


def _find_tested(condition: Where) -> Iterable[str]:
    match condition:
        case HasNone(embed, _):
            yield embed
        case Group(_, members, _):
            for member in members:
                yield from _find_tested(member)

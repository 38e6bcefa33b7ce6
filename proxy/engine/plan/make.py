"""From a request to a ``Plan``: the passes in their order.

Source: PostgREST 14, reference 0.3 (steps 11 to 14).
"""

from collections.abc import Iterable
from dataclasses import replace

from proxy.config import EngineConfig
from proxy.engine.dialect import Dialect, find_dialect
from proxy.engine.parse.request import ApiRequest
from proxy.engine.plan.call import find_function, make_call
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
from proxy.engine.plan.relations import find_relation
from proxy.engine.plan.resolve import until_nul
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
from proxy.engine.plan.whole import Explain, NoBody, Plan, Shape
from proxy.engine.schema import Function, QualifiedName, Relation, Schema
from proxy.errors import ApiError

_SETS_ONLY = "Function must return SETOF or TABLE when max-affected preference is used with handling=strict"


def make_plan(request: ApiRequest, schema: Schema, options: EngineConfig) -> Plan:
    """Plan what ``request`` asks for.

    Raises ApiError for what a client did wrong, Unsupported for what the engine cannot do yet.
    """
    if request.resource == "function":
        return _plan_call(request, schema, options)
    return _plan_read(request, schema, options)


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
    name = request.name or ""
    dialect = find_dialect(options.compat)
    if dialect.checks_relations:
        find_relation(schema, request.schema, name, dialect)
    tree = make_tree((request.schema, until_nul(name)), request, schema, options)
    return _finish(request, schema, options, tree, None)


def _plan_call(request: ApiRequest, schema: Schema, options: EngineConfig) -> Plan:
    function = find_function(request, schema, find_dialect(options.compat))
    # Rows of a relation's type are planned like that relation, looked up beside the function.
    relation = (function.schema, function.returns[1] if function.composite else function.name)
    tree = make_tree(relation, request, schema, options)
    return _finish(request, schema, options, tree, function)


def _finish(
    request: ApiRequest, schema: Schema, options: EngineConfig, tree: ReadNode, function: Function | None
) -> Plan:
    preferences = request.preferences
    dialect = find_dialect(options.compat)
    body, media = choose_body(request.accept, tree, schema, options, function)
    refuse_unknown_preferences(preferences, schema)
    max_affected = preferences.max_affected if preferences.strict and function is not None else None
    if max_affected is not None and function and function.single and dialect.limits_single_results:
        message = (
            "Function must return SETOF or TABLE when max-affected preference is used with handling=strict"
        )
        raise ApiError(400, "PGRST128", message)
    estimate = preferences.count if preferences.count in ("planned", "estimated") else None
    limited = estimate == "estimated" and function is None and options.db_max_rows is not None
    shape = Shape(
        root=tree,
        body=NoBody() if request.head else body,
        call=None if function is None else make_call(function, request, tree, dialect),
        count=preferences.count in ("exact", "estimated"),
        count_limit=(options.db_max_rows or 0) + 1 if limited else None,
        explain=Explain(media.plan_json, media.plan_options) if media.kind == "plan" else None,
    )
    return Plan(
        shape=shape,
        schema=request.schema,
        profile=request.profile,
        media=media,
        rows=request.rows,
        function=function,
        read_only=request.action == "read" or (function is not None and function.volatility != "volatile"),
        estimate=None if function is not None else estimate,
        max_rows=options.db_max_rows,
        max_affected=max_affected,
        rollback=wants_rollback(preferences, options),
        applied=name_applied(preferences, schema, options, affecting=function is not None),
        timezone=accept_timezone(preferences, schema),
    )


def make_tree(
    relation: QualifiedName, request: ApiRequest, schema: Schema, options: EngineConfig
) -> ReadNode:
    """The tree of nodes to read, rooted in ``relation``. Raises ApiError."""
    dialect = find_dialect(options.compat)
    tree = plant(relation, request.parameters.select, schema)
    tree = add_filters(tree, request, schema, dialect)
    tree = add_orders(tree, request, schema)
    tree = add_ranges(tree, request)
    tree = add_logic(tree, request, schema, dialect)
    if request.resource == "function":
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
    return restrict_rows(tree, options.db_max_rows)


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

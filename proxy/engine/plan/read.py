"""From a request for rows to a ``ReadPlan``: the passes in their order.

Source: PostgREST 14, reference 0.3 (steps 11 to 14).
"""

from proxy.config import EngineConfig
from proxy.engine.parse.request import ApiRequest
from proxy.engine.plan.embed import (
    add_outputs,
    expand_stars,
    find_null_filters,
    hoist_aggregates,
    name_spread_aggregates,
    order_spreads,
    refuse_aggregates,
    relate_orders,
)
from proxy.engine.plan.negotiate import (
    accept_timezone,
    choose_body,
    name_applied,
    refuse_unknown_preferences,
)
from proxy.engine.plan.relations import find_relation
from proxy.engine.plan.tree import (
    add_filters,
    add_logic,
    add_orders,
    add_ranges,
    add_relations,
    plant,
    restrict_rows,
)
from proxy.engine.plan.types import NoBody, ReadNode, ReadPlan, ReadShape
from proxy.engine.schema import QualifiedName, Schema
from proxy.errors import Unsupported


def make_read_plan(request: ApiRequest, schema: Schema, options: EngineConfig) -> ReadPlan:
    """Plan a GET or HEAD of one relation.

    Raises ApiError for what a client did wrong, Unsupported for what the engine cannot do yet.
    """
    relation = find_relation(schema, request.schema, request.name or "")
    root = make_tree((relation.schema, relation.name), request, schema, options)
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


def make_tree(
    relation: QualifiedName, request: ApiRequest, schema: Schema, options: EngineConfig
) -> ReadNode:
    """The tree of nodes to read, rooted in ``relation``. Raises ApiError."""
    tree = plant(relation, request.parameters.select, schema)
    tree = add_filters(tree, request, schema)
    tree = add_orders(tree, request, schema)
    tree = add_ranges(tree, request)
    tree = add_logic(tree, request, schema)
    tree = add_relations(tree, request.schema, schema)
    tree = expand_stars(tree, request.schema, schema)
    tree = name_spread_aggregates(tree)
    tree = relate_orders(tree)
    tree = find_null_filters(tree)
    tree = add_outputs(tree)
    if not options.db_aggregates_enabled:
        refuse_aggregates(tree)
    tree = hoist_aggregates(tree)
    tree = order_spreads(tree)
    return restrict_rows(tree, options.db_max_rows)

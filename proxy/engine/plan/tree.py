"""Passes that grow the tree of a read: nodes, filters, orders, ranges and relationships.

Each pass takes a tree and gives a tree. Source: PostgREST 14, reference 0.3 (step 12), 3.5 and 3.6.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from proxy.engine.dialect import Dialect
from proxy.engine.parse.query import parse_range_path
from proxy.engine.parse.range import ALL_ROWS, NO_ROWS, RowRange, intersect
from proxy.engine.parse.request import ApiRequest
from proxy.engine.parse.syntax import Condition, EmbedPath, SelectField, SelectItem
from proxy.engine.plan.relations import find_relationship
from proxy.engine.plan.resolve import Scope, resolve_condition, resolve_output, resolve_term
from proxy.engine.plan.types import ColumnEquality, Link, Page, ReadNode, Value
from proxy.engine.schema import ComputedRelationship, QualifiedName, Relationship, Schema
from proxy.errors import ApiError

Change: TypeAlias = Callable[[ReadNode], ReadNode]

_USUAL_LIMITS = frozenset({1, 2, 3, 5, 10, 15, 20, 25, 30, 40, 50, 100, 200, 250, 500, 1000})

SOURCE = "pgrst_source"
"""What the statement's own source is called, as PostgREST calls it: the name shows in plans and errors."""


def plant(relation: QualifiedName, items: Sequence[SelectItem], schema: Schema) -> ReadNode:
    """The tree of the ``select`` parameter, every field resolved in the relation written before it."""
    return _grow(ReadNode(relation=relation, name=relation[1]), items, schema)


def _grow(node: ReadNode, items: Sequence[SelectItem], schema: Schema) -> ReadNode:
    scope = Scope(schema, node.relation)
    select = tuple(resolve_output(item, scope) for item in items if isinstance(item, SelectField))
    children = []
    for item in items:
        if not isinstance(item, SelectField):
            child = ReadNode(
                relation=(node.relation[0], item.relation),
                name=item.relation,
                alias=item.alias,
                hint=item.hint,
                join=item.join,
                spread=item.spread,
                depth=node.depth + 1,
            )
            children.append(_grow(child, item.items, schema))
    return replace(node, select=select, children=tuple(children))


def not_embedded(name: str) -> ApiError:
    """The error for a path through a resource that ``select`` does not embed."""
    hint = f"Verify that '{name}' is included in the 'select' query parameter."
    return ApiError(400, "PGRST108", f"'{name}' is not an embedded resource in this request", None, hint)


def _change_at(node: ReadNode, path: EmbedPath, change: Change) -> ReadNode:
    """Change the node at ``path``; every node on the way moves in front of its siblings (reference 3.6)."""
    if not path:
        return change(node)
    for position, child in enumerate(node.children):
        if path[0] in (child.name, child.alias):
            others = node.children[:position] + node.children[position + 1 :]
            return replace(node, children=(_change_at(child, path[1:], change), *others))
    raise not_embedded(path[0])


def add_filters(node: ReadNode, request: ApiRequest, schema: Schema, dialect: Dialect) -> ReadNode:
    """Filters go in front of what a node has, the last of the URL first."""
    filters = request.parameters.filters
    for path, condition in reversed([pair for pair in filters if pair[0] or not request.writes]):
        add = partial(_add_where, condition=condition, schema=schema, dialect=dialect)
        node = _change_at(node, path, add)
    return node


def add_logic(node: ReadNode, request: ApiRequest, schema: Schema, dialect: Dialect) -> ReadNode:
    """Logic trees likewise; they end up in front of the filters."""
    logic = request.parameters.logic
    everywhere = not request.writes or dialect.filters_changed
    for path, condition in reversed([pair for pair in logic if pair[0] or everywhere]):
        add = partial(_add_where, condition=condition, schema=schema, dialect=dialect)
        node = _change_at(node, path, add)
    return node


def _add_where(node: ReadNode, condition: Condition, schema: Schema, dialect: Dialect) -> ReadNode:
    resolved = resolve_condition(condition, Scope(schema, node.relation, dialect.makes_vectors))
    return replace(node, where=(resolved, *node.where))


def add_orders(node: ReadNode, request: ApiRequest, schema: Schema, dialect: Dialect) -> ReadNode:
    """Of several orders for one node the first of the URL counts, being applied last."""
    if request.writes and not dialect.orders_changed:
        return node
    scope = Scope(schema, node.relation)
    for path, terms in reversed(request.parameters.order):
        order = tuple(resolve_term(term, scope) for term in terms)
        node = _change_at(node, path, partial(replace, order=order))
    return node


def add_ranges(node: ReadNode, request: ApiRequest) -> ReadNode:
    """The rows each node is limited to; a write's are not limited."""
    if request.writes:
        return node
    for key, rows in reversed(request.parameters.ranges):
        path = parse_range_path(key)
        node = _change_at(node, path, partial(replace, rows=rows))
    return replace(node, rows=request.rows)


def add_relations(node: ReadNode, namespace: str, schema: Schema) -> ReadNode:
    """Find for every embedded node how it belongs to its parent. Raises ApiError PGRST200 and PGRST201."""
    children = (
        add_relations(_relate(node, child, namespace, schema), namespace, schema) for child in node.children
    )
    return replace(node, children=tuple(children))


def _relate(parent: ReadNode, child: ReadNode, namespace: str, schema: Schema) -> ReadNode:
    # The root may stand behind an alias that bears the relation's name; deeper aliases are made up.
    origin = parent.label if parent.depth == 0 and parent.label is not None else parent.relation[1]
    rel = find_relationship(schema, namespace, origin, child.name, child.hint)
    embed = f"{rel.source[1]}_{child.key}_{child.depth}"
    if isinstance(rel, Relationship) and rel.junction is not None:
        return replace(child, relation=rel.target, embed=embed, link=_link_through(rel, parent))
    label = f"{rel.target[1]}_{child.depth}"
    if isinstance(rel, ComputedRelationship):
        link = Link(
            to_one=rel.to_one,
            function=rel.function,
            parent=rel.source[1] if parent.label is None else parent.label,
            parent_relation=rel.source,
        )
    else:
        own, other = _parent_qualifier(rel, parent), (label,)
        equalities = (ColumnEquality(other, there, own, here) for here, there in rel.columns)
        link = Link(rel.to_one, tuple(equalities))
    return replace(child, relation=rel.target, label=label, embed=embed, link=link)


def _parent_qualifier(rel: Relationship, parent: ReadNode) -> tuple[str, ...]:
    return rel.source if parent.label is None else (parent.label,)


def _link_through(rel: Relationship, parent: ReadNode) -> Link:
    assert rel.junction is not None
    joint = (rel.source[0], rel.junction.relation[1])
    target = (rel.source[0], rel.target[1])
    own = _parent_qualifier(rel, parent)
    far = (ColumnEquality(joint, there, target, here) for here, there in rel.junction.target_columns)
    near = (ColumnEquality(joint, there, own, here) for here, there in rel.junction.source_columns)
    return Link(False, (*far, *near), rel.junction.relation)


def restrict_rows(node: ReadNode, most: int | None) -> ReadNode:
    """Cut every node to its rows, and to ``most`` of them where that is configured."""
    rows = NO_ROWS if node.rows.limit_zero else _restrict(node.rows, most)
    children = tuple(restrict_rows(child, most) for child in node.children)
    return replace(node, page=make_page(rows), children=children)


def _restrict(rows: RowRange, most: int | None) -> RowRange:
    return rows if most is None else intersect(rows, RowRange(rows.first, rows.first + most - 1))


def make_page(rows: RowRange) -> Page | None:
    """``rows`` as LIMIT and OFFSET; None for all of them.

    PostgreSQL plans a statement anew for each page whose size it cannot see, unless it expects no better of
    it; so the usual sizes, and the first row, are part of the shape. Any other is a value, or else each
    would be a statement of its own.
    """
    if rows == ALL_ROWS:
        return None
    limit: Value | int | None = rows.limit
    if limit is not None and limit not in _USUAL_LIMITS:
        limit = Value(str(limit))
    return Page(limit, Value(str(rows.first)) if rows.first else None)


def names(nodes: Iterable[ReadNode]) -> dict[str, ReadNode]:
    """The nodes by what the request calls them; of equal names the first."""
    found: dict[str, ReadNode] = {}
    for node in nodes:
        found.setdefault(node.key, node)
    return found

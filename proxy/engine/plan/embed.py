"""Passes that settle what an embedding tree puts out: stars, aliases, null filters, spreads, aggregates.

Each pass takes a tree and gives a tree. Source: PostgREST 14, reference 2.4 to 2.6, 3.7 and 3.8.
"""

from collections.abc import Iterator
from dataclasses import replace

from proxy.engine.parse.syntax import Field, SelectField
from proxy.engine.plan.resolve import Scope, resolve_output
from proxy.engine.plan.tree import SOURCE, names, not_embedded
from proxy.engine.plan.types import (
    ChildOutput,
    EmbedOutput,
    Group,
    HasNone,
    Is,
    Operand,
    Output,
    Predicate,
    ReadNode,
    Sort,
    SpreadColumn,
    SpreadOutput,
    Where,
)
from proxy.engine.schema import Schema
from proxy.errors import ApiError


def expand_stars(
    node: ReadNode, namespace: str, schema: Schema, *, counts_rows: bool, grouped: bool = False
) -> ReadNode:
    """Name every column where ``*`` would not do: under aggregates, in to-many spreads, with formatters.

    ``counts_rows``: what a spread counts is its row as one value.
    """
    grouped = grouped or node.spread_to_many or any(output.aggregate for output in node.select)
    relation = node.relation
    if relation == ("", SOURCE) and node.label is not None:
        relation = (namespace, node.label)
    scope = Scope(schema, relation)
    if grouped or any(scope.formatter(name) for name in scope.columns):
        counts_row = counts_rows and node.spread
        select = tuple(part for output in node.select for part in _expand(output, counts_row, scope))
        node = replace(node, select=select)
    children = (
        expand_stars(child, namespace, schema, counts_rows=counts_rows, grouped=grouped)
        for child in node.children
    )
    return replace(node, children=tuple(children))


def _expand(output: Output, counts_row: bool, scope: Scope) -> Iterator[Output]:
    star = output.operand.name == "*" and not output.operand.path
    if star and output.aggregate is None:
        for name in scope.columns:
            expanded = resolve_output(SelectField(Field(name)), scope)
            yield replace(expanded, cast=output.cast, alias=expanded.alias or output.alias)
    elif star and counts_row and output.aggregate == "count":
        yield replace(output, operand=replace(output.operand, whole_row=True))
    else:
        yield output


def name_spread_aggregates(node: ReadNode) -> ReadNode:
    """Name the aggregates of a spread, so that its parent can refer to them."""
    select = node.select
    if node.spread:
        select = tuple(
            replace(output, alias=output.aggregate) if output.aggregate and output.alias is None else output
            for output in select
        )
    return replace(node, select=select, children=tuple(map(name_spread_aggregates, node.children)))


def relate_orders(node: ReadNode) -> ReadNode:
    """Point related orders at the embedded node they name. Raises ApiError PGRST108 and PGRST118."""
    embedded = names(node.children)

    def relate(sort: Sort) -> Sort:
        if sort.embed is None:
            return sort
        child = embedded.get(sort.embed)
        if child is None:
            raise not_embedded(sort.embed)
        if child.link is None or not child.link.to_one:
            details = (
                f"'{node.relation[1]}' and '{child.key}' do not form a many-to-one or one-to-one relationship"
            )
            raise ApiError(400, "PGRST118", f"A related order on '{child.key}' is not possible", details)
        return replace(sort, embed=child.embed)

    order = tuple(map(relate, node.order))
    return replace(node, order=order, children=tuple(map(relate_orders, node.children)))


def refuse_many_spreads(node: ReadNode) -> None:
    """Raises ApiError PGRST119 if a to-many resource is spread, which came with PostgREST 13."""
    for child in node.children:
        if child.spread_to_many:
            origin = node.label if node.relation == ("", SOURCE) else node.relation[1]
            details = f"'{origin}' and '{child.name}' do not form a many-to-one or one-to-one relationship"
            raise ApiError(400, "PGRST119", f"A spread operation on '{child.name}' is not possible", details)
        refuse_many_spreads(child)


def refuse_empty_spreads(node: ReadNode) -> None:
    """Raises ApiError 42601 as PostgreSQL did while an empty spread left a gap in the select list."""
    filled = [True] * len(node.select)
    for output in node.children_outputs:
        if isinstance(output, SpreadOutput):
            filled.append(bool(output.columns))
        elif not output.empty:
            filled.append(True)
    if len(filled) > 1 and not all(filled):
        found = "FROM" if all(filled[:-1]) else ","
        raise ApiError(400, "42601", f'syntax error at or near "{found}"')
    for child in node.children:
        refuse_empty_spreads(child)


def find_null_filters(node: ReadNode) -> ReadNode:
    """Turn ``is.null`` on an embedded node into a test of whether it has rows."""
    embedded = names(node.children)

    def convert(condition: Where) -> Where:
        match condition:
            case Group(operator, members, negated):
                return Group(operator, tuple(map(convert, members)), negated)
            case Predicate(operand, Is("null"), negated) if not operand.path and operand.name in embedded:
                return HasNone(embedded[operand.name].embed, negated)
            case _:
                return condition

    where = tuple(map(convert, node.where))
    return replace(node, where=where, children=tuple(map(find_null_filters, node.children)))


def add_outputs(node: ReadNode) -> ReadNode:
    """Decide what each embedded node adds to its parent's columns."""
    children = tuple(map(add_outputs, node.children))
    return replace(node, children=children, children_outputs=tuple(map(_make_output, children)))


def _make_output(child: ReadNode) -> ChildOutput:
    if child.spread:
        return SpreadOutput(child.embed, tuple(_spread(child)))
    assert child.link is not None
    return EmbedOutput(child.embed, child.key, child.link.to_one, _is_empty(child))


def _is_empty(node: ReadNode) -> bool:
    return not node.select and all(map(_is_empty, node.children))


def _spread(child: ReadNode) -> Iterator[SpreadColumn]:
    for output in child.select:
        yield SpreadColumn(output.name)
    for inner in child.children_outputs:
        if isinstance(inner, EmbedOutput):
            yield SpreadColumn(inner.key)
        else:
            yield from inner.columns


def refuse_aggregates(node: ReadNode) -> None:
    """Raises ApiError PGRST123 if there is an aggregate anywhere."""
    if any(output.aggregate for output in node.select):
        raise ApiError(400, "PGRST123", "Use of aggregate functions is not allowed")
    for child in node.children:
        refuse_aggregates(child)


_Hoisted = dict[tuple[str, str], Output]
"""Aggregates taken out of a spread, by its alias and the column's name."""


def hoist_aggregates(node: ReadNode) -> ReadNode:
    """Move aggregates of to-one spreads up to the first ancestor that is no such spread."""
    return _hoist(node)[0]


def _hoist(node: ReadNode) -> tuple[ReadNode, _Hoisted]:
    children, found = [], {}
    for child in node.children:
        hoisted, below = _hoist(child)
        children.append(hoisted)
        found.update(below)
    node = replace(node, children=tuple(children))
    if not node.spread or node.spread_to_many:
        outputs = tuple(_aggregate(output, found) for output in node.children_outputs)
        return replace(node, children_outputs=outputs), {}
    own = {(node.embed, output.name): output for output in node.select if output.aggregate}
    own.update({(node.embed, name): output for (_, name), output in found.items()})
    select = tuple(replace(output, aggregate=None, aggregate_cast=None) for output in node.select)
    return replace(node, select=select), own


def hoist_aggregates_once(node: ReadNode) -> ReadNode:
    """Move aggregates of spreads up to their parent, as PostgREST did up to 12."""
    return _hoist_once(node)[0]


def _hoist_once(node: ReadNode) -> tuple[ReadNode, _Hoisted]:
    hoisted = [_hoist_once(child) for child in node.children]
    found = {key: output for _, below in hoisted for key, output in below.items()}
    outputs = tuple(_aggregate(output, found) for output in node.children_outputs)
    node = replace(node, children=tuple(child for child, _ in hoisted), children_outputs=outputs)
    if not node.spread:
        return node, {}
    own = {(node.embed, output.name): output for output in reversed(node.select) if output.aggregate}
    select = tuple(replace(output, aggregate=None, aggregate_cast=None) for output in node.select)
    return replace(node, select=select), own


def _aggregate(output: ChildOutput, found: _Hoisted) -> ChildOutput:
    if isinstance(output, EmbedOutput):
        return output
    columns = []
    for column in output.columns:
        hoisted = found.get((output.embed, column.name))
        if hoisted is not None:
            column = SpreadColumn(column.name, hoisted.alias, hoisted.aggregate, hoisted.aggregate_cast)
        columns.append(column)
    return replace(output, columns=tuple(columns))


def order_spreads(node: ReadNode) -> ReadNode:
    """Move the order of a to-many spread into the arrays it makes. Raises ApiError PGRST127."""
    if node.spread_to_many:
        inner = (output.columns for output in node.children_outputs if isinstance(output, SpreadOutput))
        if any(output.aggregate for output in node.select) or any(
            column.aggregate for columns in inner for column in columns
        ):
            details = "Aggregates are not implemented for one-to-many or many-to-many spreads."
            raise ApiError(400, "PGRST127", "Feature not implemented", details)
        extra, order = [], []
        for number, sort in enumerate(node.order, 1):
            alias = f"{node.embed}_{sort.operand.name}_{number}"
            extra.append(Output(sort.operand, alias, embed=sort.embed))
            order.append(Sort(Operand(alias), sort.descending, sort.nulls_first))
        node = replace(node, order=(), spread_select=tuple(extra), spread_order=tuple(order))
    return replace(node, children=tuple(map(order_spreads, node.children)))

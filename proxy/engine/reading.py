"""What a request promises about its rows, as the plan and the catalog's keys tell.

Which rows tie is told by the values of the columns they are ordered by; so these have to stand in the
answer, and their type has to show as equal what it takes for equal.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from proxy.config import EngineConfig
from proxy.engine.parse.request import parse_request
from proxy.engine.plan.make import make_plan
from proxy.engine.plan.types import (
    Compare,
    EmbedOutput,
    Group,
    Operand,
    Output,
    Page,
    Predicate,
    ReadNode,
    SpreadOutput,
    Value,
    Where,
)
from proxy.engine.plan.whole import Plan
from proxy.engine.schema import Relation, Schema
from proxy.errors import ApiError, Unsupported
from proxy.messages import Request
from proxy.reading import BOUND, Order, Reading

_TELLING = frozenset(
    {
        *("smallint", "integer", "bigint", "numeric", "real", "double precision", "boolean", "uuid", "date"),
        *("text", "character varying", "bytea", "time without time zone"),
        *("timestamp without time zone", "timestamp with time zone"),
    }
)
"""Types whose values, when equal, are written alike but for trailing zeros (and, besides these, enums)."""

_NO_RELATION = Relation("", "", {})


def describe_reading(request: Request, options: EngineConfig, schema: Schema) -> Reading:
    """What ``request`` promises; ``BOUND`` for what is in error or gives no rows. Never raises."""
    try:
        wanted = parse_request(request, options)
        if wanted.resource == "root" or wanted.action == "info":
            return BOUND
        return describe_plan(make_plan(wanted, schema, options), schema)
    except (ApiError, Unsupported, RecursionError):
        return BOUND


def describe_plan(plan: Plan, schema: Schema) -> Reading:
    """What ``plan`` promises. A function's rows have the function's own order unless another is asked for."""
    function = plan.function
    if function is None:
        return _describe(plan.shape.root, schema)
    rows = schema.relations.get((function.schema, function.returns[1])) if function.composite else None
    reading = _describe(plan.shape.root, schema, rows or _NO_RELATION)
    order: Order = reading.order if plan.shape.root.order else "bound"
    return replace(reading, order=order, repeatable=function.volatility != "volatile")


def _describe(node: ReadNode, schema: Schema, called: Relation | None = None) -> Reading:
    """The rows of ``node``; ``called`` is the relation whose type they have, where a function gives them."""
    relation = called or schema.relations.get(node.relation, _NO_RELATION)
    terms = _terms(node)
    shown = _shown(node, relation)
    ordered = {term.name for term in terms if _is_column(term)}
    unique = () if called is not None else _unique(node, relation)
    pinned = {*_pinned(node.where), *_linked(node)}
    inside, spreads = _nested(node, schema)
    offset, limit = _page(node.page)
    order: Order = "partial" if terms else "open"
    if any(set(key) <= ordered | pinned for key in unique):
        order = "bound"
    ties = _ties(terms, relation, shown) if order == "partial" else None
    return Reading(order, ties, _key(relation, shown), offset, limit, inside, spreads)


def _terms(node: ReadNode) -> list[Operand]:
    """What ``node`` is ordered by; a column of another node is something that cannot be told here."""
    if node.spread_to_many:
        return [Operand("") if output.embed else output.operand for output in node.spread_select]
    return [Operand("") if sort.embed else sort.operand for sort in node.order]


def _is_column(operand: Operand) -> bool:
    return not operand.path and not operand.vector and not operand.whole_row


def _shown(node: ReadNode, relation: Relation) -> dict[str, str]:
    """The columns of ``node`` that the answer shows as they are, by the name that it gives them."""
    names: dict[str, str] = {}
    outputs = node.select or (() if node.children else (Output(Operand("*")),))
    clashing: set[str] = set()
    taken = {name for output in node.children_outputs for name in _names_of(output)}
    for output in outputs:
        operand = output.operand
        if operand.name == "*":
            found = {name: name for name in relation.columns}
        elif output.cast or output.aggregate or operand.formatter or operand.path:
            taken.add(output.name)
            continue
        else:
            found = {operand.name: output.name}
        for column, name in found.items():
            if name in taken:
                clashing.add(name)
            taken.add(name)
            names.setdefault(column, name)
    return {column: name for column, name in names.items() if name not in clashing}


def _names_of(output: EmbedOutput | SpreadOutput) -> Iterator[str]:
    if isinstance(output, EmbedOutput):
        if not output.empty:
            yield output.key
    else:
        yield from _spread_names(output)


def _spread_names(output: SpreadOutput) -> Iterator[str]:
    for column in output.columns:
        yield column.alias or column.aggregate or column.name


def _ties(terms: list[Operand], relation: Relation, shown: dict[str, str]) -> tuple[str, ...] | None:
    names = []
    for term in terms:
        column = relation.columns.get(term.name)
        telling = column is not None and column.told_apart and (column.type in _TELLING or column.enum)
        if not telling or not _is_column(term) or term.name not in shown:
            return None
        names.append(shown[term.name])
    return tuple(names)


def _unique(node: ReadNode, relation: Relation) -> tuple[tuple[str, ...], ...]:
    """The keys that no two rows of ``node`` share: none where rows are made by grouping or a function."""
    if _is_grouped(node) or (node.link is not None and node.link.function is not None):
        return ()
    return relation.unique


def _is_grouped(node: ReadNode) -> bool:
    return any(output.aggregate for output in node.select) or any(
        column.aggregate
        for output in node.children_outputs
        if isinstance(output, SpreadOutput)
        for column in output.columns
    )


def _key(relation: Relation, shown: dict[str, str]) -> tuple[str, ...]:
    """The first key that the answer shows whole, by its names there."""
    for key in (*relation.unique, relation.key):
        if key and all(column in shown for column in key):
            return tuple(shown[column] for column in key)
    return ()


def _pinned(conditions: Iterable[Where]) -> Iterator[str]:
    """The columns that can have one value only."""
    for condition in conditions:
        match condition:
            case Predicate(operand, Compare("eq", _, None), negated=False) if _is_column(operand):
                yield operand.name
            case Group("and", members, negated=False):
                yield from _pinned(members)


def _linked(node: ReadNode) -> Iterator[str]:
    """The columns of an embedded node that are the same for every row of one parent."""
    link = node.link
    if link is None or link.junction is not None:
        return
    for pair in link.equalities:
        if pair.one == node.qualifier:
            yield pair.column


def _nested(
    node: ReadNode, schema: Schema
) -> tuple[tuple[tuple[str, Reading], ...], tuple[tuple[tuple[str, ...], Reading], ...]]:
    children = {child.embed: child for child in reversed(node.children)}
    inside: list[tuple[str, Reading]] = []
    spreads: list[tuple[tuple[str, ...], Reading]] = []
    for output in node.children_outputs:
        child = children[output.embed]
        reading = _describe(child, schema)
        if isinstance(output, EmbedOutput):
            inside.append((output.key, reading))
        elif child.spread_to_many:
            spreads.append((tuple(_spread_names(output)), reading))
        else:
            inside += reading.inside
            spreads += reading.spreads
    return tuple(inside), tuple(spreads)


def _page(page: Page | None) -> tuple[int, int | None]:
    if page is None:
        return 0, None
    limit = int(page.limit.text) if isinstance(page.limit, Value) else page.limit
    return 0 if page.offset is None else int(page.offset.text), limit

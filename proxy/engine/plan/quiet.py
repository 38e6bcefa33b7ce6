"""Which reads run nothing but what is built in, so that nobody can see what is set for their request.

PostgREST tells PostgreSQL of every request: its method, path, headers, cookies, claims. Only functions look
at that, those of policies and views among them. Where none is reached it need not be told.
"""

from collections.abc import Iterator
from typing import Any

from proxy.engine.plan.types import (
    Compare,
    Member,
    Operand,
    Output,
    ReadNode,
    Sort,
    SpreadColumn,
    walk,
)
from proxy.engine.plan.whole import CsvBody, JsonBody, NoBody, Quiet, Shape
from proxy.engine.schema import Relation, Schema

CALLED = frozenset(
    {"avg", "count", "max", "min", "sum", "current_setting", "json_agg", "json_object_keys"}
    | {"json_strip_nulls", "length", "phraseto_tsquery", "plainto_tsquery", "row_security_active"}
    | {"row_to_json", "string_agg", "substring", "to_jsonb", "to_tsquery", "to_tsvector"}
    | {"websearch_to_tsquery"}
)
"""The functions that statements call by a mere name. PostgreSQL could find somebody's that is called so."""


def find_quiet(shape: Shape, schema: Schema) -> Quiet:
    """The relations that ``shape`` reads, if all of it is built in; else nothing."""
    bare = shape.source is None and shape.explain is None
    if not bare or not isinstance(shape.body, JsonBody | CsvBody | NoBody):
        return ()
    found = {}
    for node in _nodes(shape.root):
        names = [node.relation]
        if node.link is not None and node.link.junction is not None:
            names.append(node.link.junction)
        relations = [schema.relations.get(name) for name in names]
        if not _is_bare(node, relations[0]):
            return ()
        for name, relation in zip(names, relations, strict=True):
            if relation is None or relation.quiet is None:
                return ()
            found[name] = relation.quiet
    return tuple(sorted(found.items()))


def _nodes(node: ReadNode) -> Iterator[ReadNode]:
    yield node
    for child in node.children:
        yield from _nodes(child)


def _is_bare(node: ReadNode, relation: Relation | None) -> bool:
    """Whether ``node`` names columns only: what is none may be a function of the row."""
    if relation is None or (node.link is not None and node.link.function is not None):
        return False
    own = (node.select, node.children_outputs, node.where, node.order, node.spread_select, node.spread_order)
    return all(_is_built_in(part, relation) for part in walk(own))


def _is_built_in(part: Any, relation: Relation) -> bool:
    match part:
        case Operand():
            known = part.name == "*" or part.name in relation.columns
            return known and part.formatter is None and not part.whole_row
        case Output():
            return part.cast is None and part.aggregate_cast is None and part.embed is None
        case SpreadColumn():
            return part.aggregate_cast is None
        case Sort():
            return part.embed is None
        case Compare() | Member():
            return part.parser is None
        case _:
            return True

"""Whether the schema has changed for one relation or function: a digest of what the engine knows of it."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace

from proxy.engine.schema import QualifiedName, Relation, Relationship, Schema


def fingerprint_relation(schema: Schema, name: QualifiedName) -> str:
    """The digest of a relation, its relationships, and the relations at their other ends.

    Descriptions are left out: no read depends on them.
    """
    return _digest(_describe(schema, name))


def fingerprint_function(schema: Schema, name: QualifiedName) -> str:
    """The digest of every overload of a function, and of the relations whose rows they give."""
    parts = []
    for function in schema.functions.get(name, ()):
        parts.append(repr(replace(function, description=None)))
        if function.composite:
            parts.extend(_describe(schema, function.returns))
    return _digest(parts)


def _describe(schema: Schema, name: QualifiedName) -> Iterator[str]:
    yield _describe_relation(schema.relations.get(name))
    for (source, target_schema), found in sorted(schema.relationships.items()):
        if source != name:
            continue
        for one in sorted(found, key=repr):
            yield f"{target_schema} {one!r}"
            yield _describe_relation(schema.relations.get(one.target))
            if isinstance(one, Relationship) and one.junction is not None:
                yield _describe_relation(schema.relations.get(one.junction.relation))


def _describe_relation(relation: Relation | None) -> str:
    if relation is None:
        return ""
    columns = [replace(column, description=None) for column in relation.columns.values()]
    return repr((relation.schema, relation.name, columns, relation.key, relation.view))


def _digest(parts: "Iterator[str] | list[str]") -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]

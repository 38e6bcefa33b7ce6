"""Find the relation and relationships that a request names. Source: PostgREST 14, reference 3.2 to 3.4."""

from collections.abc import Iterable

from proxy.engine.dialect import Dialect
from proxy.engine.fuzzy import find_similar
from proxy.engine.schema import (
    AnyRelationship,
    ComputedRelationship,
    Relation,
    Relationship,
    Schema,
)
from proxy.errors import ApiError, Json

_RELATIONSHIP_SIMILARITY = 0.33


def find_relation(schema: Schema, namespace: str, name: str, dialect: Dialect) -> Relation:
    """The relation of that name. Raises ApiError PGRST205, with a hint at a similar name."""
    relation = schema.relations.get((namespace, name))
    if relation is not None:
        return relation
    names = [known for space, known in schema.relations if space == namespace]
    most = dialect.most_relations_for_hints
    similar = find_similar(name, names, dialect.name_similarity) if most is None or len(names) < most else []
    hint = f"Perhaps you meant the table '{namespace}.{similar[0][1]}'" if similar else None
    message = f"Could not find the table '{namespace}.{name}' in the schema cache"
    raise ApiError(404, "PGRST205", message, None, hint)


def find_relationship(
    schema: Schema, namespace: str, origin: str, target: str, hint: str | None
) -> AnyRelationship:
    """The one relationship that ``origin?select=target!hint(…)`` means.

    Raises ApiError PGRST200 where there is none, PGRST201 where there are several.
    """
    known = schema.relationships.get(((namespace, origin), namespace), ())
    found = [rel for rel in known if _matches(rel, target, hint)]
    if not found:
        raise _not_found(schema, namespace, origin, target, hint)
    if len(found) > 1:
        raise _ambiguous(origin, target, [rel for rel in found if isinstance(rel, Relationship)])
    return found[0]


def _matches(rel: AnyRelationship, target: str, hint: str | None) -> bool:
    if isinstance(rel, ComputedRelationship):
        return target == rel.function[1]
    by_name = target == rel.target[1]
    if rel.reflexive:
        if hint is not None:
            return by_name and rel.cardinality == "one-to-many" and _other_column(rel) == hint
        if rel.cardinality == "one-to-many":
            return by_name
        return rel.cardinality == "many-to-one" and _own_column(rel) == target
    if hint is None:
        return by_name or (not rel.target_view and target in (_constraint(rel), _own_column(rel)))
    junction = rel.junction.relation[1] if rel.junction else None
    return by_name and hint in (_constraint(rel), _own_column(rel), _other_column(rel), junction)


def _constraint(rel: Relationship) -> str | None:
    return None if rel.junction else rel.constraint


def _own_column(rel: Relationship) -> str | None:
    return rel.columns[0][0] if len(rel.columns) == 1 else None


def _other_column(rel: Relationship) -> str | None:
    return rel.columns[0][1] if len(rel.columns) == 1 else None


def _not_found(schema: Schema, namespace: str, origin: str, target: str, hint: str | None) -> ApiError:
    using = f" using the hint '{hint}'" if hint is not None else ""
    return ApiError(
        400,
        "PGRST200",
        f"Could not find a relationship between '{origin}' and '{target}' in the schema cache",
        f"Searched for a foreign key relationship between '{origin}' and '{target}'{using} "
        f"in the schema '{namespace}', but no matches were found.",
        _suggest(schema, namespace, origin, target),
    )


def _suggest(schema: Schema, namespace: str, origin: str, target: str) -> str | None:
    related = schema.relationships.get(((namespace, origin), namespace))
    if related is None:
        origins = [source[1] for source, space in schema.relationships if space == namespace]
        similar = find_similar(origin, origins, _RELATIONSHIP_SIMILARITY)
        return f"Perhaps you meant '{similar[0][1]}' instead of '{origin}'." if similar else None
    targets = [rel.target[1] for rel in related]
    for score, name in find_similar(target, targets, _RELATIONSHIP_SIMILARITY):
        # An exact match means that the hint is wrong, not the target.
        if score < 1:
            return f"Perhaps you meant '{name}' instead of '{target}'."
    return None


def _ambiguous(origin: str, target: str, found: list[Relationship]) -> ApiError:
    choices = ", ".join(f"'{rel.target[1]}!{_hint(rel)}'" for rel in found)
    return ApiError(
        300,
        "PGRST201",
        f"Could not embed because more than one relationship was found for '{origin}' and '{target}'",
        [_describe(rel) for rel in found],
        f"Try changing '{target}' to one of the following: {choices}. "
        "Find the desired relationship in the 'details' key.",
    )


def _hint(rel: Relationship) -> str:
    return rel.junction.relation[1] if rel.junction else rel.constraint


def _describe(rel: Relationship) -> dict[str, Json]:
    if rel.junction is not None:
        one = _list(column for _, column in rel.junction.source_columns)
        other = _list(column for _, column in rel.junction.target_columns)
        name, first, second = (
            rel.junction.relation[1],
            rel.junction.source_constraint,
            rel.junction.target_constraint,
        )
        text = f"{name} using {first}{one} and {second}{other}"
    else:
        own = _list(column for column, _ in rel.columns)
        other = _list(column for _, column in rel.columns)
        text = f"{rel.constraint} using {rel.source[1]}{own} and {rel.target[1]}{other}"
    embedding = f"{rel.source[1]} with {rel.target[1]}"
    return {"cardinality": rel.cardinality, "embedding": embedding, "relationship": text}


def _list(columns: Iterable[str]) -> str:
    return f"({', '.join(columns)})"

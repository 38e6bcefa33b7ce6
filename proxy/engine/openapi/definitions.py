"""Relations as objects with properties. Source: PostgREST 14, reference 11.5."""

from collections.abc import Iterable, Iterator

from proxy.config import Compat
from proxy.engine.openapi.defaults import parse_default
from proxy.engine.openapi.render import Value, omit_absent
from proxy.engine.openapi.types import find_element, find_format, find_type
from proxy.engine.schema import AnyRelationship, Column, Parameter, Relation, Relationship


def make_definition(
    relation: Relation, relationships: Iterable[AnyRelationship], compat: Compat
) -> dict[str, Value]:
    """The entry of ``relation`` in ``definitions``.

    ``relationships`` are those of the relation to others of its schema, in the order of the cache.
    """
    # The sort is stable: tables before views, otherwise in the order of the cache.
    detected = sorted(
        (rel for rel in relationships if isinstance(rel, Relationship)), key=lambda rel: rel.target_view
    )
    columns = relation.columns.values()
    return omit_absent(
        {
            "description": relation.description,
            "required": [column.name for column in columns if not column.nullable] or None,
            "properties": {
                column.name: _make_property(relation, column, detected, compat) for column in columns
            }
            or None,
            "type": "object",
        }
    )


def make_arguments(
    parameters: Iterable[Parameter], description: str | None, compat: Compat
) -> dict[str, Value]:
    """The object that a function takes as a body; ``description`` is its whole comment."""
    ordered = tuple(parameters)
    properties = {
        parameter.name: omit_absent(
            {
                "format": find_format(parameter.type, compat),
                "items": make_items(parameter.type),
                "type": find_type(parameter.type),
            }
        )
        for parameter in sorted(ordered, key=lambda parameter: parameter.name)
    }
    return omit_absent(
        {
            "description": description,
            "properties": properties or None,
            "required": [parameter.name for parameter in ordered if parameter.required] or None,
            "type": "object",
        }
    )


def make_items(type: str) -> dict[str, Value] | None:
    """What the elements of a value of ``type`` are, if it is an array."""
    if find_type(type) != "array":
        return None
    return omit_absent({"type": find_type(find_element(type))})


def _make_property(
    relation: Relation, column: Column, relationships: Iterable[Relationship], compat: Compat
) -> dict[str, Value]:
    default = None if column.default is None else parse_default(column.type, column.default)
    return omit_absent(
        {
            "default": default,
            "description": _describe(relation, column, relationships),
            "enum": column.enum or None,
            "format": find_format(column.type, compat),
            "items": make_items(column.type),
            "maxLength": column.max_length,
            "type": find_type(column.type),
        }
    )


def _describe(relation: Relation, column: Column, relationships: Iterable[Relationship]) -> str | None:
    notes = "\n".join(_note_keys(relation, column, relationships))
    if not notes:
        return column.description
    comment = "" if column.description is None else f"{column.description}\n\n"
    return f"{comment}Note:\n{notes}"


def _note_keys(relation: Relation, column: Column, relationships: Iterable[Relationship]) -> Iterator[str]:
    if column.name in relation.key:
        yield "This is a Primary Key.<pk/>"
    for relationship in relationships:
        if relationship.to_one and not relationship.parent and _joins(relationship, column):
            (_, table), ((_, other),) = relationship.target, relationship.columns
            yield f"This is a Foreign Key to `{table}.{other}`.<fk table='{table}' column='{other}'/>"
            return


def _joins(relationship: Relationship, column: Column) -> bool:
    """Whether ``column`` alone is the relationship's key."""
    return [own for own, _ in relationship.columns] == [column.name]

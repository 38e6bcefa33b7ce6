"""Relations as objects with properties, and functions as the objects that they take."""

from typing import Any

from proxy.engine.openapi.definitions import make_arguments, make_definition
from proxy.engine.schema import ComputedRelationship, Relationship
from tests.engine.openapi.nouns import make_column, make_parameter, make_relation, refer_to


def describe(*relationships: Relationship, key: tuple[str, ...] = (), comment: str | None = None) -> object:
    """The description of the column ``ref`` of a relation with these relationships."""
    relation = make_relation("t", [make_column("ref", description=comment)], key=key)
    definition: Any = make_definition(relation, relationships, "14")
    return definition["properties"]["ref"].get("description")


def test_a_relation_tells_its_comment_what_it_requires_and_its_columns_in_order() -> None:
    columns = [
        make_column("z", "bigint", nullable=False, default="nextval('s'::regclass)"),
        make_column("a", "character varying", max_length=8, default="'x'::character varying"),
        make_column("m", "api.mood", enum=("calm", "wild"), description="How it feels"),
        make_column("l", "jsonb[]"),
        make_column("j", "jsonb"),
    ]
    definition: Any = make_definition(make_relation("t", columns, description="Two\nlines"), (), "14")
    assert definition == {
        "description": "Two\nlines",
        "required": ["z"],
        "properties": {
            "z": {"format": "int64", "type": "integer"},
            "a": {"default": "x", "format": "character varying", "maxLength": 8, "type": "string"},
            "m": {
                "description": "How it feels",
                "enum": ("calm", "wild"),
                "format": "api.mood",
                "type": "string",
            },
            "l": {"format": "jsonb[]", "items": {}, "type": "array"},
            "j": {"format": "jsonb"},
        },
        "type": "object",
    }
    assert list(definition) == ["description", "required", "properties", "type"]
    assert list(definition["properties"]) == ["z", "a", "m", "l", "j"]


def test_a_relation_without_columns_is_an_object_all_the_same() -> None:
    assert make_definition(make_relation("t"), (), "14") == {"type": "object"}


def test_a_default_of_false_is_shown() -> None:
    relation = make_relation("t", [make_column("a", "boolean", default="false")])
    definition: Any = make_definition(relation, (), "14")
    assert definition["properties"]["a"] == {"default": False, "format": "boolean", "type": "boolean"}


def test_keys_are_noted_below_the_comment() -> None:
    primary = "This is a Primary Key.<pk/>"
    foreign = "This is a Foreign Key to `u.id`.<fk table='u' column='id'/>"
    rel = refer_to("t", "ref", "u", "id")
    assert describe(comment="Why") == "Why"
    assert describe(key=("ref",)) == f"Note:\n{primary}"
    assert describe(rel, comment="Why") == f"Why\n\nNote:\n{foreign}"
    assert describe(rel, key=("ref", "x")) == f"Note:\n{primary}\n{foreign}"


def test_a_foreign_key_that_is_unique_is_one_on_the_side_that_refers() -> None:
    refers = refer_to("t", "ref", "u", "id", cardinality="one-to-one")
    assert "`u.id`" in str(describe(refers))
    assert describe(refer_to("t", "ref", "u", "id", cardinality="one-to-one", parent=True)) is None
    assert describe(refer_to("t", "ref", "u", "id", cardinality="one-to-many")) is None


def test_a_foreign_key_points_to_a_table_rather_than_to_a_view_of_it() -> None:
    view = refer_to("t", "ref", "a_view", "id", target_view=True)
    assert "`u.id`" in str(describe(view, refer_to("t", "ref", "u", "id")))
    assert "`a_view.id`" in str(describe(view))


def test_of_several_tables_the_first_of_the_cache_is_named() -> None:
    assert "`u.id`" in str(describe(refer_to("t", "ref", "u", "id"), refer_to("t", "ref", "v", "id")))


def test_keys_of_several_columns_and_computed_relationships_are_not_noted() -> None:
    composite = refer_to("t", "", "u", "", columns=(("ref", "a"), ("other", "b")))
    computed = ComputedRelationship(("api", "t"), ("api", "u"), ("api", "f"), to_one=True)
    relation = make_relation("t", [make_column("ref")])
    definition: Any = make_definition(relation, (composite, computed), "14")
    assert "description" not in definition["properties"]["ref"]


def test_the_arguments_of_a_function_are_in_alphabetical_order_but_for_the_required_ones() -> None:
    parameters = [
        make_parameter("z", "integer"),
        make_parameter("b", "text[]", required=False),
        make_parameter("a", "json"),
    ]
    made: Any = make_arguments(parameters, "All\n\nof it", "13")
    assert made == {
        "description": "All\n\nof it",
        "properties": {
            "a": {"format": "json"},
            "b": {"format": "text[]", "items": {"type": "string"}, "type": "array"},
            "z": {"format": "integer", "type": "integer"},
        },
        "required": ["z", "a"],
        "type": "object",
    }
    assert list(made["properties"]) == ["a", "b", "z"]


def test_a_function_without_arguments_takes_an_empty_object() -> None:
    assert make_arguments((), None, "14") == {"type": "object"}

"""The schema cache as JSON."""

import json

from proxy.engine.schema import (
    Column,
    ComputedRelationship,
    Function,
    Junction,
    MediaHandler,
    Parameter,
    Relation,
    Relationship,
    Schema,
)
from proxy.engine.schema_dump import dump_schema, summarize_schema

ITEMS, TAGS, BOTH = ("api", "items"), ("api", "tags"), ("api", "items_tags")
SCHEMA = Schema(
    relations={
        ITEMS: Relation(*ITEMS, {"id": Column("id", "integer", "integer", False)}, ("id",), insertable=True)
    },
    relationships={
        (ITEMS, "api"): (
            Relationship(ITEMS, TAGS, "many-to-one", "items_tag_fkey", (("tag", "id"),)),
            Relationship(
                ITEMS,
                TAGS,
                "many-to-many",
                junction=Junction(BOTH, "a", "b", (("id", "item"),), (("tag", "id"),)),
            ),
            ComputedRelationship(ITEMS, TAGS, ("api", "best_tag"), True),
        )
    },
    functions={
        ("api", "f"): (
            Function("api", "f", (Parameter("x", "integer", "integer", True),), volatility="stable"),
        )
    },
    representations={("api.colour", "json"): "api.json"},
    handlers={
        (None, "text/x"): MediaHandler(("api", "x"), "text/x"),
        (ITEMS, "a/b"): MediaHandler(ITEMS, "a/b"),
    },
    timezones=frozenset({"UTC", "Africa/Cairo"}),
)


def test_it_has_the_parts_and_names_of_postgrests_dump() -> None:
    dumped = json.loads(dump_schema(SCHEMA))
    assert list(dumped) == [
        "dbMediaHandlers",
        "dbRelationships",
        "dbRepresentations",
        "dbRoutines",
        "dbTables",
        "dbTimezones",
    ]
    ((name, table),) = dumped["dbTables"]
    assert name == {"qiName": "items", "qiSchema": "api"}
    assert (table["tablePKCols"], table["tableInsertable"], table["tableIsView"]) == (["id"], True, False)
    assert table["tableColumns"]["id"]["colNullable"] is False
    ((key, found),) = dumped["dbRelationships"]
    assert key == [name, "api"]
    assert [one["tag"] for one in found] == ["Relationship", "Relationship", "ComputedRelationship"]
    assert found[0]["relCardinality"] == {
        "tag": "M2O",
        "relCons": "items_tag_fkey",
        "relColumns": [["tag", "id"]],
    }
    assert found[1]["relCardinality"]["junTable"] == {"qiName": "items_tags", "qiSchema": "api"}
    ((_, (function,)),) = dumped["dbRoutines"]
    assert (function["pdVolatility"], function["pdParams"][0]["ppName"]) == ("Stable", "x")
    assert dumped["dbRepresentations"] == [[["api.colour", "json"], "api.json"]]
    assert dumped["dbTimezones"] == ["Africa/Cairo", "UTC"]


def test_it_has_no_needless_spaces() -> None:
    assert b'"dbTables":[[{"qiName":"items"' in dump_schema(SCHEMA)


def test_it_is_summed_up() -> None:
    assert summarize_schema(SCHEMA) == (
        "1 Relations, 1 Relationships, 1 RPCs, 1 Domain Representations, 2 Media Type Handlers, 2 Timezones"
    )


def test_nothing_is_dumped_as_nothing() -> None:
    assert json.loads(dump_schema(Schema()))["dbTables"] == []

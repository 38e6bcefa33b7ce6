"""The parameters that operations share."""

from typing import Any

import pytest

from proxy.config import Compat
from proxy.engine.openapi.parameters import make_parameters, name_filters, refer
from tests.engine.openapi.nouns import make_column, make_relation

RELATION = make_relation("a/b", [make_column("id", description="Key"), make_column("c.d")])


def test_every_api_has_the_same_parameters() -> None:
    assert list(make_parameters([], "14")) == [
        *("preferParams", "preferReturn", "preferCount", "preferPost", "select", "on_conflict", "order"),
        *("range", "rangeUnit", "offset", "limit"),
    ]


def test_a_relation_adds_its_body_and_a_filter_for_each_column() -> None:
    parameters: Any = make_parameters([RELATION], "14")
    assert parameters["body.a/b"] == {
        "name": "a/b",
        "description": "a/b",
        "required": False,
        "in": "body",
        "schema": {"$ref": "#/definitions/a/b"},
    }
    assert parameters["rowFilter.a/b.id"] == {
        "name": "id",
        "description": "Key",
        "required": False,
        "in": "query",
        "type": "string",
    }
    assert "description" not in parameters["rowFilter.a/b.c.d"]


def test_what_refers_to_a_filter_names_it_as_it_is_defined() -> None:
    assert name_filters(RELATION) == ["rowFilter.a/b.id", "rowFilter.a/b.c.d"]
    assert refer(["select"]) == [{"$ref": "#/parameters/select"}]
    assert set(name_filters(RELATION)) <= make_parameters([RELATION], "14").keys()


@pytest.mark.parametrize(
    ("compat", "values"), [("12", ("params=single-object",)), ("13", None), ("14", None)]
)
def test_only_12_knows_a_preference_about_parameters(compat: Compat, values: tuple[str, ...] | None) -> None:
    parameters: Any = make_parameters([], compat)
    assert parameters["preferParams"].get("enum") == values

"""Relations and functions as paths with operations."""

from typing import Any

import pytest

from proxy.config import Compat
from proxy.engine.openapi.paths import make_function_path, make_relation_path, split_comment
from tests.engine.openapi.nouns import make_column, make_function, make_parameter, make_relation


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        (None, (None, None)),
        ("One line", ("One line", "")),
        ("First\nsecond\nthird", ("First", "second\nthird")),
        ("First\n\n\nsecond\n", ("First", "second\n")),
        ("\nsecond", ("", "second")),
    ],
)
def test_the_first_line_of_a_comment_is_apart_from_the_rest(
    comment: str | None, expected: tuple[str | None, str | None]
) -> None:
    assert split_comment(comment) == expected


def test_a_relation_that_nothing_changes_can_only_be_read() -> None:
    path: Any = make_relation_path(make_relation("t", [make_column("id")], description="A\nB"))
    assert path == {
        "get": {
            "description": "B",
            "parameters": [
                {"$ref": f"#/parameters/{name}"}
                for name in (
                    *("rowFilter.t.id", "select", "order", "range", "rangeUnit", "offset", "limit"),
                    "preferCount",
                )
            ],
            "responses": {
                "200": {
                    "description": "OK",
                    "schema": {"items": {"$ref": "#/definitions/t"}, "type": "array"},
                },
                "206": {"description": "Partial Content"},
            },
            "summary": "A",
            "tags": ["t"],
        }
    }


@pytest.mark.parametrize("way", ["insertable", "updatable", "deletable"])
def test_a_relation_that_takes_one_kind_of_change_is_offered_all(way: str) -> None:
    path: Any = make_relation_path(make_relation("t", [make_column("id")], **{way: True}))
    assert list(path) == ["get", "post", "delete", "patch"]
    names = {
        method: [reference["$ref"].removeprefix("#/parameters/") for reference in operation["parameters"]]
        for method, operation in path.items()
    }
    assert names["post"] == ["body.t", "select", "preferPost"]
    assert names["patch"] == ["rowFilter.t.id", "body.t", "preferReturn"]
    assert names["delete"] == ["rowFilter.t.id", "preferReturn"]
    assert path["post"]["responses"] == {"201": {"description": "Created"}}
    assert path["patch"]["responses"] == path["delete"]["responses"] == {"204": {"description": "No Content"}}


def test_a_comment_of_one_line_leaves_no_description() -> None:
    path: Any = make_relation_path(make_relation("t", description="One line"))
    assert path["get"]["summary"] == "One line"
    assert "description" not in path["get"]


@pytest.mark.parametrize(
    ("volatility", "compat", "methods"),
    [
        ("volatile", "14", ["post"]),
        ("volatile", "13", ["post"]),
        ("volatile", "12", ["get", "post"]),
        ("stable", "14", ["get", "post"]),
        ("immutable", "14", ["get", "post"]),
    ],
)
def test_since_13_a_volatile_function_is_not_offered_by_get(
    volatility: str, compat: Compat, methods: list[str]
) -> None:
    assert list(make_function_path(make_function("f", volatility=volatility), compat)) == methods


def test_parameters_of_a_function_stand_in_the_query_with_arrays_and_json_as_text() -> None:
    function = make_function(
        "f",
        make_parameter("n", "bigint"),
        make_parameter("list", "integer[]", required=False),
        make_parameter("doc", "jsonb"),
    )
    path: Any = make_function_path(function, "14")
    assert path["get"]["parameters"] == [
        {"format": "int64", "in": "query", "name": "n", "required": True, "type": "integer"},
        {"format": "integer[]", "in": "query", "name": "list", "required": False, "type": "string"},
        {"format": "jsonb", "in": "query", "name": "doc", "required": True, "type": "string"},
    ]
    assert path["get"]["tags"] == path["post"]["tags"] == ["(rpc) f"]
    assert path["post"]["parameters"][1:] == [{"$ref": "#/parameters/preferParams"}]


@pytest.mark.parametrize(
    ("type", "items"),
    [
        ("integer[]", {"format": "int32", "type": "integer"}),
        ("json[]", {"format": "json"}),
    ],
)
def test_a_variadic_parameter_is_repeated(type: str, items: dict[str, str]) -> None:
    path: Any = make_function_path(make_function("f", make_parameter("v", type, variadic=True)), "14")
    assert path["get"]["parameters"] == [
        {
            "collectionFormat": "multi",
            "in": "query",
            "items": items,
            "name": "v",
            "required": True,
            "type": "array",
        }
    ]


def test_without_parameters_there_is_no_list_of_them() -> None:
    path: Any = make_function_path(make_function("f"), "14")
    assert "parameters" not in path["get"]

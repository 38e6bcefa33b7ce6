"""PostgreSQL's types in Swagger's words."""

import pytest

from proxy.config import Compat
from proxy.engine.openapi.types import find_element, find_format, find_type


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("text", "string"),
        ("character varying", "string"),
        ("boolean", "boolean"),
        ("bigint", "integer"),
        ("double precision", "number"),
        ("timestamp with time zone", "string"),
        ("other.kit_state", "string"),
        ("integer[]", "array"),
        ("json[]", "array"),
        ("json", None),
        ("jsonb", None),
        # A type of the user's own is not the built-in one of the same name.
        ("other.integer", "string"),
    ],
)
def test_every_type_has_a_word_but_json_which_may_be_anything(name: str, expected: str | None) -> None:
    assert find_type(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"), [("smallint", "int32"), ("integer", "int32"), ("bigint", "int64")]
)
def test_integers_have_swagger_formats_since_14(name: str, expected: str) -> None:
    assert find_format(name, "14") == expected
    assert find_format(name, "13") == name
    assert find_format(name, "12") == name


@pytest.mark.parametrize("compat", ["12", "13", "14"])
@pytest.mark.parametrize("name", ["numeric", "integer[]", "zoo.mood", "uuid"])
def test_the_format_of_all_others_is_their_name(name: str, compat: Compat) -> None:
    assert find_format(name, compat) == name


def test_an_element_is_what_stands_before_the_brackets() -> None:
    assert find_element("zoo.mood[]") == "zoo.mood"

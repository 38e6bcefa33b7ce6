"""The grammar of ``select``, ``order`` and ``columns``: which text gives which nouns (reference 1.7, 1.8)."""

import pytest

from proxy.engine.parse import grammar
from proxy.engine.parse.parsec import parse
from proxy.engine.parse.syntax import Field, OrderTerm, SelectItem
from tests.engine.parse.nouns import STAR, embed, field, item, refuses

# Order, reference 1.8


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("id", [OrderTerm(Field("id"))]),
        ("id.asc", [OrderTerm(Field("id"), descending=False)]),
        ("id.desc", [OrderTerm(Field("id"), descending=True)]),
        ("id.nullsfirst", [OrderTerm(Field("id"), None, nulls_first=True)]),
        ("id.nullslast", [OrderTerm(Field("id"), None, nulls_first=False)]),
        ("id.desc.nullsfirst", [OrderTerm(Field("id"), True, True)]),
        ("id.asc.nullslast", [OrderTerm(Field("id"), False, False)]),
        ("a,b.desc", [OrderTerm(Field("a")), OrderTerm(Field("b"), True)]),
        (" a , b ", [OrderTerm(Field("a")), OrderTerm(Field("b"))]),
        ('"a.b".desc', [OrderTerm(Field("a.b"), True)]),
        ("data->k.desc", [OrderTerm(field("data", "->k"), True)]),
        ("data->0", [OrderTerm(field("data", "->+0"))]),
        ("data->>0.asc", [OrderTerm(field("data", "->>+0"), False)]),
        ("asc", [OrderTerm(Field("asc"))]),
        ("rel(id)", [OrderTerm(Field("id"), relation="rel")]),
        ("rel(id).desc.nullslast", [OrderTerm(Field("id"), True, False, "rel")]),
        ("rel( id )", [OrderTerm(Field("id"), relation="rel")]),
        ("rel(data->k)", [OrderTerm(field("data", "->k"), relation="rel")]),
        ("a,rel(b),c", [OrderTerm(Field("a")), OrderTerm(Field("b"), relation="rel"), OrderTerm(Field("c"))]),
    ],
)
def test_order_terms(text: str, terms: list[OrderTerm]) -> None:
    assert parse(grammar.order, text) == terms


def test_an_index_before_a_parenthesis_is_a_key() -> None:
    assert parse(grammar.order, "rel(data->0)") == [OrderTerm(field("data", "->0"), relation="rel")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        "id,",
        "id.",
        "id.ac",
        "id.descc",
        "id.ASC",
        "id.asc.desc",
        "id.nullsfirst.desc",
        "id.asc ,b",
        "id.asc.nullslasttt",
        "rel(id,name)",
        "rel(id",
        "rel()",
        "a.b",
        "*",
        "rel(a)(b)",
        "id desc.x",
    ],
)
def test_broken_orders_are_refused(text: str) -> None:
    assert refuses(grammar.order, text)


# Select, reference 1.7


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("", []),
        ("*", [STAR]),
        ("id,name", [item("id"), item("name")]),
        (" id , name ", [item("id"), item("name")]),
        ("id,id", [item("id"), item("id")]),
        ("two words", [item("two words")]),
        ('"a,b"', [item("a,b")]),
        ('"*"', [STAR]),
        ("x:a", [item("a", alias="x")]),
        ("x : a", [item("a", alias="x")]),
        ('"an alias":a', [item("a", alias="an alias")]),
        ("a::text", [item("a", cast="text")]),
        ("a::double precision", [item("a", cast="double precision")]),
        ("a::MyType", [item("a", cast="MyType")]),
        ("x:a::text", [item("a", alias="x", cast="text")]),
        ("data->a->>b", [item("data", "->a", "->>b")]),
        ("x:data->0::int", [item("data", "->+0", alias="x", cast="int")]),
        ("data->0,b", [item("data", "->+0"), item("b")]),
        ("count", [item("count")]),
        ("count()", [item("*", aggregate="count")]),
        ("n:count()", [item("*", alias="n", aggregate="count")]),
        ("count()::text", [item("*", aggregate="count", aggregate_cast="text")]),
        ("a.sum()", [item("a", aggregate="sum")]),
        ("a.avg()", [item("a", aggregate="avg")]),
        ("a.count()", [item("a", aggregate="count")]),
        ("a.max()", [item("a", aggregate="max")]),
        ("a.min()", [item("a", aggregate="min")]),
        (
            "x:a->b::int.sum()::text",
            [item("a", "->b", alias="x", cast="int", aggregate="sum", aggregate_cast="text")],
        ),
        ("count.sum()", [item("count", aggregate="sum")]),
    ],
)
def test_select_takes_fields_with_alias_path_cast_and_aggregate(text: str, items: list[SelectItem]) -> None:
    assert parse(grammar.select, text) == items


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("rel(*)", [embed("rel", STAR)]),
        ("rel()", [embed("rel")]),
        ("rel( id , name )", [embed("rel", item("id"), item("name"))]),
        ("id,rel(a),b", [item("id"), embed("rel", item("a")), item("b")]),
        ("x:rel(*)", [embed("rel", STAR, alias="x")]),
        ("rel!inner(*)", [embed("rel", STAR, join="inner")]),
        ("rel!left(*)", [embed("rel", STAR, join="left")]),
        ("rel!fk(*)", [embed("rel", STAR, hint="fk")]),
        ("rel!fk!inner(*)", [embed("rel", STAR, hint="fk", join="inner")]),
        ("rel!inner!fk(*)", [embed("rel", STAR, hint="fk", join="inner")]),
        ("rel!a!b(*)", [embed("rel", STAR, hint="a")]),
        ("rel!left!inner(*)", [embed("rel", STAR, join="left")]),
        ('rel!"left_fk"(*)', [embed("rel", STAR, hint="left_fk")]),
        ("x:rel!fk!inner(*)", [embed("rel", STAR, alias="x", hint="fk", join="inner")]),
        ("a(b(c(*),d),e)", [embed("a", embed("b", embed("c", STAR), item("d")), item("e"))]),
        ("...rel(*)", [embed("rel", STAR, spread=True)]),
        ("...rel!fk!inner(a,b)", [embed("rel", item("a"), item("b"), hint="fk", join="inner", spread=True)]),
        ("a(...b(...c(x)))", [embed("a", embed("b", embed("c", item("x"), spread=True), spread=True))]),
        ('"odd name"(*)', [embed("odd name", STAR)]),
        ("rel(data->a)", [embed("rel", item("data", "->a"))]),
        ("rel(count())", [embed("rel", item("*", aggregate="count"))]),
    ],
)
def test_select_takes_embedded_and_spread_relations(text: str, items: list[SelectItem]) -> None:
    assert parse(grammar.select, text) == items


def test_the_last_index_before_a_closing_parenthesis_is_a_key() -> None:
    assert parse(grammar.select, "rel(data->0)") == [embed("rel", item("data", "->0"))]
    assert parse(grammar.select, "rel(data->0,b)") == [embed("rel", item("data", "->+0"), item("b"))]


@pytest.mark.parametrize("text", ["*id", "**", "*::text", "*!hint", "...rel", "...a:rel(*)", ")", ",id"])
def test_what_does_not_begin_a_list_is_like_an_empty_list(text: str) -> None:
    assert parse(grammar.select, text) == []


@pytest.mark.parametrize("text", ["rel(id))", "rel(id)garbage", "rel(id)(x)", "rel(id)::text"])
def test_text_after_a_complete_list_is_ignored(text: str) -> None:
    assert parse(grammar.select, text) == [embed("rel", item("id"))]


@pytest.mark.parametrize(
    "text",
    [
        "id,",
        "id::",
        "id::int[]",
        "id::numeric(10,2)",
        "id::a.b",
        'id::"T"',
        "id.foo()",
        "id.sum",
        "id.sum(x)",
        "id!hint",
        "rel(",
        "rel(id",
        "count(*)",
        "a:b:c",
        "x:*",
        "rel!left_fk(*)",
        "rel!a!b!c(*)",
        "a b!c",
        "id->",
        "a--b",
        "x:...rel(*)",
        "id,*name",
        "a.b",
        "rel(id) garbage",
    ],
)
def test_broken_lists_are_refused(text: str) -> None:
    assert refuses(grammar.select, text)


# Lists of columns, reference 1.8


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a", ["a"]),
        ("a,b", ["a", "b"]),
        ("a , b", ["a", "b"]),
        ('"a,b",c-d', ["a,b", "c-d"]),
        ("a.b", ["a"]),
        ("a(b)", ["a"]),
        ("a->b", ["a"]),
    ],
)
def test_columns_are_names_and_the_rest_is_ignored(text: str, names: list[str]) -> None:
    assert parse(grammar.columns, text) == names


@pytest.mark.parametrize("text", ["", "*", ",a", "a,", "a,,b"])
def test_columns_need_names(text: str) -> None:
    assert refuses(grammar.columns, text)

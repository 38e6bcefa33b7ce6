"""The grammar of logic trees: which text gives which nouns (reference 1.5)."""

import pytest

from proxy.engine.parse import grammar
from proxy.engine.parse.parsec import parse
from proxy.engine.parse.syntax import (
    Comparison,
    Field,
    Filter,
    InList,
    IsDistinctFrom,
    IsTruth,
    LogicGroup,
    Operation,
    TextSearch,
)
from tests.engine.parse.nouns import eq, field, refuses

# Logic trees, reference 1.5


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("or(id.eq.1,id.eq.2)", LogicGroup("or", (eq("id", "1"), eq("id", "2")))),
        ("and(id.eq.1)", LogicGroup("and", (eq("id", "1"),))),
        ("not.or(id.eq.1)", LogicGroup("or", (eq("id", "1"),), negated=True)),
        ("or(id.not.eq.1)", LogicGroup("or", (eq("id", "1", negated=True),))),
        (
            "or(a.eq.1,and(b.eq.2,not.or(c.eq.3,d.eq.4)))",
            LogicGroup(
                "or",
                (
                    eq("a", "1"),
                    LogicGroup(
                        "and",
                        (eq("b", "2"), LogicGroup("or", (eq("c", "3"), eq("d", "4")), negated=True)),
                    ),
                ),
            ),
        ),
        ("or( a.eq.1 , b.eq.2 )", LogicGroup("or", (eq("a", "1 "), eq("b", "2 ")))),
        ("and( or( a.eq.1) , b.eq.2)", LogicGroup("and", (LogicGroup("or", (eq("a", "1"),)), eq("b", "2")))),
        (
            "or(data->a->>0.eq.1)",
            LogicGroup("or", (Filter(field("data", "->a", "->>+0"), Comparison("eq", "1")),)),
        ),
        ('or("a.b".eq.1)', LogicGroup("or", (eq("a.b", "1"),))),
        ("or(and.eq.1,or.eq.2,not.eq.3)", LogicGroup("or", (eq("and", "1"), eq("or", "2"), eq("not", "3")))),
        (
            "or(a.in.(1,2),b.is.null)",
            LogicGroup("or", (Filter(Field("a"), InList(("1", "2"))), Filter(Field("b"), IsTruth("null")))),
        ),
    ],
)
def test_groups_hold_conditions_and_groups(text: str, tree: LogicGroup) -> None:
    assert parse(grammar.condition, text) == tree


@pytest.mark.parametrize(
    ("text", "operation"),
    [
        ("eq.raw text", Comparison("eq", "raw text")),
        ("eq.", Comparison("eq", "")),
        ('eq."a,b)c"', Comparison("eq", "a,b)c")),
        (r'eq."a\"b"', Comparison("eq", 'a"b')),
        ('eq."a"b', Comparison("eq", '"a"b')),
        ("cs.{a,b}", Comparison("cs", "{a,b}")),
        ("cs.{}", Comparison("cs", "{}")),
        ("eq(any).{1,2}", Comparison("eq", "{1,2}", "any")),
        ('ov."[1,5)"', Comparison("ov", "[1,5)")),
        (r'cs."{\"a\":[1,2]}"', Comparison("cs", '{"a":[1,2]}')),
        ("like.*a*", Comparison("like", "*a*")),
        ('in.("a,b",c)', InList(("a,b", "c"))),
        ("fts(english).cat", TextSearch("fts", "cat", "english")),
        ("isdistinct.{a,b}", IsDistinctFrom("{a,b}")),
    ],
)
def test_values_in_trees_end_at_a_comma_or_parenthesis_unless_quoted_or_braced(
    text: str, operation: Operation
) -> None:
    assert parse(grammar.condition, f"or(a.{text},b.eq.1)") == LogicGroup(
        "or", (Filter(Field("a"), operation), eq("b", "1"))
    )


def test_braces_do_not_nest() -> None:
    assert refuses(grammar.condition, "or(a.cs.{{1,2},{3,4}})")
    assert parse(grammar.condition, "or(a.cs.{{1}})") == LogicGroup(
        "or", (Filter(Field("a"), Comparison("cs", "{{1}}")),)
    )


def test_without_parentheses_the_operator_becomes_part_of_a_name() -> None:
    assert parse(grammar.condition, "orid.eq.1") == eq("orid", "1")


@pytest.mark.parametrize(
    "text",
    [
        "or()",
        "or(",
        "or(a.eq.1",
        "or(a.eq.1,)",
        "or(xor(a.eq.1))",
        "or(rel.id.eq.1)",
        "or(not.a.eq.1)",
        "or(a.eq)",
        "xor(a.eq.1)",
        "or)(",
        "or(a.in.1,2)",
        "not.not.or(a.eq.1)",
        "OR(a.eq.1)",
    ],
)
def test_broken_trees_are_refused(text: str) -> None:
    assert refuses(grammar.condition, text)


def test_text_after_the_closing_parenthesis_is_ignored() -> None:
    assert parse(grammar.condition, "or(a.eq.1))garbage") == LogicGroup("or", (eq("a", "1"),))

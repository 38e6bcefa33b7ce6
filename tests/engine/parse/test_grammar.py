"""The grammar of names, JSON paths and filters: which text gives which nouns (reference 1.2 to 1.6)."""

from typing import Any

import pytest

from proxy.engine.parse import grammar
from proxy.engine.parse.parsec import parse
from proxy.engine.parse.syntax import (
    Comparison,
    Field,
    InList,
    IsDistinctFrom,
    IsTruth,
    JsonStep,
    Operation,
    TextSearch,
)
from tests.engine.parse.nouns import field, refuses, step

# Names, reference 1.2


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("id", "id"),
        ("ID", "ID"),
        ("123", "123"),
        ("_", "_"),
        ("$", "$"),
        ("größe", "größe"),
        ("Ж中ª", "Ж中ª"),
        ("two words", "two words"),
        (" no leading or trailing ", "no leading or trailing"),
        ("user-id", "user-id"),
        ("a - b", "a-b"),
        ("a-b-c", "a-b-c"),
        ('"a.b"', "a.b"),
        ('" kept "', " kept "),
        ('""', ""),
        (r'"say \"x\""', 'say "x"'),
        (r'"back\\slash"', "back\\slash"),
        (r'"\any"', "any"),
        ('"two\nlines"', "two\nlines"),
        ('"->,():*"', "->,():*"),
    ],
)
def test_names_are_runs_of_letters_digits_underscore_dollar_and_space_or_are_quoted(
    text: str, name: str
) -> None:
    assert parse(grammar.field_name, text) == name


@pytest.mark.parametrize("text", ["", ":", "*", "-a", "->a", '"open', '"open\\"', "٣", "²"])
def test_other_characters_do_not_begin_a_name(text: str) -> None:
    assert refuses(grammar.field_name, text)


@pytest.mark.parametrize("text", ["a--b", "a-", "a-*"])
def test_a_dash_must_be_followed_by_another_run(text: str) -> None:
    assert refuses(grammar.field_name, text)


def test_a_dash_before_an_angle_bracket_ends_the_name() -> None:
    assert parse(grammar.field_name, "a->b") == "a"


# JSON paths, reference 1.3


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("", ()),
        ("->key", ("->key",)),
        ("->>key", ("->>key",)),
        ("->a->>b", ("->a", "->>b")),
        ("->1", ("->+1",)),
        ("->>1", ("->>+1",)),
        ("->-3", ("->-3",)),
        ("->0->a", ("->+0", "->a")),
        ("->0->1->>2", ("->+0", "->+1", "->>+2")),
        ("->0,other", ("->+0",)),
        ("->0.desc", ("->+0",)),
        ("->0::int", ("->+0",)),
        ("->007", ("->+007",)),
        ("->!@#$%^&*_a", ("->!@#$%^&*_a",)),
        ("->two words", ("->two words",)),
        ("-> trimmed ", ("->trimmed",)),
        ("->with-dash", ("->with-dash",)),
        ("->a-1", ("->a-1",)),
        ('->"any, key.>()"', ("->any, key.>()",)),
        ('->"quoted"->>b', ("->quoted", "->>b")),
        (r'->"a\"b"', ('->a"b',)),
        ("->größe", ("->größe",)),
    ],
)
def test_json_paths_are_steps_with_keys_or_indexes(text: str, steps: tuple[str, ...]) -> None:
    assert parse(grammar.json_path, text) == tuple(map(step, steps))


@pytest.mark.parametrize(
    ("text", "key"), [("->1a", "1a"), ("->0)", "0"), ("->12 ", "12"), ('->"3"', "3"), ("->1-2", "1-2")]
)
def test_digits_that_are_not_followed_by_the_end_of_a_path_are_a_key(text: str, key: str) -> None:
    assert parse(grammar.json_path, text) == (JsonStep(False, key, index=False),)


@pytest.mark.parametrize("text", ["->", "->>", "->,", "->(a", "->>--34", "->-xy", "->>-78xy", '->"open'])
def test_a_step_needs_a_key_or_an_index(text: str) -> None:
    assert refuses(grammar.json_path, text)


# Keys of filters, reference 1.4


@pytest.mark.parametrize(
    ("text", "path", "subject"),
    [
        ("id", (), field("id")),
        ("a.b", ("a",), field("b")),
        ("a.b.c", ("a", "b"), field("c")),
        ('"a.b"', (), field("a.b")),
        ('a."b.c".d', ("a", "b.c"), field("d")),
        ("a.data->k->>0", ("a",), field("data", "->k", "->>+0")),
        ("two words", (), field("two words")),
    ],
)
def test_a_key_is_a_path_of_embedded_resources_and_a_column(
    text: str, path: tuple[str, ...], subject: Field
) -> None:
    assert parse(grammar.tree_path, text) == (path, subject)


@pytest.mark.parametrize("text", ["a:b", "a@x", "a::int", "a(b)", "a,b", "a/*", 'a"b"'])
def test_text_after_a_complete_key_is_ignored(text: str) -> None:
    assert parse(grammar.tree_path, text) == ((), Field("a"))


# Filters, reference 1.4

QUANTIFIED = ("eq", "gt", "gte", "lt", "lte", "like", "ilike", "match", "imatch")
UNQUANTIFIED = ("neq", "cs", "cd", "ov", "sl", "sr", "nxr", "nxl", "adj")
EVERY_OPERATOR = (*QUANTIFIED, *UNQUANTIFIED)


@pytest.mark.parametrize("operator", EVERY_OPERATOR)
@pytest.mark.parametrize("value", ["5", "", "a.b,c)(", "not.eq.1", "two\nlines", ' "x" ', "eq.eq."])
def test_comparisons_take_the_rest_of_the_value_verbatim(operator: str, value: str) -> None:
    assert parse(grammar.filter_value, f"{operator}.{value}") == (False, Comparison(operator, value))
    assert parse(grammar.filter_value, f"not.{operator}.{value}") == (True, Comparison(operator, value))


@pytest.mark.parametrize("operator", QUANTIFIED)
@pytest.mark.parametrize("quantifier", ["any", "all"])
def test_some_comparisons_take_a_quantifier(operator: str, quantifier: Any) -> None:
    expected = Comparison(operator, "{1,2}", quantifier)
    assert parse(grammar.filter_value, f"{operator}({quantifier}).{{1,2}}") == (False, expected)
    assert parse(grammar.filter_value, f"not.{operator}({quantifier}).{{1,2}}") == (True, expected)


@pytest.mark.parametrize(
    "text",
    [
        *(f"{operator}(any).{{1}}" for operator in UNQUANTIFIED),
        *(
            "in(any).(1)",
            "is(any).null",
            "isdistinct(all).1",
            "eq().1",
            "eq(some).1",
            "eq(ANY).1",
            "eq( any).1",
        ),
    ],
)
def test_the_others_take_none(text: str) -> None:
    assert refuses(grammar.filter_value, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "eq",
        "eq5",
        "EQ.5",
        "Eq.5",
        "foo.1",
        "eqq.1",
        "not",
        "not.",
        "not.5",
        "not.not.eq.1",
        "not_eq.5",
        " eq.5",
        "eq .5",
        "and.(a.eq.1)",
        "@@.x",
        "fts",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    assert refuses(grammar.filter_value, text)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("in.(1,2)", ("1", "2")),
        ("in.(1)", ("1",)),
        ("in.()", ("",)),
        ("in.(  )", ("",)),
        ('in.("")', ("",)),
        ("in.(,)", ("", "")),
        ("in.( 1 , 2 )", ("1 ", " 2 ")),
        ("in. (1)", ("1",)),
        ('in.("a,b","c)d")', ("a,b", "c)d")),
        (r'in.("say \"x\"","back\\slash")', ('say "x"', "back\\slash")),
        ('in.(a"b,c(d)', ('a"b', "c(d")),
        ('in.("a"b,c)', ('"a"b', "c")),
        ('in.("a" ,b)', ('"a" ', "b")),
        ('in.("open,b)', ('"open', "b")),
        ("in.(null,NULL)", ("null", "NULL")),
        ("in.(a.b,c d,é)", ("a.b", "c d", "é")),
        ('in.("two\nlines",x)', ("two\nlines", "x")),
    ],
)
def test_lists_hold_raw_or_quoted_elements(text: str, values: tuple[str, ...]) -> None:
    assert parse(grammar.filter_value, text) == (False, InList(values))


@pytest.mark.parametrize("text", ["in.5", "in.(", "in.(1", "in.1)", "in.", 'in.("a"'])
def test_lists_need_their_parentheses(text: str) -> None:
    assert refuses(grammar.filter_value, text)


@pytest.mark.parametrize("word", ["null", "not_null", "true", "false", "unknown"])
def test_the_words_of_is_may_be_written_in_any_case(word: str) -> None:
    for spelling in (word, word.upper(), word.title(), word.swapcase()):
        assert parse(grammar.filter_value, f"is.{spelling}") == (False, IsTruth(word))  # type: ignore[arg-type]
        assert parse(grammar.filter_value, f"not.is.{spelling}") == (True, IsTruth(word))  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["is.", "is.nil", "is.nul", "is.not null", "is.1", "is.not_", "is. null"])
def test_is_knows_no_other_words(text: str) -> None:
    assert refuses(grammar.filter_value, text)


@pytest.mark.parametrize(
    ("text", "operation"),
    [
        ("isdistinct.5", IsDistinctFrom("5")),
        ("isdistinct.", IsDistinctFrom("")),
        ("fts.cat", TextSearch("fts", "cat")),
        ("plfts.the cat", TextSearch("plfts", "the cat")),
        ("phfts(english).cat", TextSearch("phfts", "cat", "english")),
        ("wfts(simple).-cat or dog", TextSearch("wfts", "-cat or dog", "simple")),
        ("fts( my_config$1 ).x", TextSearch("fts", "x", "my_config$1")),
        ("fts.", TextSearch("fts", "")),
    ],
)
def test_distinction_and_text_search(text: str, operation: Operation) -> None:
    assert parse(grammar.filter_value, text) == (False, operation)
    assert parse(grammar.filter_value, f"not.{text}") == (True, operation)


@pytest.mark.parametrize(
    "text", ["fts().x", "fts(a-b).x", "fts(a.b).x", 'fts("a").x', "fts(a.x", "fts(any)x"]
)
def test_a_language_is_one_plain_run(text: str) -> None:
    assert refuses(grammar.filter_value, text)


@pytest.mark.parametrize(
    ("text", "operation"),
    [
        ("is.nullx", IsTruth("null")),
        ("is.nullable", IsTruth("null")),
        ("is.not_nullable", IsTruth("not_null")),
        ("is.TRUEish", IsTruth("true")),
        ("is.null.eq.5", IsTruth("null")),
        ("in.(1,2)xyz", InList(("1", "2"))),
        ("in.(1,2) and more", InList(("1", "2"))),
        ("in.(1))", InList(("1",))),
    ],
)
def test_text_after_a_closed_operand_is_ignored(text: str, operation: Operation) -> None:
    assert parse(grammar.filter_value, text) == (False, operation)

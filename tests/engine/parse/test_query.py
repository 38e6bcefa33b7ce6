"""A query string as parameters: splitting, who wins, arguments, the order of errors (reference 1.1, 6.2)
and the canonical form of ``Content-Location`` (reference 1.11)."""

import pytest

from proxy.engine.parse.query import (
    QueryParameters,
    parse_query,
    parse_range_path,
    split_query,
)
from proxy.engine.parse.range import ALL_ROWS, RowRange
from proxy.engine.parse.syntax import (
    Comparison,
    EmbedPath,
    Field,
    Filter,
    InList,
    IsTruth,
    JsonStep,
    LogicGroup,
    OrderTerm,
    SelectField,
)
from proxy.errors import ApiError

STAR = SelectField(Field("*"))


def compare(name: str, operator: str, value: str, *, negated: bool = False) -> Filter:
    return Filter(Field(name), Comparison(operator, value), negated)


def selected(*names: str) -> tuple[SelectField, ...]:
    return tuple(SelectField(Field(name)) for name in names)


def refusal(query: bytes, *, with_arguments: bool = False) -> str:
    with pytest.raises(ApiError) as caught:
        parse_query(query, with_arguments)
    assert (caught.value.status, caught.value.code) == (400, "PGRST100")
    return caught.value.message


# Splitting


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        (b"", []),
        (b"a=1", [(b"a", b"1")]),
        (b"a=1&b=2", [(b"a", b"1"), (b"b", b"2")]),
        (b"a=1;b=2", [(b"a", b"1"), (b"b", b"2")]),
        (b"a=1&a=2", [(b"a", b"1"), (b"a", b"2")]),
        (b"a=b=c", [(b"a", b"b=c")]),
        (b"a", [(b"a", None)]),
        (b"a=", [(b"a", b"")]),
        (b"=1", [(b"", b"1")]),
        (b"=", [(b"", b"")]),
        (b"&", [(b"", None)]),
        (b"&&", [(b"", None), (b"", None)]),
        (b"a=1&", [(b"a", b"1")]),
        (b"a=1;", [(b"a", b"1")]),
        (b"a=1&&", [(b"a", b"1"), (b"", None)]),
        (b"&a=1", [(b"", None), (b"a", b"1")]),
        (b"a=1&;b=2", [(b"a", b"1"), (b"", None), (b"b", b"2")]),
        (b"?a=1", [(b"?a", b"1")]),
    ],
)
def test_pairs_are_separated_by_ampersand_or_semicolon_and_split_at_the_first_equals(
    query: bytes, pairs: list[tuple[bytes, bytes | None]]
) -> None:
    assert split_query(query) == pairs


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (b"a+b", b"a b"),
        (b"a%2Bb", b"a+b"),
        (b"%2b%2B", b"++"),
        (b"%26%3B%3D", b"&;="),
        (b"%C3%A9", "é".encode()),
        ("é".encode(), "é".encode()),
        (b"%zz", b"%zz"),
        (b"%", b"%"),
        (b"100%", b"100%"),
        (b"%4", b"%4"),
        (b"%%41", b"%A"),
        (b"%2541", b"%41"),
        (b"%00", b"\0"),
        (b"%FF", b"\xff"),
    ],
)
def test_keys_and_values_are_decoded_once_with_plus_as_space(written: bytes, meant: bytes) -> None:
    assert split_query(written + b"=" + written) == [(meant, meant)]


def test_decoding_comes_before_the_grammar_so_that_only_quotes_protect() -> None:
    assert parse_query(b"select=a%2Cb") == parse_query(b"select=a,b")
    assert parse_query(b"id=eq%2E5") == parse_query(b"id=eq.5")
    assert parse_query(b"select=%22a,b%22").select == selected("a,b")
    assert parse_query(b"x=in.(%22a%2Cb%22)").filters == (((), Filter(Field("x"), InList(("a,b",)))),)


def test_a_text_that_is_not_utf_8_is_refused() -> None:
    for query in (b"a=eq.%FF", b"%FF=eq.1", b"select=%C0%AF", b"order=%ED%A0%80", b"limit=%FF"):
        assert refusal(query) == "The query string is not valid UTF-8"


# Absence


def test_nothing_asked_for_is_everything_of_the_relation() -> None:
    assert parse_query(b"") == QueryParameters(select=(STAR,))


def test_a_pair_without_equals_has_no_meaning() -> None:
    assert parse_query(b"select&columns&on_conflict&order&limit&offset&and&or&id&a..b") == parse_query(b"")


def test_an_empty_value_counts_as_present() -> None:
    assert parse_query(b"select=").select == ()
    assert refusal(b"id=") == '"failed to parse filter ()" (line 1, column 1)'
    assert refusal(b"order=") == '"failed to parse order ()" (line 1, column 1)'
    assert refusal(b"columns=") == '"failed to parse columns parameter ()" (line 1, column 1)'
    assert refusal(b"on_conflict=") == '"failed to parse on_conflict parameter ()" (line 1, column 1)'
    assert parse_query(b"limit=").root_range == ALL_ROWS


# Reserved names


def test_the_first_select_columns_and_on_conflict_win() -> None:
    parameters = parse_query(b"select=a&select=b&columns=c&columns=d&on_conflict=e&on_conflict=f")
    assert parameters.select == selected("a")
    assert parameters.columns == frozenset({"c"})
    assert parameters.on_conflict == ("e",)


def test_losers_are_not_even_parsed() -> None:
    assert parse_query(b"select=a&select=((&columns=c&columns=((&on_conflict=e&on_conflict=((").select == (
        selected("a")
    )


def test_a_first_pair_without_equals_counts_as_absent_and_still_wins() -> None:
    parameters = parse_query(b"select&select=a&columns&columns=b&on_conflict&on_conflict=c")
    assert parameters == parse_query(b"")


def test_reserved_names_are_exact() -> None:
    parameters = parse_query(b"Select=eq.1&x.select=eq.2&%22select%22=eq.3&select+=eq.4")
    assert [subject.field.name for _, subject in parameters.filters] == [
        "Select",
        "select",
        "select",
        "select",
    ]
    assert [path for path, _ in parameters.filters] == [(), ("x",), (), ()]
    assert parameters.select == (STAR,)


@pytest.mark.parametrize(
    "name", ["order", "limit", "offset", "and", "or", "select", "columns", "on_conflict"]
)
def test_quotes_make_a_column_of_a_reserved_name(name: str) -> None:
    parameters = parse_query(f"%22{name}%22=eq.1&rel.%22{name}%22=eq.2".encode())
    assert parameters.filters == (((), compare(name, "eq", "1")), (("rel",), compare(name, "eq", "2")))
    assert parameters.root_range is None


def test_all_filters_count_in_order() -> None:
    parameters = parse_query(b"id=gt.1&name=like.a*&id=not.lt.5&a.b.c=is.null")
    assert parameters.filters == (
        ((), compare("id", "gt", "1")),
        ((), compare("name", "like", "a*")),
        ((), compare("id", "lt", "5", negated=True)),
        (("a", "b"), Filter(Field("c"), IsTruth("null"))),
    )
    assert parameters.filter_names == {"id", "name", "a.b.c"}


def test_keys_of_filters_may_have_a_json_path() -> None:
    path = (JsonStep(False, "a"), JsonStep(True, "+0", index=True))
    assert parse_query(b"data->a->>0=eq.1").filters == (
        ((), Filter(Field("data", path), Comparison("eq", "1"))),
    )


def test_all_logic_trees_count_and_any_not_negates() -> None:
    member = compare("a", "eq", "1")
    parameters = parse_query(
        b"or=(a.eq.1)&and=(a.eq.1)&or=(a.eq.1)&not.or=(a.eq.1)&rel.or=(a.eq.1)"
        b"&rel.not.and=(a.eq.1)&not.rel.and=(a.eq.1)&not.a.not.b.or=(a.eq.1)"
    )
    expected: list[tuple[EmbedPath, LogicGroup]] = [
        ((), LogicGroup("or", (member,))),
        ((), LogicGroup("and", (member,))),
        ((), LogicGroup("or", (member,))),
        ((), LogicGroup("or", (member,), negated=True)),
        (("rel",), LogicGroup("or", (member,))),
        (("rel",), LogicGroup("and", (member,), negated=True)),
        (("rel",), LogicGroup("and", (member,), negated=True)),
        (("a", "b"), LogicGroup("or", (member,), negated=True)),
    ]
    assert list(parameters.logic) == expected


def test_a_logic_tree_without_parentheses_is_a_condition_on_a_longer_name() -> None:
    assert parse_query(b"or=id.eq.1").logic == (((), compare("orid", "eq", "1")),)


def test_orders_are_kept_with_the_path_of_their_node() -> None:
    parameters = parse_query(b"order=a.desc,b&rel.order=c&x.y.order=d&order=e")
    assert parameters.order == (
        ((), (OrderTerm(Field("a"), True), OrderTerm(Field("b")))),
        (("rel",), (OrderTerm(Field("c")),)),
        (("x", "y"), (OrderTerm(Field("d")),)),
        ((), (OrderTerm(Field("e")),)),
    )


# Ranges


def test_the_last_limit_and_the_last_offset_of_a_node_win() -> None:
    assert parse_query(b"limit=5&limit=3&offset=1&offset=2").root_range == RowRange(2, 4)
    assert dict(parse_query(b"a.limit=5&a.limit=3&a.offset=1&a.offset=2").ranges) == {
        "a.limit": RowRange(2, 4)
    }


def test_each_node_has_its_own_range_under_the_name_of_its_limit() -> None:
    parameters = parse_query(b"limit=1&a.limit=2&a.b.offset=3&c.offset=4&c.limit=5")
    assert parameters.root_range == RowRange(0, 0)
    assert dict(parameters.ranges) == {
        "a.limit": RowRange(0, 1),
        "a.b.limit": RowRange(3),
        "c.limit": RowRange(4, 8),
    }


def test_a_limit_behind_a_bare_dot_is_not_the_roots() -> None:
    parameters = parse_query(b".limit=5&.offset=1")
    assert parameters.root_range is None
    assert dict(parameters.ranges) == {".limit": RowRange(1, 5)}
    with pytest.raises(ApiError, match="failed to parse tree path"):
        parse_range_path(".limit")


def test_the_path_of_a_range_is_read_later_because_the_table_is_looked_up_first() -> None:
    assert dict(parse_query(b"a..limit=5").ranges) == {"a..limit": RowRange(0, 4)}
    with pytest.raises(ApiError) as caught:
        parse_range_path("a..limit")
    assert caught.value.message == '"failed to parse tree path (a..limit)" (line 1, column 3)'
    assert parse_range_path("a.b.limit") == ("a", "b")
    assert parse_range_path('"a.b".limit') == ("a.b",)


# Functions that are read, reference 6.2


@pytest.mark.parametrize(
    "value", ["5", "", "John.Doe", "a,b", "{1,2}", "EQ.5", "(eq.5)", '"eq.5"', " eq.5", "-1", "é", "*"]
)
def test_a_value_that_does_not_begin_like_an_operator_is_an_argument(value: str) -> None:
    parameters = parse_query(f"x={value}".encode(), with_arguments=True)
    assert parameters.arguments == (("x", value),)
    assert parameters.filters == ()
    assert parameters.filter_names == {"x"}


@pytest.mark.parametrize("value", ["eq.5", "fts.a", "isdistinct.q", "not.in.(1)", "like(any).{a}"])
def test_a_value_that_is_an_operator_expression_is_a_filter(value: str) -> None:
    parameters = parse_query(f"x={value}".encode(), with_arguments=True)
    assert (parameters.arguments, len(parameters.filters)) == ((), 1)


@pytest.mark.parametrize("value", ["is.5", "in.Paris", "not.sure", "in.", "is.nul", "in.(1"])
def test_a_value_that_begins_like_an_operator_and_breaks_off_is_an_error(value: str) -> None:
    message = refusal(f"x={value}".encode(), with_arguments=True)
    assert message.startswith(f'"failed to parse filter ({value})"')


@pytest.mark.parametrize(
    "value", ["eq", "eqx", "e", "no", "not", "note", "gtx.5", "eq(any)", "fts(a)", "i", "is"]
)
def test_an_operator_that_only_begins_is_an_argument(value: str) -> None:
    assert parse_query(f"x={value}".encode(), with_arguments=True).arguments == (("x", value),)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("a.b", "b"),
        ("a->k", "a"),
        ("a:b", "a"),
        ("%22select%22", "select"),
        ("%22a.b%22", "a.b"),
        ("a+b", "a b"),
    ],
)
def test_the_name_of_an_argument_is_the_last_name_of_its_key(key: str, name: str) -> None:
    assert parse_query(f"{key}=5".encode(), with_arguments=True).arguments == ((name, "5"),)


def test_all_values_of_an_argument_are_kept_in_order() -> None:
    parameters = parse_query(b"v=1&w=x&v=2", with_arguments=True)
    assert parameters.arguments == (("v", "1"), ("w", "x"), ("v", "2"))


def test_reserved_names_keep_their_meaning_for_functions() -> None:
    parameters = parse_query(b"select=a&order=b&limit=1&or=(c.eq.1)&columns=d&n=5", with_arguments=True)
    assert parameters.arguments == (("n", "5"),)
    assert parameters.select == selected("a")


def test_elsewhere_such_a_value_is_an_error() -> None:
    assert refusal(b"x=5") == '"failed to parse filter (5)" (line 1, column 1)'


def test_a_broken_key_of_an_argument_is_an_error() -> None:
    assert refusal(b"a..b=5", with_arguments=True) == '"failed to parse tree path (a..b)" (line 1, column 3)'


# The order of errors, reference 0.3 step 8

BROKEN = {
    "order": b"order=%28",
    "logic": b"or=%28",
    "columns": b"columns=%28",
    "select": b"select=a%28",
    "filter": b"id=5",
    "on_conflict": b"on_conflict=%28",
}


@pytest.mark.parametrize("position", range(len(BROKEN)))
def test_order_is_judged_first_then_logic_columns_select_filters_and_on_conflict(position: int) -> None:
    names = list(BROKEN)[position:]
    query = b"&".join(BROKEN[name] for name in reversed(names))
    assert refusal(query).startswith(f'"failed to parse {names[0]}')


def test_of_several_errors_of_a_kind_the_first_in_the_query_is_told() -> None:
    assert "(first)" in refusal(b"a=eq.1&b=first&c=second")
    assert "(a.first)" in refusal(b"order=a&order=a.first&order=a.second")
    assert "((first))" in refusal(b"and=(a.eq.1)&or=(first)&and=(second)")


def test_and_and_or_are_one_kind() -> None:
    assert "((first))" in refusal(b"or=(first)&and=(second)")
    assert "((first))" in refusal(b"and=(first)&or=(second)")


def test_the_key_of_a_later_filter_waits_for_the_value_of_an_earlier_one() -> None:
    assert "failed to parse filter (5)" in refusal(b"a=5&b..c=eq.1")
    assert "failed to parse tree path (b..c)" in refusal(b"b..c=eq.1&a=5")

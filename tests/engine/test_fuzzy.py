"""Which known name a client may have meant (reference 6.7, fuzzy search)."""

import re
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.engine.fuzzy import find_similar
from tests.engine.parse.recorded import error_of, every_exchange
from tests.support.conformance import SQL_FILES

TABLES = ("data_item", "storage", "storage_config", "location", "phase_change", "migration")

_CREATED = re.compile(
    r"^create (?:unlogged )?(?:table|view|materialized view|foreign table) "
    r'(\w+)\.(?:"((?:[^"]|"")+)"|(\w+))(.*)$',
    re.MULTILINE,
)
_UNKNOWN = re.compile(r"Could not find the table '(\w+)\.(.*)' in the schema cache", re.DOTALL)


def best(text: str, names: tuple[str, ...] = TABLES, least: float = 0.0) -> str | None:
    found = find_similar(text, names, least)
    return found[0][1] if found else None


@pytest.mark.parametrize("text", ["data_item", "DATA_ITEM", "Data_Item"])
def test_a_name_equal_but_for_case_is_the_only_answer(text: str) -> None:
    assert find_similar(text, ["data_items", "data_ite", "data_item"], 0.1) == [(1.0, "data_item")]


def test_the_answer_keeps_its_own_spelling() -> None:
    assert find_similar("storage", ["StorAge"], 0.75) == [(1.0, "StorAge")]
    assert best("storagee", ("StorAge",)) == "StorAge"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("data_items", "data_item"),
        ("dataitem", "data_item"),
        ("storag", "storage"),
        ("storage_conf", "storage_config"),
        ("locations", "location"),
        ("migrations", "migration"),
        ("phasechange", "phase_change"),
    ],
)
def test_a_slip_finds_the_name_that_was_meant(text: str, expected: str) -> None:
    assert best(text, least=0.75) == expected


def test_the_score_is_one_less_the_distance_by_the_longer_length() -> None:
    assert find_similar("locations", ["location"], 0.0) == [(1 - 1 / 9, "location")]
    assert find_similar("dataitem", ["data_item"], 0.0) == [(1 - 1 / 9, "data_item")]
    assert find_similar("storage", ["storage_config"], 0.0) == [(1 - 7 / 14, "storage_config")]


def test_scores_below_the_least_are_left_out_and_the_least_itself_is_not() -> None:
    assert find_similar("abcd", ["abce"], 0.75) == [(0.75, "abce")]
    assert find_similar("abcd", ["abce"], 0.7501) == []


def test_the_best_comes_first() -> None:
    found = find_similar("storage_confi", TABLES, 0.0)
    assert [name for _, name in found][:2] == ["storage_config", "storage"]
    assert [score for score, _ in found] == sorted((score for score, _ in found), reverse=True)


def test_names_without_a_common_gram_are_not_considered() -> None:
    assert find_similar("xyz", ["abcdefgh"], 0.0) == []


def test_underscores_count_in_the_score_but_not_in_the_grams() -> None:
    assert find_similar("a_b_c_d", ["abcd"], 0.0) == [(1 - 3 / 7, "abcd")]


def test_pairs_of_letters_are_tried_when_triples_find_nothing_good_enough() -> None:
    # No three characters in a row are common to these two, but two are.
    assert find_similar("axbc", ["ayzbc"], 0.4) == [(1 - 2 / 5, "ayzbc")]


def test_triples_that_find_something_end_the_search() -> None:
    # By pairs "xzcx" would be found as well.
    assert find_similar("abzc", ["xzcx"], 0.25) == [(0.25, "xzcx")]
    assert find_similar("abzc", ["abz", "xzcx"], 0.25) == [(0.75, "abz")]


def test_short_and_empty_names_are_no_trouble() -> None:
    assert find_similar("", ["", "a"], 0.0) == [(1.0, "")]
    assert find_similar("", [], 0.0) == []
    assert find_similar("a", ["b"], 0.5) == []
    assert find_similar("__", ["--"], 0.5) == []


def test_lists_of_parameters_are_compared_as_they_are_written() -> None:
    lists = ("(a, b)", "(a, b, c)", "(id, name)")
    assert best("(a, c)", lists, 0.33) == "(a, b)"
    assert best("(id, nam)", lists, 0.33) == "(id, name)"


@given(st.text(max_size=12), st.lists(st.text(max_size=12), max_size=6), st.floats(0, 1))
@settings(deadline=None)
def test_every_answer_is_a_known_name_with_a_score_in_order(
    text: str, names: list[str], least: float
) -> None:
    found = find_similar(text, names, least)
    assert {name for _, name in found} <= set(names)
    assert all(least <= score <= 1 for score, _ in found)
    assert [score for score, _ in found] == sorted((score for score, _ in found), reverse=True)


@given(st.text("abc_", min_size=1, max_size=8), st.lists(st.text("abc_", min_size=1, max_size=8), max_size=6))
@settings(deadline=None)
def test_the_order_of_the_names_does_not_change_the_scores(text: str, names: list[str]) -> None:
    distinct = sorted(set(names))
    forwards = find_similar(text, distinct, 0.0)
    assert sorted(find_similar(text, reversed(distinct), 0.0)) == sorted(forwards)


def _recorded_tables() -> dict[str, list[str]]:
    """The relations of the recorded database by schema, without the partitions, which are not exposed."""
    tables = defaultdict(list)
    for schema, quoted, plain, rest in _CREATED.findall(SQL_FILES[0].read_text("utf-8")):
        if "partition of" not in rest:
            tables[schema].append(quoted.replace('""', '"') or plain)
    return tables


def test_every_recorded_hint_for_an_unknown_table_is_found() -> None:
    tables, compared = _recorded_tables(), 0
    for exchange in every_exchange():
        error = error_of(exchange.answer)
        if error is None or error["code"] != "PGRST205":
            continue
        unknown = _UNKNOWN.fullmatch(error["message"])
        assert unknown is not None
        schema, name = unknown.groups()
        found = find_similar(name, tables[schema], 0.75)
        hint = f"Perhaps you meant the table '{schema}.{found[0][1]}'" if found else None
        assert error["hint"] == hint, exchange.id
        compared += 1
    assert compared >= 90

"""Rows in one order, as far as the promised order allows."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.reading import BOUND, Reading
from proxy.shadow.compare import compare
from tests.shadow.answers import answer, get, rows_text

OPEN = Reading("open")
TIED = Reading("partial", ("a",))
UNTOLD = Reading("partial")


def rows(*texts: str) -> str:
    """Rows of one-character columns: ``1x`` is a=1, b=x."""
    return json.dumps([{"a": int(text[0]), "b": text[1]} for text in texts])


def verdict(one: str, other: str, reading: Reading) -> str:
    return compare(get(), answer(one), answer(other), reading).verdict


@pytest.mark.parametrize(
    ("reading", "one", "other", "expected"),
    [
        (BOUND, ("1x", "2y"), ("2y", "1x"), "mismatch"),
        (OPEN, ("1x", "2y"), ("2y", "1x"), "equivalent"),
        (OPEN, ("1x", "2y"), ("2y", "1z"), "mismatch"),
        (TIED, ("1x", "1y", "2z"), ("1y", "1x", "2z"), "equivalent"),
        (TIED, ("1x", "1y", "2z"), ("2z", "1x", "1y"), "mismatch"),
        (TIED, ("1x", "2z", "1y"), ("1x", "1y", "2z"), "mismatch"),
        (TIED, ("1x", "1y"), ("1x", "1z"), "mismatch"),
        (UNTOLD, ("1x", "2y"), ("2y", "1x"), "equivalent"),
        (UNTOLD, ("1x", "2y"), ("2y", "1z"), "mismatch"),
    ],
)
def test_whole_results(reading: Reading, one: tuple[str, ...], other: tuple[str, ...], expected: str) -> None:
    assert verdict(rows(*one), rows(*other), reading) == expected


@pytest.mark.parametrize(
    ("reading", "one", "other", "expected"),
    [
        (Reading("open", limit=2), ("1x", "2y"), ("3x", "4y"), "indeterminate"),
        (Reading("open", limit=2), ("1x", "2y"), ("2y", "1x"), "indeterminate"),
        (Reading("open", limit=3), ("1x", "2y"), ("3x", "4y"), "mismatch"),
        (Reading("open", offset=1), ("1x",), ("2y",), "indeterminate"),
        # Only the tie that the page cuts is open, and only in which of its rows are there.
        (Reading("partial", ("a",), limit=3), ("1x", "2y", "2z"), ("1x", "2w", "2y"), "indeterminate"),
        (Reading("partial", ("a",), limit=3), ("1x", "2y", "2z"), ("1w", "2y", "2z"), "mismatch"),
        (Reading("partial", ("a",), limit=3), ("1x", "2y", "2z"), ("1x", "1w", "2y"), "mismatch"),
        (Reading("partial", ("a",), offset=2), ("1x", "2y"), ("1w", "2y"), "indeterminate"),
        (Reading("partial", ("a",), offset=2), ("1x", "2y"), ("1x", "2w"), "mismatch"),
        (Reading("partial", limit=2), ("1x", "2y"), ("1x", "2w"), "indeterminate"),
        (Reading(limit=2), ("1x", "2y"), ("1x", "2w"), "mismatch"),
        # Which rows they are is open, what is in them is not.
        (Reading("open", key=("a",), limit=2), ("1x", "2y"), ("3x", "2y"), "indeterminate"),
        (Reading("open", key=("a",), limit=2), ("1x", "2y"), ("3x", "2w"), "mismatch"),
    ],
)
def test_pages(reading: Reading, one: tuple[str, ...], other: tuple[str, ...], expected: str) -> None:
    assert verdict(rows(*one), rows(*other), reading) == expected


def nested(*parts: Any) -> str:
    return rows_text([{"id": number, "part": part} for number, part in enumerate(parts)])


def test_lists_inside_of_rows_have_their_own_promise() -> None:
    one, other = nested([{"s": 1}, {"s": 2}], []), nested([{"s": 2}, {"s": 1}], [])
    assert verdict(one, other, Reading(inside=(("part", OPEN),))) == "equivalent"
    assert verdict(one, other, Reading(inside=(("part", Reading("open", limit=2)),))) == "equivalent"
    strict = compare(get(), answer(one), answer(other), Reading(inside=(("part", BOUND),)))
    assert [(item.aspect, item.path) for item in strict.differences] == [("order", "$[0].part")]
    cut = nested([{"s": 1}, {"s": 3}], [])
    assert verdict(one, cut, Reading(inside=(("part", Reading("open", limit=2)),))) == "indeterminate"
    assert verdict(one, cut, Reading(inside=(("part", OPEN),))) == "mismatch"


def test_an_object_inside_of_rows_has_lists_inside() -> None:
    one, other = nested({"n": [1, 2]}), nested({"n": [2, 1]})
    assert verdict(one, other, Reading(inside=(("part", Reading(inside=(("n", OPEN),))),))) == "equivalent"
    assert verdict(one, other, Reading(inside=(("part", BOUND),))) == "mismatch"


def spread(a: list[int], b: list[str]) -> str:
    return rows_text([{"id": 1, "a": a, "b": b}])


def test_parallel_arrays_are_rows() -> None:
    reading = Reading(spreads=((("a", "b"), OPEN),))
    one = spread([1, 2], ["x", "y"])
    assert verdict(one, spread([2, 1], ["y", "x"]), reading) == "equivalent"
    assert verdict(one, spread([2, 1], ["x", "y"]), reading) == "mismatch"
    assert verdict(one, spread([2, 1], ["y", "x"]), Reading(spreads=((("a", "b"), BOUND),))) == "mismatch"
    assert verdict(one, spread([1], ["x", "y"]), reading) == "mismatch"


def test_numbers_that_are_equal_tie_and_texts_that_are_not_do_not() -> None:
    one, other = '[{"a":1.0,"b":1},{"a":1.00,"b":2}]', '[{"a":1.00,"b":2},{"a":1.0,"b":1}]'
    assert verdict(one, other, TIED) == "equivalent"
    assert verdict('[{"a":"x"},{"a":"X"}]', '[{"a":"X"},{"a":"x"}]', TIED) == "mismatch"
    assert verdict('[{"a":-0,"b":1},{"a":0,"b":2}]', '[{"a":0,"b":2},{"a":-0,"b":1}]', TIED) == "equivalent"


def test_rows_that_differ_do_not_hide_the_order_of_the_others() -> None:
    one, other = answer(rows("1x", "2y", "3z")), answer(rows("3z", "2w", "1x"))
    found = compare(get(), one, other, BOUND).differences
    assert [(item.aspect, item.path) for item in found] == [("order", "$"), ("body", "$[1].b")]
    in_order = answer(rows("1x", "2w", "3z"))
    assert {item.aspect for item in compare(get(), one, in_order, BOUND).differences} == {"body"}
    assert {item.aspect for item in compare(get(), one, other, OPEN).differences} == {"body"}


def test_nulls_tie() -> None:
    one, other = '[{"a":null,"b":1},{"a":null,"b":2}]', '[{"a":null,"b":2},{"a":null,"b":1}]'
    assert verdict(one, other, TIED) == "equivalent"


def test_csv_has_the_same_orders() -> None:
    label = (b"Content-Type", b"text/csv; charset=utf-8")
    one, other = answer("a,b\n1,x\n1,y\n2,z", label), answer("a,b\n1,y\n1,x\n2,z", label)
    assert compare(get(), one, other, TIED).verdict == "equivalent"
    assert compare(get(), one, other, BOUND).verdict == "mismatch"
    wrong = compare(get(), one, answer("a,b\n1,x\n1,w\n2,z", label), TIED)
    assert [(item.path, item.upstream, item.engine) for item in wrong.differences] == [("$[1].b", "y", "w")]


readings = st.builds(
    Reading,
    st.sampled_from(["bound", "partial", "open"]),
    st.sampled_from([None, ("a",), ("a", "b")]),
    st.sampled_from([(), ("b",)]),
    st.integers(0, 1),
    st.sampled_from([None, 2, 4]),
)
few_rows = st.lists(st.tuples(st.integers(0, 2), st.sampled_from("xyz")), max_size=5).map(
    lambda pairs: json.dumps([{"a": a, "b": b} for a, b in pairs])
)


@given(few_rows, few_rows, readings)
def test_the_verdict_does_not_depend_on_who_is_who(one: str, other: str, reading: Reading) -> None:
    assert verdict(one, other, reading) == verdict(other, one, reading)


@given(few_rows, readings)
def test_an_answer_matches_itself(text: str, reading: Reading) -> None:
    assert verdict(text, text + " ", reading) == "match"


@given(few_rows, few_rows, readings)
def test_more_freedom_never_makes_a_mismatch_of_what_was_none(one: str, other: str, reading: Reading) -> None:
    ranks = ("match", "equivalent", "indeterminate", "mismatch")
    strict = ranks.index(verdict(one, other, BOUND))
    assert ranks.index(verdict(one, other, reading)) <= strict
    whole = Reading(reading.order, reading.ties)
    if verdict(one, other, whole) == "match":
        assert verdict(one, other, reading) == "match"


@given(few_rows, st.randoms(use_true_random=False))
def test_any_order_will_do_where_none_was_promised(text: str, chance: Any) -> None:
    shuffled = json.loads(text)
    chance.shuffle(shuffled)
    assert verdict(text, json.dumps(shuffled), OPEN) in ("match", "equivalent")


@given(few_rows, st.randoms(use_true_random=False))
def test_ties_may_be_exchanged_and_nothing_else(text: str, chance: Any) -> None:
    one = sorted(json.loads(text), key=lambda row: row["a"])
    other = list(one)
    chance.shuffle(other)
    expected = [row["a"] for row in other] == [row["a"] for row in one]
    assert (verdict(json.dumps(one), json.dumps(other), TIED) in ("match", "equivalent")) == expected

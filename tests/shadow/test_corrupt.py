"""Every corruption that is made is found."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.messages import Answer
from proxy.reading import BOUND, Reading
from proxy.shadow.compare import compare
from proxy.shadow.corrupt import CORRUPTIONS, OF_BODIES, corrupt
from proxy.shadow.records import read_records
from tests.shadow.answers import CSV, answer, any_answers, get, rows_text, tables

OPEN = Reading("open")
readings = st.sampled_from([BOUND, OPEN, Reading("partial", ("a",)), Reading("open", limit=3)])
kinds = st.sampled_from(sorted(CORRUPTIONS))


@given(tables, readings, kinds, st.integers(0, 999))
def test_rows_with_a_fault_are_a_mismatch(
    rows: list[dict[str, Any]], reading: Reading, kind: str, place: int
) -> None:
    right = answer(rows_text(rows))
    wrong = corrupt(right, reading, kind, place)
    if wrong is not None:
        assert compare(get(), right, wrong, reading).verdict == "mismatch"


@given(any_answers, readings, kinds, st.integers(0, 999))
def test_any_answer_with_a_fault_is_a_mismatch(
    right: Answer, reading: Reading, kind: str, place: int
) -> None:
    wrong = corrupt(right, reading, kind, place)
    if wrong is not None:
        assert compare(get(), right, wrong, reading).verdict == "mismatch"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("digit", '[{"a": 2, "b": null},{"a": 2, "b": "x"}]'),
        ("row", '[{"a":2,"b":"x"}]'),
        ("order", '[{"a":2,"b":"x"},{"a":1,"b":null}]'),
        ("null", '[{"a":1},{"a":2,"b":"x"}]'),
        ("type", '[{"a":"1","b":null},{"a":2,"b":"x"}]'),
    ],
)
def test_what_each_of_them_does(kind: str, body: str) -> None:
    right = answer('[{"a": 1, "b": null},{"a": 2, "b": "x"}]')
    wrong = corrupt(right, BOUND, kind, 0)
    assert wrong is not None
    assert wrong.body.decode() == body
    assert wrong == right._replace(body=wrong.body)


def test_status_and_headers_can_be_falsified_whatever_the_body_is() -> None:
    right = Answer(404, (), b"")
    for kind in CORRUPTIONS.keys() - OF_BODIES:
        wrong = corrupt(right, Reading("open", limit=1), kind, 0)
        assert wrong is not None
        assert compare(get(), right, wrong).verdict == "mismatch"


@pytest.mark.parametrize("kind", sorted(OF_BODIES))
def test_where_the_rows_are_open_no_body_is_falsified(kind: str) -> None:
    right = answer('[{"a":1,"b":null},{"a":2,"b":null}]')
    assert corrupt(right, Reading("open", limit=2), kind, 0) is None
    assert corrupt(right, Reading(inside=(("p", Reading("open", offset=1)),)), kind, 0) is None


def test_an_order_that_is_open_is_not_falsified() -> None:
    assert corrupt(answer('[{"a":1},{"a":2}]'), OPEN, "order", 0) is None


def test_settled_is_what_no_page_cuts() -> None:
    assert BOUND.settled
    assert replace(BOUND, limit=5).settled
    assert OPEN.settled
    assert not replace(OPEN, limit=5).settled
    assert not Reading(spreads=((("a",), replace(OPEN, offset=5)),)).settled


def test_numbers_keep_their_text_when_a_row_is_taken_out() -> None:
    right = answer('[{"a":1.10,"é":9007199254740993},{"a":2}]')
    wrong = corrupt(right, BOUND, "row", 1)
    assert wrong is not None
    assert json.loads(wrong.body, parse_int=str, parse_float=str) == [{"a": "1.10", "é": "9007199254740993"}]


def test_csv_has_digits_too() -> None:
    right = answer("a,b\n1,x", CSV)
    wrong = corrupt(right, BOUND, "digit", 0)
    assert wrong is not None
    assert read_records(wrong.body) == [b"a,b", b"2,x"]

"""Mismatches that are alike have one name."""

import json

from hypothesis import given

from proxy.difference import Difference
from proxy.shadow.compare import compare
from proxy.shadow.signature import generalise, sign
from tests.shadow.answers import answer, any_answers, get


def signature(one: str, other: str) -> str:
    first, second = answer(one), answer(other)
    return sign("item", get(), first, compare(get(), first, second).differences)


def test_the_row_does_not_matter_and_neither_does_the_value() -> None:
    one = signature('[{"p":1.10},{"p":2}]', '[{"p":1.1},{"p":2}]')
    other = signature('[{"p":5},{"p":7.000}]', '[{"p":5},{"p":7}]')
    assert one == other == "item GET 2xx json: body $[*].p format"


def test_kinds_are_different_faults() -> None:
    assert signature('[{"p":1}]', '[{"p":2}]') == "item GET 2xx json: body $[*].p value"
    assert signature('[{"p":1}]', '[{"p":"1"}]') == "item GET 2xx json: body $[*].p type"
    assert signature('[{"p":null}]', '[{"p":1}]') == "item GET 2xx json: body $[*].p null"
    assert signature('[{"p":1}]', "[{}]") == "item GET 2xx json: body $[*].p missing"
    assert signature("[{}]", '[{"p":1}]') == "item GET 2xx json: body $[*].p extra"


def test_a_missing_row_is_counted_and_missed() -> None:
    assert signature('[{"p":1},{"p":2}]', '[{"p":1}]') == (
        "item GET 2xx json: body $ count; body $[*] missing"
    )


def test_the_status_comes_first_and_many_places_are_cut() -> None:
    first, second = (
        answer(json.dumps(dict.fromkeys("abcdef", 1))),
        answer(json.dumps(dict.fromkeys("abcdef", 2))),
    )
    found = (*compare(get(), first, second).differences, Difference("status", "", "200", "500"))
    assert sign("t", get(), first, found) == (
        "t GET 2xx json: status value; body $.a value; body $.b value; body $.c value; +3"
    )


def test_indexes_and_positions_are_generalised() -> None:
    assert generalise("$[0].a[12].b") == "$[*].a[*].b"
    assert generalise("@17") == "@"


def test_without_differences_there_is_no_signature() -> None:
    assert sign("t", get(), answer("[]"), ()) == ""


@given(any_answers, any_answers)
def test_a_mismatch_has_a_signature_and_nothing_else_has(one: object, other: object) -> None:
    found = compare(get(), one, other).differences  # type: ignore[arg-type]
    assert bool(sign("t", get(), one, found)) == bool(found)  # type: ignore[arg-type]

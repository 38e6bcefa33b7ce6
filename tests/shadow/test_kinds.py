"""How values differ, and what a client is likely to make of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.difference import Difference
from proxy.shadow.compare import compare
from proxy.shadow.tokens import find_kind
from tests.shadow.answers import answer, get


@pytest.mark.parametrize(
    ("one", "other", "kind", "severity"),
    [
        ("1.10", "1.1", "format", "low"),
        ("100", "1e2", "format", "low"),
        ("1E+2", "100.0", "format", "low"),
        ("0", "-0", "format", "low"),
        ("0.0", "0", "format", "low"),
        ("1", "-1", "value", "medium"),
        ("9007199254740993", "9007199254740992", "value", "medium"),
        ("10", "1", "value", "medium"),
        ("0.10", "0.010", "value", "medium"),
        ('"2026-01-01T00:00:00+00:00"', '"2026-01-01T00:00:00Z"', "format", "low"),
        ('"2026-01-01T00:00:00+00:00"', '"2026-01-01T01:00:00+01:00"', "format", "low"),
        ('"2026-01-01T00:00:00+00:00"', '"2026-01-01T00:00:00"', "value", "medium"),
        ('"2026-01-01"', '"2026-01-02"', "value", "medium"),
        ('"a"', '"b"', "value", "medium"),
        ("true", "false", "value", "medium"),
        ("null", '""', "null", "high"),
        ("0", "null", "null", "high"),
        ("1", '"1"', "type", "high"),
        ("true", "1", "type", "high"),
        ("[]", "{}", "type", "high"),
        ("[1]", "[1,2]", "count", "high"),
        ('{"b":1,"c":2}', '{"c":2,"b":1}', "keys", "low"),
    ],
)
def test_a_member_that_differs(one: str, other: str, kind: str, severity: str) -> None:
    first, second = answer(f'[{{"a":{one}}}]'), answer(f'[{{"a":{other}}}]')
    difference = compare(get(), first, second).differences[0]
    assert (difference.kind, difference.severity) == (kind, severity)


def test_what_is_not_there_and_what_is_too_much_and_the_status() -> None:
    assert Difference("headers", "x", "1", "(absent)", "missing").severity == "high"
    assert Difference("body", "$[0].a", "(absent)", "1", "extra").severity == "high"
    assert Difference("status", "", "200", "206").severity == "high"
    assert Difference("order", "$", "", "", "order").severity == "medium"


decimals = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**6), max_value=10**6, places=4)


@given(decimals, decimals)
def test_numbers_are_one_value_exactly_when_arithmetic_says_so(one: object, other: object) -> None:
    first, second = f"{one:f}".encode(), f"{other:f}".encode()
    if first != second:
        assert (find_kind(first, second) == "format") == (one == other)


@given(decimals, st.integers(0, 5))
def test_zeros_at_the_end_change_the_format_only(number: object, zeros: int) -> None:
    text = f"{number:f}"
    longer = text + "0" * (zeros + 1)
    assert find_kind(text.encode(), longer.encode()) == "format"


def test_a_number_of_any_length_is_told_in_no_time() -> None:
    assert find_kind(b"1" * 10**6, b"1" * 10**6 + b"0") == "value"
    assert find_kind(b"1e999999999", b"1e999999998") == "value"

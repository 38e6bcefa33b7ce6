"""Which rows are asked for (reference 4.1)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.engine.parse.range import (
    ALL_ROWS,
    NO_ROWS,
    RowRange,
    combine,
    intersect,
    parse_integer,
    parse_range_header,
    restrict,
)

NOTHING = RowRange(5, 2)


def rows_of(rows: RowRange, most: int = 40) -> set[int]:
    """The row numbers below ``most`` that ``rows`` holds."""
    return set(range(rows.first, most if rows.last is None else min(rows.last + 1, most)))


ranges = st.builds(RowRange, st.integers(0, 30), st.none() | st.integers(-1, 30))


# Values


@pytest.mark.parametrize(
    ("rows", "limit", "empty"),
    [
        (ALL_ROWS, None, False),
        (RowRange(5), None, False),
        (RowRange(0, 9), 10, False),
        (RowRange(5, 5), 1, False),
        (NO_ROWS, 0, True),
        (RowRange(0, -3), -2, True),
        (RowRange(5, 2), -2, True),
        (RowRange(-5, 4), 10, False),
    ],
)
def test_a_range_includes_both_ends(rows: RowRange, limit: int | None, empty: bool) -> None:
    assert (rows.limit, rows.empty) == (limit, empty)


def test_only_an_end_at_minus_one_is_what_limit_zero_comes_to() -> None:
    assert NO_ROWS.limit_zero
    assert RowRange(-3, -1).limit_zero
    assert not RowRange(3, 2).limit_zero
    assert not RowRange(0, -2).limit_zero
    assert not ALL_ROWS.limit_zero


# Integers


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("15", 15),
        ("007", 7),
        ("-5", -5),
        ("- 5", -5),
        (" 5 ", 5),
        ("\t5\n", 5),
        ("(5)", 5),
        ("( ( 5 ) )", 5),
        ("(-5)", -5),
        ("0x1F", 31),
        ("0X1f", 31),
        ("-0x10", -16),
        ("0o17", 15),
        ("0O17", 15),
        ("9223372036854775808", 2**63),
    ],
)
def test_integers_are_read_as_haskell_reads_them(text: str, value: int) -> None:
    assert parse_integer(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "abc",
        "5a",
        "1.5",
        "1e3",
        "+5",
        "--5",
        "5 6",
        "1_000",
        "0x",
        "0o8",
        "()",
        "(5",
        "5)",
        "٣",
        "0xg",
        "-",
        "-(5)",
        "½",
        "null",
        "1,2",
    ],
)
def test_anything_else_is_no_integer(text: str) -> None:
    assert parse_integer(text) is None


def test_an_integer_of_thousands_of_digits_stays_enormous() -> None:
    for text in ("9" * 5000, "0x" + "f" * 5000):
        value = parse_integer(text)
        assert value is not None
        assert value > 2**64
    assert parse_integer("-" + "9" * 5000) == -int("9" * 1000)


# limit and offset together


@pytest.mark.parametrize(
    ("limit", "offset", "rows"),
    [
        (None, None, ALL_ROWS),
        ("3", None, RowRange(0, 2)),
        ("0", None, NO_ROWS),
        ("-1", None, RowRange(0, -2)),
        (None, "5", RowRange(5)),
        (None, "0", ALL_ROWS),
        (None, "-5", RowRange(-5)),
        ("3", "5", RowRange(5, 7)),
        ("0", "5", RowRange(5, 4)),
        ("0", "0", NO_ROWS),
        ("10", "-5", RowRange(-5, 4)),
        ("-1", "5", RowRange(5, 3)),
    ],
)
def test_limit_and_offset_make_an_interval(limit: str | None, offset: str | None, rows: RowRange) -> None:
    assert combine(limit, offset) == rows


@pytest.mark.parametrize(
    ("limit", "offset", "rows"),
    [
        ("abc", None, ALL_ROWS),
        ("", None, ALL_ROWS),
        (None, "abc", ALL_ROWS),
        ("3", "abc", RowRange(0, 2)),
        ("abc", "5", RowRange(5, 4)),
        ("abc", "0", NO_ROWS),
        ("abc", "abc", NO_ROWS),
    ],
)
def test_what_is_no_integer_is_absent_but_a_limit_next_to_an_offset_is_zero(
    limit: str | None, offset: str | None, rows: RowRange
) -> None:
    assert combine(limit, offset) == rows


# The header


@pytest.mark.parametrize(
    ("value", "rows"),
    [
        (b"0-9", RowRange(0, 9)),
        (b"10-", RowRange(10)),
        (b"5-5", RowRange(5, 5)),
        (b"5-2", RowRange(5, 2)),
        (b"0-0", RowRange(0, 0)),
        (b"007-010", RowRange(7, 10)),
    ],
)
def test_the_header_names_first_and_last_row(value: bytes, rows: RowRange) -> None:
    assert parse_range_header(value) == rows


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"items=0-9",
        b"bytes=0-1",
        b"0 - 9",
        b" 0-9",
        b"0-9 ",
        b"-5",
        b"5",
        b"0-9,20-29",
        b"0--9",
        b"a-b",
        b"0-9\n",
        "٠-٩".encode(),
        b"0x1-0x2",
    ],
)
def test_any_other_header_is_ignored(value: bytes | None) -> None:
    assert parse_range_header(value) == ALL_ROWS


def test_a_header_of_thousands_of_digits_is_no_trouble() -> None:
    rows = parse_range_header(b"9" * 5000 + b"-" + b"9" * 6000)
    assert rows.first > 2**64
    assert not rows.empty


# Putting ranges together


@given(ranges, ranges)
@settings(deadline=None)
def test_the_intersection_holds_the_rows_of_both(one: RowRange, other: RowRange) -> None:
    both = intersect(one, other)
    assert rows_of(both) == rows_of(one) & rows_of(other)
    assert intersect(other, one) == both


@given(ranges)
@settings(deadline=None)
def test_all_rows_change_nothing(rows: RowRange) -> None:
    assert intersect(rows, ALL_ROWS) == rows
    assert intersect(rows, rows) == rows


@given(ranges, st.integers(0, 30))
@settings(deadline=None)
def test_a_restriction_keeps_the_first_rows_and_the_offset(rows: RowRange, most: int) -> None:
    restricted = restrict(rows, most)
    assert rows_of(restricted) == set(sorted(rows_of(rows, 100))[:most]) & set(range(40))
    if not rows.limit_zero:
        assert restricted.first == rows.first


def test_without_a_maximum_nothing_is_restricted() -> None:
    assert restrict(RowRange(5, 500), None) == RowRange(5, 500)


def test_limit_zero_survives_a_restriction() -> None:
    assert restrict(NO_ROWS, 10) == NO_ROWS


@given(st.integers(-5, 30), st.integers(-5, 30))
@settings(deadline=None)
def test_limit_and_offset_ask_for_that_many_rows_from_there(limit: int, offset: int) -> None:
    rows = combine(str(limit), str(offset))
    assert rows_of(rows) == {row for row in range(offset, offset + limit) if row < 40}
    assert rows.limit == limit


@given(st.text(max_size=12))
@settings(deadline=None)
def test_reading_an_integer_never_fails(text: str) -> None:
    value = parse_integer(text)
    assert value is None or isinstance(value, int)

"""Figures in words."""

import pytest

from proxy.shadow.words import count_of, fraction, period, roughly


@pytest.mark.parametrize(
    ("number", "text"), [(1, "1"), (100, "100"), (101, "~110"), (2242, "~2,300"), (9999, "~10,000")]
)
def test_large_numbers_are_rounded_up(number: int, text: str) -> None:
    assert roughly(number) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0"), (1, "1"), (0.5, "0.5"), (0.128, "0.13"), (0.00094, "0.00094"), (0.0000312, "0.000031")],
)
def test_shares_keep_two_digits(share: float, text: str) -> None:
    assert fraction(share) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(5, "5 s"), (60, "1 min"), (5400, "1.5 h"), (86400 * 9, "9 d")]
)
def test_periods_have_the_largest_unit_that_fits(seconds: float, text: str) -> None:
    assert period(seconds) == text


def test_nouns_follow_their_number() -> None:
    assert [count_of(1, "read"), count_of(1200, "read"), count_of(2, "mismatch", "mismatches")] == [
        "1 read",
        "1,200 reads",
        "2 mismatches",
    ]

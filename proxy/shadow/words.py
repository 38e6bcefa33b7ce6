"""Figures in words, as a person would say them."""

from math import floor, log10

_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))


def count_of(number: int, noun: str, plural: str = "") -> str:
    """``number`` with its noun: ``1 read``, ``12,400 reads``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def roughly(number: int) -> str:
    """``number``, above a hundred rounded up to two digits and marked: ``~2,300``."""
    if number <= 100:
        return f"{number:,}"
    unit: int = 10 ** (len(str(number)) - 2)
    return f"~{-(-number // unit) * unit:,}"


def fraction(share: float) -> str:
    """``share``, a number from 0 to 1, with as many digits as tell something: ``0.00094``."""
    if share <= 0:
        return "0"
    digits = max(2, 1 - floor(log10(share)))
    return f"{share:.{digits}f}".rstrip("0").rstrip(".")


def period(seconds: float) -> str:
    """``seconds`` in the largest unit that fits: ``3.5 h``, ``9 d``."""
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds:.0f} s"

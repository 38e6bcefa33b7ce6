"""Which rows are asked for: ``limit``, ``offset`` and ``Range`` as intervals of row numbers.

Source: PostgREST 14, reference 4.1.
"""

import re
from dataclasses import dataclass

_HEADER = re.compile(rb"([0-9]+)-([0-9]*)")
_INTEGER = re.compile(r"(-\s*)?(?:0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|[0-9]+)")


@dataclass(frozen=True, slots=True)
class RowRange:
    """Rows ``first`` to ``last``, counted from 0 and both included; without ``last``, all the rest."""

    first: int = 0
    last: int | None = None

    @property
    def empty(self) -> bool:
        return self.last is not None and self.last < self.first

    @property
    def limit(self) -> int | None:
        """How many rows that is; negative where a client asked for a negative number."""
        return None if self.last is None else 1 + self.last - self.first

    @property
    def limit_zero(self) -> bool:
        """Whether this is what ``limit=0`` comes to, which is no error."""
        return self.last == -1


ALL_ROWS = RowRange()
NO_ROWS = RowRange(0, -1)


def intersect(one: RowRange, other: RowRange) -> RowRange:
    """The rows in both ranges."""
    lasts = [last for last in (one.last, other.last) if last is not None]
    return RowRange(max(one.first, other.first), min(lasts) if lasts else None)


def restrict(rows: RowRange, most: int | None) -> RowRange:
    """``rows``, but no more than ``most`` of them."""
    if most is None:
        return rows
    if rows.limit_zero:
        return NO_ROWS
    return intersect(rows, RowRange(rows.first, rows.first + most - 1))


def parse_integer(text: str) -> int | None:
    """An integer as PostgREST reads one: blanks and parentheses around, hexadecimal and octal allowed."""
    text = text.strip()
    while text.startswith("(") and text.endswith(")"):
        text = text[1:-1].strip()
    if not _INTEGER.fullmatch(text):
        return None
    negative, digits = text.startswith("-"), text.removeprefix("-").strip()
    based = digits[:2].lower() in ("0x", "0o", "0b")
    # A decimal of thousands of digits is refused by int(); PostgreSQL would refuse it as well.
    if len(digits) > 1000:
        digits, based = "9" * 1000, False
    value = int(digits, 0) if based else int(digits)
    return -value if negative else value


def combine(limit: str | None, offset: str | None) -> RowRange:
    """The range that a ``limit`` and an ``offset`` parameter make; either may be absent."""
    count = None if limit is None else parse_integer(limit)
    start = None if offset is None else parse_integer(offset)
    if offset is None:
        return ALL_ROWS if count is None else RowRange(0, count - 1)
    if limit is None:
        return RowRange(start or 0)
    # A limit that is no integer counts as zero next to an offset (reference 4.1).
    first = start or 0
    return RowRange(first, first + (count or 0) - 1)


def parse_range_header(value: bytes | None) -> RowRange:
    """The ``Range`` header; anything but ``from-to`` and ``from-`` is ignored."""
    match = _HEADER.fullmatch(value) if value is not None else None
    if match is None:
        return ALL_ROWS
    return RowRange(int(match[1][:1000]), int(match[2][:1000]) if match[2] else None)

"""Rows put into one order, so that two answers are equal exactly where the order that was promised allows.

There are three freedoms. ``promised``: rows that may stand in any order are sorted, others stay. ``paged``:
besides, where the order leaves open which rows are on the page, only how many there are counts. ``any``:
all rows are sorted, whatever was promised.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, TypeAlias

from proxy.reading import Reading
from proxy.shadow.tokens import Token

Freedom: TypeAlias = Literal["promised", "paged", "any"]
Members: TypeAlias = tuple[tuple[str, Token], ...]
SomePage: TypeAlias = Callable[[list[Token]], Token]


@dataclass(frozen=True, slots=True)
class Arranging:
    """How values are arranged.

    ``total``: how many rows the outermost list is a page of, where that is known. ``stripped``: nulls were
    left out of the rows, so that rows of one kind may have different columns.
    """

    freedom: Freedom
    total: int | None = None
    stripped: bool = False

    def arrange(self, value: Token, reading: Reading, *, outermost: bool = True) -> Token:
        """``value``, which is rows or one row, by ``reading``. Anything else stays as it is."""
        if isinstance(value, list):
            rows = [self._arrange_row(row, reading) for row in value]
            return self._arrange_rows(rows, reading, self.total if outermost else None)
        return self._arrange_row(value, reading)

    def _arrange_row(self, row: Token, reading: Reading) -> Token:
        if not isinstance(row, tuple) or not (reading.inside or reading.spreads):
            return row
        inside = dict(reading.inside)
        row = tuple(
            (key, self.arrange(value, inside[key], outermost=False) if key in inside else value)
            for key, value in row
        )
        for names, spread in reading.spreads:
            row = self._arrange_spread(row, names, spread)
        return row

    def _arrange_spread(self, row: Members, names: tuple[str, ...], reading: Reading) -> Members:
        """Parallel arrays have one order: they are arranged as the rows that they were made of."""
        arrays = [(key, value) for key, value in row if key in names and isinstance(value, list)]
        if len({len(value) for _, value in arrays if isinstance(value, list)}) != 1:
            return row
        keys = [key for key, _ in arrays]
        columns = [value for _, value in arrays if isinstance(value, list)]
        rows: list[Token] = [tuple(zip(keys, values, strict=True)) for values in zip(*columns, strict=True)]
        arranged = self.arrange(rows, reading, outermost=False)
        return (*((key, None if key in keys else value) for key, value in row), (",".join(names), arranged))

    def _arrange_rows(self, rows: list[Token], reading: Reading, total: int | None) -> Token:
        if self.freedom == "any":
            return sort(rows)
        if reading.order == "bound":
            return rows
        paged = self.freedom == "paged" and reading.cuts(len(rows), total)
        if reading.order == "partial" and reading.ties is not None:
            return self._arrange_ties(rows, reading, reading.ties, paged, total)
        if paged:
            return self._blur(rows)
        # Ties that cannot be told might be anywhere.
        return sort(rows)

    def _arrange_ties(
        self, rows: list[Token], reading: Reading, ties: tuple[str, ...], paged: bool, total: int | None
    ) -> Token:
        groups = [
            list(group) for _, group in groupby(rows, lambda row: [find_tie(row, name) for name in ties])
        ]
        arranged: list[Token] = []
        for number, group in enumerate(groups):
            first, last = number == 0, number == len(groups) - 1
            cut = (first and reading.offset > 0) or (last and reading.cuts_end(len(rows), total))
            tied: Token = [find_tie(group[0], name) for name in ties]
            arranged.append([tied, self._blur(group) if paged and cut else sort(group)])
        return arranged

    def _blur(self, rows: list[Token]) -> Token:
        """What can be said of rows where it is open which ones they are: how many, of which columns."""
        columns = set() if self.stripped else {_columns(row) for row in rows}
        return [str(len(rows)), *sorted(repr(each) for each in columns)]


def sort(rows: list[Token]) -> list[Token]:
    """The texts of ``rows``, in an order that depends on nothing but themselves."""
    # repr tells numbers, texts, lists and objects apart. As a key of sorted it would keep other threads
    # waiting until it is made for every row.
    texts: list[Token] = [repr(row) for row in rows]
    return sorted(texts, key=str)


def find_member(row: Token, name: str) -> Token:
    """The value of the member ``name``; None where there is none."""
    if isinstance(row, tuple):
        for key, value in row:
            if key == name:
                return value
    return None


def find_tie(row: Token, name: str) -> Token:
    """A value of which equal ones are the same token: ``1.0`` and ``1.00`` are one number."""
    value = find_member(row, name)
    if isinstance(value, bytes) and b"e" not in value.lower():
        whole, point, fraction = value.partition(b".")
        fraction = fraction.rstrip(b"0") if point else b""
        value = whole + b"." + fraction if fraction else whole
        return b"0" if value == b"-0" else value
    return value


def _columns(row: Token) -> tuple[str, ...] | None:
    return tuple(key for key, _ in row) if isinstance(row, tuple) else None

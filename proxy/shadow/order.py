"""The order contract: how much of the rows' order, and of their choice, a request leaves open.

Known here is only what the request says. An ``order`` binds every row, ties included: which columns make
it total is the catalogue's knowledge. Of that, ``keys`` is the part used so far: whoever pins a whole
unique key with ``eq`` gets one row at most, and nothing is open. The order *inside* embedded lists is
not looked at; they count as bound.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from proxy.messages import Request
from proxy.shadow.query import Pairs, read_pairs
from proxy.shadow.subject import read_path

RANGE = re.compile(rb"([0-9]{1,18})-([0-9]{0,18})")
WHOLE_NUMBER = re.compile(r" *(-?[0-9]{1,18}) *")


@dataclass(frozen=True, slots=True)
class OrderContract:
    """``open``: the request names no order. ``offset`` and ``limit``: the page of it that was asked for."""

    open: bool
    offset: int = 0
    limit: int | None = None

    def cuts(self, rows: int, total: int | None) -> bool:
        """Whether an answer of ``rows`` rows can be a part of the result, so that order chose the rows.

        ``total`` is the number of all rows, where the answer tells it.
        """
        if self.offset > 0:
            return True
        return self.limit is not None and rows >= self.limit and (total is None or total > rows)


BOUND = OrderContract(open=False)


def read_order(
    request: Request, max_rows: int | None = None, keys: Collection[frozenset[str]] = ()
) -> OrderContract:
    """What ``request`` leaves open.

    ``max_rows`` is the option ``db-max-rows``; ``keys`` are the unique keys of the relation, each a set of
    column names, as far as they are known. A function gives its rows in its own order, which is kept.
    Source: reference 1.8, 4.1, 4.5.
    """
    pairs = read_pairs(request.query)
    path = read_path(request.path)
    if len(path) != 1 or any(key == "order" for key, _ in pairs) or _pins_a_key(pairs, keys):
        return BOUND
    limits = [] if max_rows is None else [max_rows]
    offset = 0
    # The last one wins, but a value that is no number counts as absent: whatever may cut, cuts.
    for key, value in pairs:
        number = WHOLE_NUMBER.fullmatch(value)
        if key == "limit":
            limits.append(int(number[1]) if number else 0)
        elif key == "offset":
            offset = max(offset, int(number[1]) if number else 1)
    ranged = RANGE.fullmatch(request.header(b"range") or b"") if request.method == "GET" else None
    if ranged:
        first = int(ranged[1])
        offset = max(offset, first)
        if ranged[2]:
            limits.append(max(0, int(ranged[2]) - first + 1))
    return OrderContract(True, offset, min(limits, default=None))


def _pins_a_key(pairs: Pairs, keys: Collection[frozenset[str]]) -> bool:
    pinned = {key for key, value in pairs if value.startswith("eq.")}
    return any(key <= pinned for key in keys if key)

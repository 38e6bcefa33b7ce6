"""Known corruptions of an answer, by which the checker itself is checked: each has to be found.

A corruption that an open order or a page would excuse is not made.
"""

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TypeAlias

from proxy.messages import Answer
from proxy.reading import Reading
from proxy.shadow.bodies import SUCCESS
from proxy.shadow.tokens import Token, read_tokens

LARGEST = 64 * 1024
"""Bytes of a body that is worth falsifying."""

Corrupt: TypeAlias = Callable[[Answer, Reading, int], Answer | None]
"""Gives the answer with a fault in it, the number choosing where; None if it has no place for it."""


def _status(answer: Answer, reading: Reading, place: int) -> Answer:
    return answer._replace(status=answer.status + 1)


def _header(answer: Answer, reading: Reading, place: int) -> Answer:
    return answer._replace(headers=(*answer.headers, (b"X-Understudy-Selftest", b"1")))


def _digit(answer: Answer, reading: Reading, place: int) -> Answer | None:
    places = [at for at, byte in enumerate(answer.body) if 48 <= byte <= 57]
    if not places:
        return None
    at = places[place % len(places)]
    digit = b"%d" % ((answer.body[at] - 48 + 1) % 10)
    return answer._replace(body=answer.body[:at] + digit + answer.body[at + 1 :])


def _row(answer: Answer, reading: Reading, place: int) -> Answer | None:
    rows = _read_rows(answer)
    if not rows:
        return None
    at = place % len(rows)
    return _with_rows(answer, [*rows[:at], *rows[at + 1 :]])


def _order(answer: Answer, reading: Reading, place: int) -> Answer | None:
    rows = _read_rows(answer)
    if reading.order != "bound" or not rows:
        return None
    places = [at for at, pair in enumerate(pairwise(rows)) if pair[0] != pair[1]]
    if not places:
        return None
    at = places[place % len(places)]
    return _with_rows(answer, [*rows[:at], rows[at + 1], rows[at], *rows[at + 2 :]])


def _null(answer: Answer, reading: Reading, place: int) -> Answer | None:
    """A null that is left out."""
    return _change_member(
        answer, place, lambda value: value is None, lambda members, at: (*members[:at], *members[at + 1 :])
    )


def _type(answer: Answer, reading: Reading, place: int) -> Answer | None:
    """A number as text."""

    def write(members: Members, at: int) -> Members:
        key, value = members[at]
        assert isinstance(value, bytes)
        return (*members[:at], (key, value.decode()), *members[at + 1 :])

    return _change_member(answer, place, lambda value: isinstance(value, bytes), write)


CORRUPTIONS: dict[str, Corrupt] = {
    "status": _status,
    "header": _header,
    "digit": _digit,
    "row": _row,
    "order": _order,
    "null": _null,
    "type": _type,
}
OF_BODIES = frozenset({"digit", "row", "order", "null", "type"})


def corrupt(answer: Answer, reading: Reading, kind: str, place: int) -> Answer | None:
    """``answer`` with a fault of that ``kind``, which has to be found; None for no such place.

    ``reading`` is what the request promises, ``place`` chooses one of the places for the fault.
    """
    if kind in OF_BODIES:
        label = (answer.header(b"content-type") or b"").startswith((b"application/json", b"text/csv"))
        rows = label and answer.status in SUCCESS and len(answer.body) <= LARGEST
        coded = answer.header(b"content-encoding") is not None
        if not rows or coded or not reading.settled:
            return None
    return CORRUPTIONS[kind](answer, reading, place)


Members: TypeAlias = tuple[tuple[str, Token], ...]


def _read_rows(answer: Answer) -> list[Token]:
    """The rows of a JSON array; none for anything else."""
    if not (answer.header(b"content-type") or b"").startswith(b"application/json"):
        return []
    try:
        value = read_tokens(answer.body)
    except (ValueError, RecursionError):
        return []
    return value if isinstance(value, list) else []


def _with_rows(answer: Answer, rows: list[Token]) -> Answer:
    return answer._replace(body="".join(_write(rows)).encode("utf-8", "surrogatepass"))


def _change_member(
    answer: Answer,
    place: int,
    fits: Callable[[Token], bool],
    change: Callable[[Members, int], Members],
) -> Answer | None:
    rows = _read_rows(answer)
    places = [
        (number, at)
        for number, row in enumerate(rows)
        if isinstance(row, tuple)
        for at, (_, value) in enumerate(row)
        if fits(value)
    ]
    if not places:
        return None
    number, at = places[place % len(places)]
    row = rows[number]
    assert isinstance(row, tuple)
    return _with_rows(answer, [*rows[:number], change(row, at), *rows[number + 1 :]])


def _write(value: Token) -> Iterator[str]:
    match value:
        case bytes():
            yield value.decode()
        case list():
            yield "["
            for index, item in enumerate(value):
                yield "," if index else ""
                yield from _write(item)
            yield "]"
        case tuple():
            yield "{"
            for index, (key, item) in enumerate(value):
                yield ("," if index else "") + json.dumps(key) + ":"
                yield from _write(item)
            yield "}"
        case _:
            yield json.dumps(value)

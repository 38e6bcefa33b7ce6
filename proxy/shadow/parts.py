"""The parts in which two answers differ, each by itself, so that a later reading can confirm or clear it.

A place stays the same from one reading to the next: a header by its name, a column of a row by the row's
key. A fact says what each side had there. Rows that show no key are told by the values of their columns.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from proxy.messages import Answer, Request
from proxy.reading import BOUND, Reading
from proxy.shadow.arrange import Arranging, find_tie
from proxy.shadow.bodies import DifferentBytes, DifferentValues, Equal, Incomparable, read_bodies
from proxy.shadow.headers import compare_headers
from proxy.shadow.ignore import NOTHING, Ignoring
from proxy.shadow.rows import find_keys
from proxy.shadow.tokens import Token

Place: TypeAlias = tuple[str, ...]

PROMISED = Arranging("promised")

MOST_FACTS = 2000
SAMPLE = 100
"""When more facts are known, so many of each field are kept, always the same ones, and one for all."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What each side had at ``place``, as fingerprints. ``detail`` tells facts of one place apart."""

    place: Place
    upstream: int
    engine: int
    detail: int = 0


Parts: TypeAlias = frozenset[Fact]


def find_parts(
    request: Request, upstream: Answer, engine: Answer, reading: Reading = BOUND, ignoring: Ignoring = NOTHING
) -> Parts:
    """Every part in which the answers differ, where ``compare`` says that they do. Never raises."""
    found = frozenset(_find(request, upstream, engine, reading, ignoring))
    if len(found) > MOST_FACTS:
        found = frozenset(_gather(found))
    return found or frozenset({Fact(("whole",), hash(upstream.body), hash(engine.body))})


def find_field(place: Place) -> Place:
    """The place without the row: the field that it belongs to."""
    return ("row", *place[2:]) if place[0] == "row" else place


def _find(
    request: Request, upstream: Answer, engine: Answer, reading: Reading, ignoring: Ignoring
) -> Iterator[Fact]:
    if upstream.status != engine.status:
        yield Fact(("status",), upstream.status, engine.status)
    headers, _ = ignoring.split_headers(
        compare_headers(upstream, engine, head=request.method == "HEAD", opaque=False)
    )
    for difference in headers:
        yield Fact(("headers", difference.path), hash(difference.upstream), hash(difference.engine))
    bodies = read_bodies(upstream, engine, reading, ignoring)
    match bodies:
        case Equal() | Incomparable():
            return
        case DifferentBytes(one, other):
            yield Fact(("body",), hash(one), hash(other))
        case DifferentValues():
            lists = bodies.lists
            if lists is not None:
                yield from _find_in_rows(*lists, bodies.reading, bodies.total)
            else:
                yield from _find_in_members(("body",), bodies.upstream, bodies.engine)


def _gather(facts: Parts) -> Iterator[Fact]:
    fields: dict[Place, list[Fact]] = {}
    for fact in facts:
        fields.setdefault(find_field(fact.place), []).append(fact)
    for field, members in fields.items():
        yield from sorted(members, key=hash)[:SAMPLE]
        place = ("row", "*", *field[1:]) if field[0] == "row" else field
        one = frozenset((fact.place, fact.detail, fact.upstream) for fact in members)
        other = frozenset((fact.place, fact.detail, fact.engine) for fact in members)
        yield Fact(place, hash(one), hash(other))


def _find_in_members(place: Place, one: Token, other: Token) -> Iterator[Fact]:
    """By member, where both are objects with the same keys in the same order; else as a whole."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        keys = [key for key, _ in one]
        if keys == [key for key, _ in other] and len(set(keys)) == len(keys):
            for (key, value), (_, second) in zip(one, other, strict=True):
                if value != second:
                    yield Fact((*place, key), _print(value), _print(second))
            return
    if one != other:
        yield Fact(place, _print(one), _print(other))


def _find_in_rows(
    upstream: list[Token], engine: list[Token], reading: Reading, total: int | None
) -> Iterator[Fact]:
    one = [PROMISED.arrange(row, reading) for row in upstream]
    other = [PROMISED.arrange(row, reading) for row in engine]
    # Where the order leaves open which rows are on the page, it is no fact that one of them is not.
    chosen = reading.order == "bound" or not reading.cuts(max(len(one), len(other)), total)
    keys = find_keys(one, reading)
    other_keys = find_keys(other, reading)
    if keys is not None and other_keys is not None:
        first = dict(zip(keys, one, strict=True))
        second = dict(zip(other_keys, other, strict=True))
        yield from _find_by_key(first, second, chosen=chosen)
        if chosen:
            yield from _find_order(first, second, reading)
    elif not chosen:
        names, other_names = _columns(one), _columns(other)
        if names is not None and other_names is not None and names.keys() != other_names.keys():
            yield Fact(("columns",), hash(tuple(names)), hash(tuple(other_names)))
    elif len(one) == len(other):
        yield from _find_by_column(one, other, reading)
    else:
        yield from _count_apart(("rows",), [repr(row) for row in one], [repr(row) for row in other])
    if len(one) != len(other) and not chosen:
        yield Fact(("count",), len(one), len(other))


def _find_by_key(first: dict[str, Token], second: dict[str, Token], *, chosen: bool) -> Iterator[Fact]:
    for key in first.keys() & second.keys():
        yield from _find_in_members(("row", key), first[key], second[key])
    if chosen:
        for key in first.keys() ^ second.keys():
            one, other = first.get(key), second.get(key)
            yield Fact(("row", key), 0 if one is None else _print(one), 0 if other is None else _print(other))


def _find_order(first: dict[str, Token], second: dict[str, Token], reading: Reading) -> Iterator[Fact]:
    """Neighbours that do not tie and stand the other way round, among the rows that are on both sides."""
    shared = {key for key, row in first.items() if second.get(key) == row}
    plain = Reading(reading.order, reading.ties)
    one = PROMISED.arrange([row for key, row in first.items() if key in shared], plain)
    other = PROMISED.arrange([row for key, row in second.items() if key in shared], plain)
    if one == other:
        return
    here = {key: at for at, key in enumerate(key for key in first if key in shared)}
    there = {key: at for at, key in enumerate(key for key in second if key in shared)}
    for sequence in (here, there):
        for pair in pairwise(sequence):
            before, after = sorted(pair)
            if _may_tie(first[before], first[after], reading):
                continue
            if (here[before] < here[after]) != (there[before] < there[after]):
                came = here[before] < here[after]
                yield Fact(("order",), came, not came, hash((before, after)))


def _may_tie(one: Token, other: Token, reading: Reading) -> bool:
    if reading.order == "bound":
        return False
    return all(find_tie(one, name) == find_tie(other, name) for name in reading.ties or ())


def _find_by_column(one: list[Token], other: list[Token], reading: Reading) -> Iterator[Fact]:
    columns, other_columns = _columns(one), _columns(other)
    found = False
    if columns is not None and other_columns is not None and columns.keys() == other_columns.keys():
        for name in columns:
            for fact in _count_apart(("row", "", name), columns[name], other_columns[name]):
                found = True
                yield fact
    if not found:
        # In every column the same values: then they stand in other rows, or the rows in another order.
        arranged, other_arranged = PROMISED.arrange(one, reading), PROMISED.arrange(other, reading)
        yield Fact(("rows",), _print(arranged), _print(other_arranged))


def _columns(rows: list[Token]) -> dict[str, list[str]] | None:
    columns: dict[str, list[str]] = {}
    for row in rows:
        if not isinstance(row, tuple):
            return None
        for key, value in row:
            columns.setdefault(key, []).append(repr(value))
    return columns


def _count_apart(place: Place, one: list[str], other: list[str]) -> Iterator[Fact]:
    """The texts of which one side has more than the other."""
    first, second = Counter(one), Counter(other)
    for text in first.keys() | second.keys():
        if first[text] != second[text]:
            yield Fact(place, first[text], second[text], hash(text))


def _print(value: Token) -> int:
    return hash(repr(value))

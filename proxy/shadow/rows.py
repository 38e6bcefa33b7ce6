"""Where two lists of rows differ: rows are matched with each other before they are compared.

A row that one side lacks must not make every row behind it different. So equal rows are taken out first;
what is left is matched by the key, where the answer shows one, else in order.
"""

from collections import Counter
from collections.abc import Iterator
from typing import TypeAlias

from proxy.difference import Difference
from proxy.reading import Reading
from proxy.shadow.arrange import Arranging, find_member
from proxy.shadow.tokens import (
    ABSENT,
    MAX_DIFFERENCES,
    Path,
    Token,
    find_differences,
    make_difference,
    render,
    render_path,
    step,
)

Numbered: TypeAlias = tuple[int, Token, str]
"""A row with its place in the answer, and its text."""

SORTED = Arranging("any")
PROMISED = Arranging("promised")


def find_row_differences(upstream: list[Token], engine: list[Token], reading: Reading) -> list[Difference]:
    """Where the rows differ, other than in an order; at most ``MAX_DIFFERENCES`` places."""
    found: list[Difference] = []
    if len(upstream) != len(engine):
        found.append(make_difference(None, f"{len(upstream)} items", f"{len(engine)} items", "count"))
    for one, other in match_rows(upstream, engine, reading):
        if len(found) >= MAX_DIFFERENCES:
            break
        if one is None:
            assert other is not None
            found.append(make_difference(_at(other[0]), ABSENT, render(other[1]), "extra"))
        elif other is None:
            found.append(make_difference(_at(one[0]), render(one[1]), ABSENT, "missing"))
        else:
            found += find_differences(one[1], other[1], MAX_DIFFERENCES, _at(one[0]))
    return found[:MAX_DIFFERENCES]


def are_misordered(upstream: list[Token], engine: list[Token], reading: Reading) -> bool:
    """Whether the rows that are the same on both sides stand in another order than promised."""
    one, other = _number(upstream, reading), _number(engine, reading)
    shared = Counter(text for _, _, text in one) & Counter(text for _, _, text in other)
    return _shallow(_only(one, shared), reading) != _shallow(_only(other, shared), reading)


def _only(rows: list[Numbered], wanted: Counter[str]) -> list[Token]:
    left = wanted.copy()
    kept = []
    for _, row, text in rows:
        if left[text] > 0:
            left[text] -= 1
            kept.append(row)
    return kept


def match_rows(
    upstream: list[Token], engine: list[Token], reading: Reading
) -> Iterator[tuple[Numbered | None, Numbered | None]]:
    """The rows that differ, each with the one it is to be compared with, if there is one.

    The lists inside of rows are sorted, so that rows that differ only there in their order are equal.
    """
    one, other = _take_out_equal(_number(upstream, reading), _number(engine, reading))
    keys, other_keys = _find_keys(one, reading), _find_keys(other, reading)
    if keys is not None and other_keys is not None:
        rest = dict(zip(other_keys, other, strict=True))
        for key, row in zip(keys, one, strict=True):
            yield row, rest.pop(key, None)
        yield from ((None, row) for row in rest.values())
        return
    shared = min(len(one), len(other))
    yield from zip(one[:shared], other[:shared], strict=True)
    yield from ((row, None) for row in one[shared:])
    yield from ((None, row) for row in other[shared:])


def share_different_rows(upstream: list[Token], engine: list[Token], reading: Reading) -> bool:
    """Whether both pages have a row, by its key, that is not the same row: which rows are open, not what."""
    one, other = _number(upstream, reading), _number(engine, reading)
    keys, other_keys = _find_keys(one, reading), _find_keys(other, reading)
    if keys is None or other_keys is None:
        return False
    texts = dict(zip(other_keys, (text for _, _, text in other), strict=True))
    return any(key in texts and texts[key] != text for key, (_, _, text) in zip(keys, one, strict=True))


def find_keys(rows: list[Token], reading: Reading) -> list[str] | None:
    """The key of each row; None if the answer does not show one, or it is no key after all."""
    if not reading.key:
        return None
    keys = [repr([find_member(row, name) for name in reading.key]) for row in rows]
    return keys if len(set(keys)) == len(keys) else None


def find_misordered(upstream: Token, engine: Token, reading: Reading, path: Path = None) -> Iterator[str]:
    """The lists that hold the same rows on both sides, in another order than promised."""
    pairs: list[tuple[Path, Token, Token]] = [(path, upstream, engine)]
    if isinstance(upstream, list) and isinstance(engine, list):
        if SORTED.arrange(upstream, reading) != SORTED.arrange(engine, reading):
            return
        if _shallow(upstream, reading) != _shallow(engine, reading):
            yield render_path(path)
            return
        pairs = [
            ((path, f"[{index}]"), one, other)
            for index, (one, other) in enumerate(zip(upstream, engine, strict=True))
        ]
    for at, one, other in pairs:
        for name, inside in reading.inside:
            yield from find_misordered(
                find_member(one, name), find_member(other, name), inside, (at, step(name))
            )
        for names, _ in reading.spreads:
            for name in names:
                if find_member(one, name) != find_member(other, name):
                    yield render_path((at, step(name)))


def _shallow(rows: list[Token], reading: Reading) -> Token:
    """``rows`` by what was promised of them, not of the lists inside them."""
    return PROMISED.arrange(
        [SORTED.arrange(row, reading) for row in rows],
        Reading(reading.order, reading.ties, offset=reading.offset, limit=reading.limit),
    )


def _number(rows: list[Token], reading: Reading) -> list[Numbered]:
    arranged = (SORTED.arrange(row, reading) for row in rows)
    return [(number, row, repr(row)) for number, row in enumerate(arranged)]


def _find_keys(rows: list[Numbered], reading: Reading) -> list[str] | None:
    return find_keys([row for _, row, _ in rows], reading)


def _take_out_equal(one: list[Numbered], other: list[Numbered]) -> tuple[list[Numbered], list[Numbered]]:
    return _without(one, Counter(text for _, _, text in other)), _without(
        other, Counter(text for _, _, text in one)
    )


def _without(rows: list[Numbered], others: Counter[str]) -> list[Numbered]:
    left = []
    for row in rows:
        if others[row[2]]:
            others[row[2]] -= 1
        else:
            left.append(row)
    return left


def _at(index: int) -> Path:
    return (None, f"[{index}]")

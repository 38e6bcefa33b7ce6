"""JSON as tokens: what two texts say, down to the digits, and where they say something else.

A number stays the text it was (``1.10`` is not ``1.1``; 2^53 + 1 keeps its last digit), an object keeps
the order of its members and those that occur twice. White space and the spelling of characters inside
strings are not tokens (RFC 8259, section 2 and 7).
"""

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TypeAlias, TypeVar

from proxy.difference import Difference, Kind

Token: TypeAlias = "bool | bytes | str | list[Token] | tuple[tuple[str, Token], ...] | None"
"""A JSON value: numbers are bytes, arrays lists, objects tuples of members. ``==`` is token equality."""

MAX_DIFFERENCES = 20
MAX_TEXT = 120
ABSENT = "(absent)"

LONG = 64 * 1024
"""From this many bytes on, parsing makes room for other threads."""

EXACT_DEPTH = 8
LONGEST_NUMBER = 1000
NUMBER = re.compile(
    rb"(?P<sign>-?)(?P<whole>[0-9]+)(?:\.(?P<fraction>[0-9]+))?(?:[eE](?P<power>[+-]?[0-9]{1,9}))?"
)
PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")

Text = TypeVar("Text", str, bytes)

Path: TypeAlias = "tuple[Path, str] | None"
"""The steps from the root, last one first, so that a path costs nothing until it is shown."""


def read_tokens(body: bytes) -> Token:
    """The value that ``body`` spells. Raises ValueError when it is no JSON, RecursionError when too deep."""
    # The scanner is C code and keeps other threads waiting, unless it calls Python now and then.
    hook: Callable[[list[tuple[str, Token]]], Token] = tuple if len(body) < LONG else _members
    value: Token = json.loads(
        body.decode("utf-8"),
        parse_int=str.encode,
        parse_float=str.encode,
        parse_constant=str.encode,
        object_pairs_hook=hook,
    )
    return value


def find_differences(
    upstream: Token, engine: Token, limit: int = MAX_DIFFERENCES, path: Path = None
) -> list[Difference]:
    """At most ``limit`` places where the values differ, in the order of the text; none if they are equal.

    Lists are compared by position; objects by key, and the order of their keys counts. ``path`` is where
    the values stand. May raise RecursionError for values nested very deeply.
    """
    found: list[Difference] = []
    open_pairs: list[tuple[Path, int, Token, Token]] = [(path, 0, upstream, engine)]
    while open_pairs and len(found) < limit:
        path, depth, one, other = open_pairs.pop()
        if isinstance(one, list) and isinstance(other, list):
            if len(one) != len(other):
                found.append(make_difference(path, f"{len(one)} items", f"{len(other)} items", "count"))
            steps = enumerate(zip(one, other, strict=False))
            children = [
                ((path, f"[{index}]"), depth + 1, a, b) for index, (a, b) in steps if _differ(depth, a, b)
            ]
            open_pairs.extend(reversed(children[:limit] if depth < EXACT_DEPTH else children))
        elif isinstance(one, tuple) and isinstance(other, tuple):
            keys, other_keys = [key for key, _ in one], [key for key, _ in other]
            if keys == other_keys:
                members = zip(one, other, strict=True)
                children = [
                    ((path, step(key)), depth + 1, a, b)
                    for (key, a), (_, b) in members
                    if _differ(depth, a, b)
                ]
                open_pairs.extend(reversed(children))
            else:
                found.extend(_key_differences(path, one, other))
                if len(set(keys)) == len(keys) and len(set(other_keys)) == len(other_keys):
                    shared = dict(other)
                    children = [
                        ((path, step(key)), depth + 1, value, shared[key])
                        for key, value in sorted(one, key=lambda member: member[0])
                        if key in shared and _differ(depth, value, shared[key])
                    ]
                    open_pairs.extend(reversed(children))
        elif one != other:
            found.append(make_difference(path, *_render_both(one, other), find_kind(one, other)))
    return found[:limit]


def find_kind(one: Token, other: Token) -> Kind:
    """How two unequal values differ that are not both lists or both objects."""
    if one is None or other is None:
        return "null"
    if isinstance(one, bytes) and isinstance(other, bytes):
        return "format" if _same_number(one, other) else "value"
    if isinstance(one, str) and isinstance(other, str):
        return "format" if _same_instant(one, other) else "value"
    return "value" if isinstance(one, bool) and isinstance(other, bool) else "type"


def _same_number(one: bytes, other: bytes) -> bool:
    if max(len(one), len(other)) > LONGEST_NUMBER:
        return False
    first, second = NUMBER.fullmatch(one), NUMBER.fullmatch(other)
    return bool(first and second and _digits(first) == _digits(second))


def _digits(number: "re.Match[bytes]") -> tuple[bool, bytes, int]:
    """Sign, digits without zeros around them, and the power of ten of the last one."""
    whole, fraction, power = number["whole"], number["fraction"] or b"", int(number["power"] or 0)
    digits = (whole + fraction).lstrip(b"0")
    bare = digits.rstrip(b"0")
    if not bare:
        return False, b"", 0
    return bool(number["sign"]), bare, power - len(fraction) + len(digits) - len(bare)


def _same_instant(one: str, other: str) -> bool:
    try:
        first, second = datetime.fromisoformat(one), datetime.fromisoformat(other)
    except ValueError:
        return False
    return (first.tzinfo is None) == (second.tzinfo is None) and first == second


def render(value: Token) -> str:
    """``value`` as compact JSON, shortened."""
    text = ""
    for piece in _pieces(value):
        text += piece
        if len(text) > MAX_TEXT:
            break
    return shorten(text)


def shorten(text: str, limit: int = MAX_TEXT) -> str:
    """``text``, at most ``limit`` characters of it, fit to be encoded in UTF-8."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return cut.encode("utf-8", "backslashreplace").decode()


def _render_both(one: Token, other: Token) -> tuple[str, str]:
    """Both values; of two long strings, what comes shortly before they part."""
    if isinstance(one, str) and isinstance(other, str) and max(len(one), len(other)) > MAX_TEXT // 2:
        start = max(0, find_parting(one, other) - MAX_TEXT // 6)
        if start:
            return render("…" + one[start:]), render("…" + other[start:])
    return render(one), render(other)


def find_parting(one: Text, other: Text) -> int:
    """The first position at which two sequences differ, or the length of the shorter one."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _members(pairs: list[tuple[str, Token]]) -> Token:
    return tuple(pairs)


def _differ(depth: int, one: Token, other: Token) -> bool:
    """Whether to look into a pair. Comparing whole subtrees at every level would cost depth times size."""
    return depth >= EXACT_DEPTH or one != other


def _key_differences(
    path: Path, one: tuple[tuple[str, Token], ...], other: tuple[tuple[str, Token], ...]
) -> list[Difference]:
    """What two objects with different keys lack, or else that their keys stand in another order."""
    first, second = dict(one), dict(other)
    lonely = sorted(first.keys() ^ second.keys())
    if not lonely:
        return [make_difference(path, _render_keys(one), _render_keys(other), "keys")]
    return [
        make_difference((path, step(key)), render(first[key]), ABSENT, "missing")
        if key in first
        else make_difference((path, step(key)), ABSENT, render(second[key]), "extra")
        for key in lonely[:MAX_DIFFERENCES]
    ]


def _render_keys(members: tuple[tuple[str, Token], ...]) -> str:
    return shorten("keys " + ", ".join(key for key, _ in members[:MAX_TEXT]))


def make_difference(path: Path, upstream: str, engine: str, kind: Kind) -> Difference:
    """A difference between bodies, at ``path``."""
    return Difference("body", render_path(path), upstream, engine, kind)


def render_path(path: Path) -> str:
    """``$`` and the steps, shortened."""
    steps: list[str] = []
    while path is not None:
        path, step = path
        steps.append(step)
    return shorten("$" + "".join(reversed(steps)), 2 * MAX_TEXT)


def step(key: str) -> str:
    """The step of a path to the member ``key``."""
    if PLAIN_KEY.fullmatch(key):
        return f".{key}"
    return f"[{json.dumps(shorten(key), ensure_ascii=False)}]"


def _pieces(value: Token) -> Iterator[str]:
    """The text of ``value`` bit by bit, so that whoever needs only its beginning pays only for that."""
    match value:
        case bytes():
            yield value.decode()
        case str():
            yield json.dumps(value[:MAX_TEXT], ensure_ascii=False)
        case list():
            yield "["
            for index, item in enumerate(value):
                if index:
                    yield ","
                yield from _pieces(item)
            yield "]"
        case tuple():
            yield "{"
            for index, (key, item) in enumerate(value):
                yield ("," if index else "") + json.dumps(key[:MAX_TEXT], ensure_ascii=False) + ":"
                yield from _pieces(item)
            yield "}"
        case _:
            yield json.dumps(value)

"""Two answers beside each other, line by line, with what is equal shortened."""

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from proxy.messages import Answer
from proxy.shadow.tokens import Token, read_tokens, step

CONTEXT = 3
"""Equal lines that are shown around each difference."""

MAX_LINES = 2_000

Placed: TypeAlias = tuple[str, str]
"""A path, and the line that stands there."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of both; ``mark`` is ``=``, ``|`` where they differ, ``<`` or ``>`` where one has none.

    ``path`` is where it stands, as differences say it: a JSON path, the name of a header, nothing for others.
    """

    mark: str
    upstream: str
    engine: str
    path: str = ""


def compare_lines(upstream: Answer, engine: Answer) -> list[Line]:
    """Status, headers and body of both; equal lines that are far from a difference are one line ``…``."""
    one, other = list(_lines(upstream))[:MAX_LINES], list(_lines(engine))[:MAX_LINES]
    found: list[Line] = []
    matcher = difflib.SequenceMatcher(
        None, [text for _, text in one], [text for _, text in other], autojunk=False
    )
    for kind, start, end, other_start, other_end in matcher.get_opcodes():
        left, right = one[start:end], other[other_start:other_end]
        if kind == "equal":
            found.extend(Line("=", text, text, path) for path, text in left)
            continue
        for a, b in _pair(left, right):
            mark = "<" if b is None else ">" if a is None else "|"
            path = (a or b or ("", ""))[0]
            found.append(Line(mark, "" if a is None else a[1], "" if b is None else b[1], path))
    return list(_shorten(found))


def _pair(left: list[Placed], right: list[Placed]) -> Iterator[tuple[Placed | None, Placed | None]]:
    """Lines of both that stand at one path beside each other, the others alone, each side in its order."""
    last = {path: index for index, (path, _) in enumerate(right)}
    at = other = 0
    while at < len(left) and other < len(right):
        if left[at][0] == right[other][0]:
            yield left[at], right[other]
            at, other = at + 1, other + 1
        elif last.get(left[at][0], -1) > other:
            yield None, right[other]
            other += 1
        else:
            yield left[at], None
            at += 1
    yield from ((line, None) for line in left[at:])
    yield from ((None, line) for line in right[other:])


def _shorten(lines: list[Line]) -> Iterator[Line]:
    different = [index for index, line in enumerate(lines) if line.mark != "="]
    near = {index + step for index in different for step in range(-CONTEXT, CONTEXT + 1)}
    skipping = False
    for index, line in enumerate(lines):
        if index in near or not different:
            yield line
            skipping = False
        elif not skipping:
            yield Line("=", "…", "…")
            skipping = True


def _lines(answer: Answer) -> Iterator[Placed]:
    """Each line with its path."""
    yield "", f"status {answer.status}"
    for name, value in sorted((_text(name), _text(value)) for name, value in answer.headers):
        yield name, f"{name}: {value}"
    yield "", ""
    try:
        yield from _pretty(read_tokens(answer.body), "$", "", "")
    except (ValueError, RecursionError):
        for line in _text(answer.body).splitlines():
            yield "", line


def _pretty(value: Token, path: str, start: str, indent: str) -> Iterator[Placed]:
    """JSON with a line for each member and item; numbers stay the text that they are."""
    if isinstance(value, list) and value:
        yield path, f"{start}["
        for index, item in enumerate(value):
            yield from _pretty(item, f"{path}[{index}]", f"{indent}  ", f"{indent}  ")
        yield path, f"{indent}]"
    elif isinstance(value, tuple) and value:
        yield path, f"{start}{{"
        for key, item in value:
            member = f"{indent}  {json.dumps(key, ensure_ascii=False)}: "
            yield from _pretty(item, path + step(key), member, f"{indent}  ")
        yield path, f"{indent}}}"
    elif isinstance(value, bytes):
        yield path, start + value.decode()
    else:
        yield path, start + ("{}" if value == () else json.dumps(value, ensure_ascii=False))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")

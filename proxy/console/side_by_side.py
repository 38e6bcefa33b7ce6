"""Two answers beside each other, line by line, with what is equal shortened."""

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass

from proxy.messages import Answer
from proxy.shadow.tokens import Token, read_tokens

CONTEXT = 3
"""Equal lines that are shown around each difference."""

MAX_LINES = 2_000


@dataclass(frozen=True, slots=True)
class Line:
    """One line of both; ``mark`` is ``=``, ``|`` where they differ, ``<`` or ``>`` where one has none."""

    mark: str
    upstream: str
    engine: str


def compare_lines(upstream: Answer, engine: Answer) -> list[Line]:
    """Status, headers and body of both; equal lines that are far from a difference are one line ``…``."""
    one, other = list(_lines(upstream))[:MAX_LINES], list(_lines(engine))[:MAX_LINES]
    found: list[Line] = []
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    for kind, start, end, other_start, other_end in matcher.get_opcodes():
        left, right = one[start:end], other[other_start:other_end]
        if kind == "equal":
            found.extend(Line("=", text, text) for text in left)
            continue
        for index in range(max(len(left), len(right))):
            a = left[index] if index < len(left) else None
            b = right[index] if index < len(right) else None
            found.append(Line("<" if b is None else ">" if a is None else "|", a or "", b or ""))
    return list(_shorten(found))


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


def _lines(answer: Answer) -> Iterator[str]:
    yield f"status {answer.status}"
    for name, value in sorted((_text(name), _text(value)) for name, value in answer.headers):
        yield f"{name}: {value}"
    yield ""
    try:
        yield from _pretty(read_tokens(answer.body), "", "")
    except (ValueError, RecursionError):
        yield from _text(answer.body).splitlines()


def _pretty(value: Token, start: str, indent: str) -> Iterator[str]:
    """JSON with a line for each member and item; numbers stay the text that they are."""
    if isinstance(value, list) and value:
        yield f"{start}["
        for item in value:
            yield from _pretty(item, f"{indent}  ", f"{indent}  ")
        yield f"{indent}]"
    elif isinstance(value, tuple) and value:
        yield f"{start}{{"
        for key, item in value:
            yield from _pretty(item, f"{indent}  {json.dumps(key, ensure_ascii=False)}: ", f"{indent}  ")
        yield f"{indent}}}"
    elif isinstance(value, bytes):
        yield start + value.decode()
    else:
        yield start + ("{}" if value == () else json.dumps(value, ensure_ascii=False))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")

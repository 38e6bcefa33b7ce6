"""Shapes that must have been compared before a table is promoted, however rare they are.

They are pinned by people, who know of the report at the end of the month, and imported from where requests
are already written down: access logs, of which only request lines are known.
"""

import re
from collections.abc import Iterable, Set

from proxy.shadow.shape import read_line_shape

_REQUEST_LINE = re.compile(r'"((?:GET|HEAD) /[^"\s]*)(?: HTTP/[0-9.]+)?"')
_HEADER_PART = re.compile(r" (?:profile|accept|range|prefer)=")
_PLAIN_LINE = re.compile(r"((?:GET|HEAD) /\S*)(?:\s+HTTP/[0-9.]+)?\s*")


def read_access_log(lines: Iterable[str]) -> dict[str, int]:
    """How often each shape of a read was asked for, by an access log, the most frequent first.

    A request line stands in quotes, as in the common and the combined log format (and in PostgREST's own
    log), or makes up the line alone. Other lines, and writes, are passed over.
    """
    counts: dict[str, int] = {}
    for line in lines:
        match = _REQUEST_LINE.search(line) or _PLAIN_LINE.fullmatch(line)
        if match is not None:
            shape = read_line_shape(match[1])
            counts[shape] = counts.get(shape, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def is_shape_seen(pinned: str, seen: Set[str]) -> bool:
    """Whether ``pinned`` is among the shapes ``seen``, whatever headers they came with if it names none.

    A shape is method and target, then what its headers change, separated by spaces.
    """
    if pinned in seen:
        return True
    return any(shape.startswith(pinned) and _HEADER_PART.match(shape, len(pinned)) for shape in seen)

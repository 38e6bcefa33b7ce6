"""Shapes that must have been compared before a table is promoted, however rare they are.

They are pinned by people, who know of the report at the end of the month, and imported from where requests
are already written down: access logs, of which only request lines are known.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from proxy.shadow.shape import read_line_shape

_REQUEST_LINE = re.compile(r'"((?:GET|HEAD) /[^"\s]*)(?: HTTP/[0-9.]+)?"')
_TARGET = re.compile(r"(?:GET|HEAD|POST) (?P<name>[^?*/ ][^?/ ]*|rpc/[^?/ ]+)(?=[? ]|$)")
_PROFILE = re.compile(r" profile=(\S+)")
_HEADER_PART = re.compile(r" (?:profile|accept|range|prefer)=")
_PLAIN_LINE = re.compile(r"((?:GET|HEAD) /\S*)(?:\s+HTTP/[0-9.]+)?\s*")


def read_access_log(lines: Iterable[str], prefix: str = "") -> dict[str, int]:
    """How often each shape of a read was asked for, by an access log, the most frequent first.

    ``prefix`` is what a gateway takes from the path before it asks PostgREST; other paths are passed over.

    A request line stands in quotes, as in the common and the combined log format (and in PostgREST's own
    log), or makes up the line alone. Other lines, and writes, are passed over.
    """
    counts: Counter[str] = Counter()
    for line in lines:
        match = _REQUEST_LINE.search(line) or _PLAIN_LINE.fullmatch(line)
        method, _, target = ("", "", "") if match is None else match[1].partition(" ")
        if method and target.startswith(f"{prefix}/"):
            counts[read_line_shape(f"{method} {target.removeprefix(prefix)}")] += 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def find_never_seen(pinned: Iterable[str], seen: Iterable[str]) -> tuple[str, ...]:
    """Those of ``pinned`` that are not among the shapes ``seen``, in order.

    A shape is method and target, then what its headers change, separated by spaces. One that is pinned is
    seen with whatever further headers it came.
    """
    known: set[str] = set()
    for shape in seen:
        known.add(shape)
        known.update(shape[: part.start()] for part in _HEADER_PART.finditer(shape))
    return tuple(sorted(set(pinned) - known))


def find_table(shape: str, schemas: Sequence[str]) -> str | None:
    """The label of the table or function that ``shape`` asks for; None for what is neither.

    ``schemas`` are those that are exposed, the default first.
    """
    match = _TARGET.match(shape)
    if match is None:
        return None
    name, profile = match["name"], _PROFILE.search(shape)
    if profile is None or profile[1] in schemas[:1]:
        return name
    prefix = "rpc/" if name.startswith("rpc/") else ""
    return f"{prefix}{profile[1]}.{name.removeprefix(prefix)}"

"""Which columns of tables a view shows, read from its stored rewrite rule.

PostgreSQL notes for each output column of a query the relation and column it was taken from unchanged
(``resorigtbl`` and ``resorigcol`` of the target list in ``pg_rewrite.ev_action``).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

_TOKEN = re.compile(r"\\.|[(){}]|[^\\(){}]+", re.DOTALL)
_ENTRY = re.compile(r":resno (\d+).*:resorigtbl (\d+) :resorigcol (-?\d+)", re.DOTALL)

# Depths in the text of a rule: the list of actions, a query, its target list, an entry of that.
_QUERY, _TARGETS, _TARGET = 2, 3, 4

Origin: TypeAlias = tuple[int, int]
"""A relation by its oid, and the number of a column of it."""

Targets: TypeAlias = Mapping[int, Origin]
"""For the numbers of a view's columns, where each comes from."""


def parse_targets(action: str) -> dict[int, Origin]:
    """The plain columns in the outermost target list of a rule's ``ev_action``."""
    targets: dict[int, Origin] = {}
    depth, inside, entry = 0, False, ""
    for match in _TOKEN.finditer(action):
        token = match[0]
        if token in "({":
            depth += 1
        elif token in ")}":
            if inside and depth == _TARGET:
                _add_target(entry, targets)
                entry = ""
            depth -= 1
            if inside and depth < _TARGETS:
                return targets
        elif depth == _QUERY:
            inside = inside or token.rstrip().endswith(":targetList")
        elif inside and depth == _TARGET:
            entry += token
    return targets


def _add_target(entry: str, targets: dict[int, Origin]) -> None:
    found = _ENTRY.search(entry)
    if found is not None and found[2] != "0":
        targets[int(found[1])] = int(found[2]), int(found[3])


def trace_origins(view: int, targets: Mapping[int, Targets]) -> Iterator[tuple[int, Origin]]:
    """Every column of ``view`` with each relation's column it shows, through views over views.

    ``targets`` has what ``parse_targets`` gave for every view that may be passed through.
    """
    for number, origin in sorted(targets.get(view, {}).items()):
        yield from ((number, found) for found in _follow(origin, targets, (view,)))


def _follow(origin: Origin, targets: Mapping[int, Targets], path: Sequence[int]) -> Iterator[Origin]:
    yield origin
    relation, column = origin
    if relation not in path and column in targets.get(relation, {}):
        yield from _follow(targets[relation][column], targets, (*path, relation))

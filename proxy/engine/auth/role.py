"""Where in a token's claims the role stands. Source: PostgREST 14, reference 10.5."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

_STEP = re.compile(
    r"""\.(?P<key>[\w$@]+|"[^"]*")"""
    r"""|\[(?P<index>[0-9]+)\]"""
    r"""|\[\?\(@\s*(?P<operator>==\^|==|!=|\^==|\*==)\s*"(?P<text>[^"]*)"\)\]$"""
)
_MATCHES: dict[str, Callable[[str, str], bool]] = {
    "==": lambda value, text: value == text,
    "!=": lambda value, text: value != text,
    "^==": lambda value, text: value.startswith(text),
    "==^": lambda value, text: value.endswith(text),
    "*==": lambda value, text: text in value,
}

Step: TypeAlias = Callable[[Any], "Found | None"]


class Found(NamedTuple):
    """A value of the claims; it may well be null."""

    value: Any


@lru_cache(maxsize=16)
def parse_role_path(path: str) -> tuple[Step, ...]:
    """Read a ``jwt-role-claim-key``. Raises ValueError for what is none."""
    steps: list[Step] = []
    at = 0
    while at < len(path) or not steps:
        match = _STEP.match(path, at)
        if match is None:
            raise ValueError(f"failed to parse jwt-role-claim-key value ({path})")
        steps.append(_make_step(match))
        at = match.end()
    return tuple(steps)


def _make_step(match: re.Match[str]) -> Step:
    if match["key"] is not None:
        key = match["key"].strip('"')
        return lambda value: Found(value[key]) if isinstance(value, dict) and key in value else None
    if match["index"] is not None:
        index = int(match["index"])
        return lambda value: Found(value[index]) if isinstance(value, list) and index < len(value) else None
    matches, text = _MATCHES[match["operator"]], match["text"]

    def pick(value: Any) -> Found | None:
        values = value if isinstance(value, list) else []
        return next((Found(item) for item in values if isinstance(item, str) and matches(item, text)), None)

    return pick


def find_role(claims: dict[str, Any], path: str) -> Found | None:
    """What the claims hold at ``path``, None where there is nothing."""
    found: Found | None = Found(claims)
    for step in parse_role_path(path):
        found = step(found.value) if found is not None else None
    return found

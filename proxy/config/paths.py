"""Paths to members of rows, as rules write them: ``last_access``, ``metadata.at``, ``items[].price``."""

import re
from typing import TypeAlias

Steps: TypeAlias = tuple[str, ...]
"""Names of members from a row inwards; an empty one stands for every item of a list."""

NO_PATH = "no path to a member"
STEP = re.compile(r'([^.\[\]"]+)|"((?:[^"\\]|\\.)+)"|(\[\*?\])')


def read_steps(path: str) -> Steps:
    """The steps of ``path``, with or without ``$[*].`` in front. Raises ValueError for what is no path.

    A path that ends in a list, or is none at all, would leave nothing to compare: it is refused.
    """
    text = path.removeprefix("$").removeprefix("[*]").removeprefix("[]").removeprefix(".")
    steps: list[str] = []
    position = 0
    while position < len(text):
        match = STEP.match(text, position)
        if match is None:
            raise ValueError(NO_PATH)
        plain, quoted, items = match.groups()
        steps.append("" if items else plain or re.sub(r"\\(.)", r"\1", quoted))
        position = match.end()
        if position < len(text) and text[position] == ".":
            position += 1
            if position == len(text):
                raise ValueError(NO_PATH)
        elif position < len(text) and text[position] != "[":
            raise ValueError(NO_PATH)
    if not steps or not steps[-1] or not steps[0] or "*" in steps:
        raise ValueError(NO_PATH)
    return tuple(steps)

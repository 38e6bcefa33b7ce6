"""``${VAR}`` in values of the configuration file.

``${NAME}`` is the variable's value, ``${NAME:-text}`` its value or ``text`` when it is unset or empty
(as in a shell; ``text`` may hold further ``${…}``), and ``$${`` a literal ``${``. A dollar sign in any
other place stands for itself, so that passwords need no escaping.
"""

import re
from collections.abc import Mapping

_START = re.compile(r"\$?\$\{")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLACE = re.compile(r"\$?\$\{|\}")
_DEEPEST = 10

ALLOWED = "${NAME} of a variable that is set, ${NAME:-default}, or $${ for a literal ${"


class SubstitutionError(Exception):
    """A ``${…}`` that cannot be replaced; the text says what was found, without any value."""


def substitute(text: str, environ: Mapping[str, str]) -> str:
    """``text`` with every ``${…}`` replaced from ``environ``. Raises ``SubstitutionError``."""
    return _expand(text, 0, environ, nested=0)[0]


def _expand(text: str, start: int, environ: Mapping[str, str] | None, *, nested: int) -> tuple[str, int]:
    """The value of ``text`` from ``start`` to its end, or to the brace that closes a default, and that place.

    Without an ``environ`` the value is not needed, only the place.
    """
    parts: list[str] = []
    pattern = _PLACE if nested else _START
    while (match := pattern.search(text, start)) is not None:
        parts.append(text[start : match.start()])
        start = match.end()
        if match[0] == "}":
            return "".join(parts), start
        if match[0] == "$${":
            parts.append("${")
            continue
        value, start = _variable(text, start, environ, nested=nested + 1)
        parts.append(value)
    if nested:
        raise SubstitutionError("a ${ without its closing }")
    parts.append(text[start:])
    return "".join(parts), len(text)


def _variable(text: str, start: int, environ: Mapping[str, str] | None, *, nested: int) -> tuple[str, int]:
    """The value of the variable whose name begins at ``start``, and where its closing brace ends."""
    name = _NAME.match(text, start)
    if name is None:
        raise SubstitutionError("a ${ without the name of a variable")
    if nested > _DEEPEST:
        raise SubstitutionError(f"more than {_DEEPEST} ${{ within each other")
    value = "" if environ is None else environ.get(name[0])
    end = name.end()
    if text.startswith("}", end):
        if value is None:
            raise SubstitutionError(f"${{{name[0]}}}, a variable that is not set")
        return value, end + 1
    if not text.startswith(":-", end):
        raise SubstitutionError(f"${{{name[0]} followed by neither }} nor :-")
    default, end = _expand(text, end + 2, None if value else environ, nested=nested)
    return value or default, end

"""The shape of a request: what it asks, with every literal value taken out.

Two requests of one shape differ only in values, so that what is known of one says something about the
other. ``select``, ``order`` and the operators are structure and stay; what is compared with does not.
A value that is not understood is a value. A shape is shown to people and kept, so it holds no secrets.
"""

import re
from collections.abc import Callable
from typing import Literal

from proxy.messages import Request, find_headers
from proxy.shadow.query import read_pairs
from proxy.shadow.subject import read_path

MAX_SHAPE = 400

STRUCTURAL = frozenset({"select", "columns", "on_conflict"})
IS_VALUES = frozenset({"null", "not_null", "true", "false", "unknown"})
MEDIA_TYPES = frozenset(
    {
        "text/csv",
        "application/geo+json",
        "application/openapi+json",
        "application/vnd.pgrst.object",
        "application/vnd.pgrst.object+json",
        "application/vnd.pgrst.array",
        "application/vnd.pgrst.array+json",
        "application/vnd.pgrst.plan",
        "application/vnd.pgrst.plan+text",
        "application/vnd.pgrst.plan+json",
    }
)
"""The built-in types that change the answer's form (reference 5.2); others count as one."""

PREFERENCES = frozenset({"count", "handling", "missing", "return", "resolution", "tx", "params"})
"""Preferences whose values are words of the dialect (reference 8.1); of others the name stays."""

OPERATOR = (
    r"(?:(?:eq|gt|gte|lt|lte|like|ilike|match|imatch)(?:\((?:any|all)\))?"
    r"|neq|in|is|isdistinct|cs|cd|ov|sl|sr|nxr|nxl|adj"
    r"|(?:fts|plfts|phfts|wfts)(?:\([^()]{1,40}\))?)"
)
FILTER = re.compile(rf"((?:not\.)?{OPERATOR})\.(.*)", re.DOTALL)
# Quantifiers are possessive: text that does not parse must not be tried in every other way.
QUOTED = r'"(?:[^"\\]|\\.)*+"'
GROUP = re.compile(r"\s*+((?:not\.)?(?:and|or))\s*+\(")
CONDITION = re.compile(rf'\s*+((?:{QUOTED}|[^"(),.])++)\.((?:not\.)?{OPERATOR})\.', re.DOTALL)
OPERAND = re.compile(rf'{QUOTED}(?=[,)])|\{{[^{{}}]*+\}}|\((?:{QUOTED}|[^)"]++)*+\)|[^,)]*+', re.DOTALL)


def read_shape(request: Request) -> str:
    """The shape of ``request``: method, target with ``*`` for values, and what the headers change.

    Parameters stand in the order of their keys, so that their order in the URL makes no difference. At
    most ``MAX_SHAPE`` characters.
    """
    parameters = sorted(f"{key}={_read_value(key, value)}" for key, value in read_pairs(request.query))
    shape = f"{request.method} {_read_target(request.path)}"
    if parameters:
        shape += "?" + "&".join(parameters)
    shape = " ".join([shape, *_read_headers(request)])
    shape = shape.encode("utf-8", "backslashreplace").decode()
    return shape if len(shape) <= MAX_SHAPE else shape[: MAX_SHAPE - 1] + "…"


def read_line_shape(request_line: str) -> str:
    """The shape of a request of which only the line is known: method and target."""
    method, _, target = request_line.partition(" ")
    return read_shape(Request(method, target.encode("ascii", "backslashreplace")))


def _read_target(path: bytes) -> str:
    match read_path(path):
        case ():
            return "/"
        case (name,):
            return name
        case ("rpc", name):
            return f"rpc/{name}"
        case _:
            return "*"


def _read_value(key: str, value: str) -> str:
    last = key.rpartition(".")[2]
    if key in STRUCTURAL or last == "order":
        return value
    if last in ("limit", "offset"):
        return "*"
    if last in ("and", "or"):
        return replace_operands(value, _take_out, MAX_SHAPE) or "*"
    condition = FILTER.fullmatch(value)
    return _take_out(key, condition[1], condition[2]) if condition else "*"


def replace_operands(
    tree: str, replace: Callable[[str, str, str], str], limit: int | None = None
) -> str | None:
    """A logic tree with ``replace(column, operator, operand)`` in place of each condition's end.

    None for what does not parse (reference 1.5). With ``limit``, what comes after that many characters is
    left out, and so is what follows the tree.
    """
    if not tree.startswith("("):
        return None
    parts = ["("]
    position, depth, length = 1, 1, 0
    expects: Literal["member", "end"] = "member"
    while depth and (limit is None or length <= limit):
        length += len(parts[-1])
        if expects == "member":
            group = GROUP.match(tree, position)
            if group:
                parts.append(f"{group[1]}(")
                position, depth = group.end(), depth + 1
                continue
            condition = CONDITION.match(tree, position)
            if not condition:
                return None
            operand = OPERAND.match(tree, condition.end())
            text = operand[0] if operand else ""
            parts.append(f"{condition[1]}.{replace(condition[1], condition[2], text)}")
            position = condition.end() + len(text)
            expects = "end"
        else:
            symbol = tree[position : position + 1]
            if symbol == ",":
                expects = "member"
            elif symbol == ")":
                depth -= 1
            elif not symbol.isspace():
                return None
            parts.append(symbol.strip())
            position += 1
    if limit is None and position != len(tree):
        return None
    return "".join(parts)


def _take_out(_: str, operator: str, operand: str) -> str:
    if operator.removeprefix("not.") == "is" and operand.lower() in IS_VALUES:
        return f"{operator}.{operand.lower()}"
    return f"{operator}.*"


def _read_headers(request: Request) -> list[str]:
    parts = []
    profile = request.header(b"accept-profile")
    if profile is not None:
        parts.append(f"profile={profile.decode('utf-8', 'replace')}")
    accept = (
        (request.header(b"accept") or b"*/*").decode("utf-8", "replace").partition(";")[0].strip().lower()
    )
    if accept not in ("*/*", "application/json"):
        parts.append(f"accept={accept if accept in MEDIA_TYPES else '*'}")
    if request.header(b"range") is not None:
        parts.append("range=*")
    prefer = b",".join(find_headers(request.headers, b"prefer")).decode("utf-8", "replace")
    for token in sorted({token.strip() for token in prefer.split(",")} - {""}):
        name, _, value = token.partition("=")
        known = name in PREFERENCES and value.replace("-", "").isalpha() and len(value) < 25
        parts.append(
            f"prefer={token}" if known else f"prefer={name if name.isalpha() and len(name) < 25 else ''}*"
        )
    return parts

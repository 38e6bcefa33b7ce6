"""The target: values of parameters and filters that are hidden, and what ``select`` renames."""

import re
from collections.abc import Callable, Iterator
from urllib.parse import quote

from proxy.messages import Request
from proxy.shadow.query import read_pairs
from proxy.shadow.redaction.secrets import Found, Redaction
from proxy.shadow.scrub import HIDDEN
from proxy.shadow.shape import FILTER, STRUCTURAL, replace_operands

_WORD = r'"(?:[^"\\]|\\.)*+"'
_ITEM = re.compile(rf'(?:{_WORD}|[^"(),])++')
_ALIAS = re.compile(rf'((?:{_WORD}|[^":])++):(?!:)')
_COLUMN = re.compile(rf'(?:{_WORD}|[^":!.])*+')
_STEP = re.compile(r"->>?")
_PIECE = re.compile(r"""[^,(){}\[\]"'\\*%\s]+""")
_PLAIN = "!$'()*,-./:;@_~"


def find_aliases(query: bytes, redaction: Redaction) -> frozenset[str]:
    """The names under which hidden columns are answered: aliases, last steps of JSON paths, aggregates.

    Source: reference 2.2, 2.3 and 2.9.
    """
    names: set[str] = set()
    for key, value in read_pairs(query):
        if key == "select":
            names.update(_find_in_select(value, redaction))
    return frozenset(names)


def _find_in_select(text: str, redaction: Redaction) -> Iterator[str]:
    for item in _ITEM.findall(text):
        alias = _ALIAS.match(item)
        expression = item[alias.end() :] if alias else item
        column, *path = _STEP.split(expression)
        # Of ``a.max`` either is the column's name: an aggregate, or a name with a dot.
        words = [column.partition("::")[0].partition("!")[0], _COLUMN.match(column)[0]]  # type: ignore[index]
        words += [step.partition("::")[0] for step in path]
        names = {_bare(word) for word in words}
        if not any(map(redaction.hides, names)):
            continue
        yield from names
        yield column.partition("::")[0].rpartition(".")[2]
        if alias:
            yield _bare(alias[1])


def _bare(name: str) -> str:
    name = name.strip().removeprefix("...").strip("'")
    return re.sub(r"\\(.)", r"\1", name[1:-1]) if name[:1] == '"' == name[-1:] and len(name) > 1 else name


def mentions(request: Request, redaction: Redaction) -> bool:
    """Whether ``request`` names anything hidden in its query."""
    return any(redaction.is_named_in(text) for pair in read_pairs(request.query) for text in pair)


def redact_target(target: bytes, redaction: Redaction, found: Found) -> bytes:
    """``target`` with the values of hidden parameters and filters taken out; the other bytes stay."""
    return _map_pairs(target, lambda piece: _redact_pair(piece, redaction, found))


def sweep_target(target: bytes, found: Found) -> bytes:
    """``target`` without any hidden value that was found, wherever it stands."""
    swept = _map_pairs(target, lambda piece: b"".join(_sweep(part, found) for part in piece.partition(b"=")))
    path, question, query = swept.partition(b"?")
    return b"/".join(_sweep(part, found) for part in path.split(b"/")) + question + query


def _map_pairs(target: bytes, change: Callable[[bytes], bytes]) -> bytes:
    path, question, query = target.partition(b"?")
    if not question:
        return target
    return path + b"?" + b"".join(map(change, re.split(rb"([&;])", query)))


def _redact_pair(piece: bytes, redaction: Redaction, found: Found) -> bytes:
    raw_key, equals, _ = piece.partition(b"=")
    if not equals:
        return piece
    ((key, value),) = read_pairs(piece)
    redacted = _redact_value(key, value, redaction, found)
    return piece if redacted == value else raw_key + b"=" + quote(redacted, safe=_PLAIN).encode()


def _redact_value(key: str, value: str, redaction: Redaction, found: Found) -> str:
    last = key.rpartition(".")[2]
    if last in ("and", "or"):
        return _redact_logic(value, redaction, found)
    if key in STRUCTURAL or last in ("order", "limit", "offset"):
        return value
    if not _names_hidden(key, redaction):
        return value
    condition = FILTER.fullmatch(value)
    if condition is None:
        note(value, found)
        return HIDDEN
    note(condition[2], found)
    return f"{condition[1]}.{HIDDEN}"


def _names_hidden(key: str, redaction: Redaction) -> bool:
    """Whether a filter's key ``embed.column->path`` is of something hidden, or a parameter's name is."""
    column, _, path = key.partition("->")
    words = [column, *(column.split(".")), *(step.strip("\"'> ") for step in path.split("->"))]
    return any(redaction.hides(word.strip('"')) for word in words if word)


def _redact_logic(tree: str, redaction: Redaction, found: Found) -> str:
    def take_out(column: str, operator: str, operand: str) -> str:
        if not _names_hidden(column, redaction):
            return f"{operator}.{operand}"
        note(operand, found)
        return f"{operator}.{HIDDEN}"

    if not redaction.is_named_in(tree):
        return tree
    replaced = replace_operands(tree, take_out)
    if replaced is None:
        note(tree, found)
        return HIDDEN
    return replaced


def note(value: str, found: Found) -> None:
    """Note a hidden value, and the values that it is a list of: error texts quote them one by one."""
    found.add(value)
    for piece in _PIECE.findall(value):
        found.add(piece)


def _sweep(raw: bytes, found: Found) -> bytes:
    """``raw``, or its text without secrets, encoded anew, if there are any in it."""
    ((_, text),) = read_pairs(b"=" + raw.replace(b"&", b"%26").replace(b";", b"%3B"))
    swept = found.sweep(text)
    return raw if swept == text else quote(swept, safe=_PLAIN).encode()

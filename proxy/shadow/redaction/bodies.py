"""Bodies: JSON by its keys, CSV by its header; of others nobody knows what is in them.

A body in which nothing is hidden keeps its bytes. JSON in which something is, is written anew, without
white space; numbers and the order of members stay as they were.
"""

import json
import re
from collections.abc import Callable, Iterator, Set

from proxy.shadow.records import read_records
from proxy.shadow.redaction.secrets import Found, Redaction
from proxy.shadow.redaction.target import redact_target, sweep_target
from proxy.shadow.scrub import HIDDEN
from proxy.shadow.tokens import Token, read_tokens

LARGEST = 128 * 1024
"""Bytes of a body that are looked through; of a larger one nothing is kept."""

_CELL = re.compile(rb'(?:^|,)("(?:[^"]|"")*"|[^",]*)', re.DOTALL)
_HIDDEN = HIDDEN.encode()


def redact_body(body: bytes, media_type: bytes, redaction: Redaction, found: Found) -> bytes:
    """``body`` with the values of hidden names taken out; nothing of it if nobody can tell where they are.

    ``redaction`` hides aliases too. ``media_type`` is the value of ``Content-Type``.
    """
    if not body:
        return body
    if len(body) > LARGEST:
        found.changed = True
        return _HIDDEN
    kind = media_type.partition(b";")[0].strip().lower()
    try:
        if kind.endswith((b"/json", b"+json")):
            if _is_plain(body, redaction):
                return body
            value = read_tokens(body)
            redacted = _redact_json(value, redaction, found)
            return body if redacted == value else render_json(redacted)
        if kind == b"text/csv":
            return _redact_csv(body, redaction, found)
        if kind == b"application/x-www-form-urlencoded":
            return redact_target(b"?" + body, redaction, found)[1:]
    except (ValueError, RecursionError):
        # Not what it says it is: then it may be anything.
        pass
    return _redact_other(body, redaction, found)


def sweep_body(body: bytes, media_type: bytes, found: Found) -> bytes:
    """``body`` without any hidden value that was found elsewhere."""
    if not body:
        return body
    kind = media_type.partition(b";")[0].strip().lower()
    try:
        if kind.endswith((b"/json", b"+json")):
            if b"\\" not in body and found.sweep(body.decode()) == body.decode():
                return body
            value = read_tokens(body)
            sweep = found.sweeper("\n".join(_texts(value)))
            swept = _sweep_json(value, sweep, found.values)
            return body if swept == value else render_json(swept)
        if kind == b"application/x-www-form-urlencoded":
            return sweep_target(b"?" + body, found)[1:]
    except (ValueError, RecursionError):
        pass
    text = body.decode("utf-8", "surrogateescape")
    return found.sweep(text).encode("utf-8", "surrogateescape")


def _is_plain(body: bytes, redaction: Redaction) -> bool:
    """Whether no hidden name stands in JSON text, which then need not be read; escapes may spell one."""
    return b"\\" not in body and not redaction.is_named_in(body.decode())


def render_json(value: Token) -> bytes:
    """``value`` as compact JSON. May raise RecursionError."""
    return _render(value).encode("utf-8", "backslashreplace")


def _hide(value: Token, found: Found) -> Token:
    """What stands in place of a hidden value; null stays, for that is no value."""
    if value is None:
        return None
    _collect(value, found)
    return HIDDEN


def _redact_json(value: Token, redaction: Redaction, found: Found) -> Token:
    if isinstance(value, list):
        return [_redact_json(item, redaction, found) for item in value]
    if isinstance(value, tuple):
        return tuple(
            (key, _hide(item, found) if redaction.hides(key) else _redact_json(item, redaction, found))
            for key, item in value
        )
    return value


def _collect(value: Token, found: Found) -> None:
    """Note every value inside a hidden one."""
    match value:
        case str():
            found.add(value)
        case bytes():
            found.add(value.decode())
        case list():
            for item in value:
                _collect(item, found)
        case tuple():
            for _, item in value:
                _collect(item, found)
        case _:
            pass
    found.changed = True


def _texts(value: Token) -> Iterator[str]:
    """Every text in ``value``: keys and strings."""
    match value:
        case str():
            yield value
        case list():
            for item in value:
                yield from _texts(item)
        case tuple():
            for key, item in value:
                yield key
                yield from _texts(item)
        case _:
            pass


def _sweep_json(value: Token, sweep: Callable[[str], str], numbers: Set[str]) -> Token:
    match value:
        case str():
            return sweep(value)
        case bytes():
            return HIDDEN if value.decode() in numbers else value
        case list():
            return [_sweep_json(item, sweep, numbers) for item in value]
        case tuple():
            return tuple((sweep(key), _sweep_json(item, sweep, numbers)) for key, item in value)
        case _:
            return value


def _render(value: Token) -> str:
    match value:
        case bytes():
            return value.decode()
        case list():
            return "[" + ",".join(map(_render, value)) + "]"
        case tuple():
            members = (f"{json.dumps(key, ensure_ascii=False)}:{_render(item)}" for key, item in value)
            return "{" + ",".join(members) + "}"
        case _:
            return json.dumps(value, ensure_ascii=False)


def _redact_csv(body: bytes, redaction: Redaction, found: Found) -> bytes:
    lines = read_records(body)
    records = [_CELL.findall(line) for line in lines]
    if lines != [b",".join(cells) for cells in records]:
        raise ValueError
    names = [_uncell(cell) for cell in records[0]]
    hidden = [index for index, name in enumerate(names) if redaction.hides(name)]
    if not hidden:
        return body
    for cells in records[1:]:
        if len(cells) == len(names):
            for index in hidden:
                if cells[index]:
                    found.add(_uncell(cells[index]))
                    cells[index] = _HIDDEN
        elif cells != [b""]:
            raise ValueError
    return b"\n".join(b",".join(cells) for cells in records)


def _uncell(cell: bytes) -> str:
    text = cell.decode("utf-8", "surrogateescape")
    return text[1:-1].replace('""', '"') if text[:1] == '"' else text


def _redact_other(body: bytes, redaction: Redaction, found: Found) -> bytes:
    """All or nothing: a body in which a hidden name stands, or that the request asked a hidden column for."""
    text = body.decode("utf-8", "replace")
    if redaction.is_named_in(text):
        found.changed = True
        return _HIDDEN
    return body

"""What a request carries, by its ``Content-Type``. Source: PostgREST 14, reference 6.3 and 7.1."""

import json
from dataclasses import dataclass
from typing import Any

from proxy.engine.parse.csv import CsvError, parse_csv
from proxy.engine.parse.media import MediaType
from proxy.engine.parse.query import split_query
from proxy.errors import ApiError

_RAW = ("text", "xml", "octets")
_BLANK = b" \t\r\n"
_NO_UTF8 = "The payload is not valid UTF-8"


@dataclass(frozen=True, slots=True)
class Payload:
    """The payload: ``text`` is JSON, or raw where the kind of content is.

    ``keys`` are the names it gives values to. ``pairs`` is set for a form that calls a function.
    """

    text: bytes
    keys: frozenset[str] = frozenset()
    pairs: tuple[tuple[str, str], ...] | None = None

    @property
    def single(self) -> bool:
        """Whether the JSON looks like one object rather than an array."""
        return self.text.lstrip(_BLANK).startswith(b"{")


def parse_payload(
    body: bytes, content: MediaType, columns: frozenset[str] | None, *, function: bool
) -> Payload:
    """Read ``body``; with ``columns`` JSON is taken as it is. Raises ApiError PGRST102."""
    match content.kind:
        case "json":
            if columns is not None:
                return Payload(body, columns)
            return _read_json(b"{}" if function and not body else body, body)
        case "csv":
            return _read_csv(body)
        case "form":
            pairs = _read_form(body)
            if function:
                return Payload(b"{}", frozenset(key for key, _ in pairs), pairs)
            text = json.dumps(dict(pairs), ensure_ascii=False).encode()
            return Payload(text, frozenset(key for key, _ in pairs))
        case kind if function and kind in _RAW:
            return Payload(body)
        case _:
            raise _refuse(f"Content-Type not acceptable: {content.name}")


def decode_for_postgres(raw: bytes) -> str:
    """Bytes as text for PostgreSQL. Raises ApiError 22021 for bytes it would refuse, in its words."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise _invalid_bytes(raw[error.start : error.start + _sequence_length(raw[error.start])]) from None
    if "\0" in text:
        raise _invalid_bytes(b"\0")
    return text


def _invalid_bytes(sequence: bytes) -> ApiError:
    shown = " ".join(f"0x{byte:02x}" for byte in sequence)
    return ApiError(400, "22021", f'invalid byte sequence for encoding "UTF8": {shown}')


def _sequence_length(first: int) -> int:
    """How many bytes a UTF-8 sequence has that begins with ``first``."""
    for length, mask, bits in ((2, 0xE0, 0xC0), (3, 0xF0, 0xE0), (4, 0xF8, 0xF0)):
        if first & mask == bits:
            return length
    return 1


def _refuse(message: str) -> ApiError:
    return ApiError(400, "PGRST102", message)


def _reject_constant(text: str) -> Any:
    raise ValueError(text)


def _read_json(text: bytes, raw: bytes) -> Payload:
    try:
        # Numbers stay text: only PostgreSQL looks at them, and Python refuses those of many digits.
        value = json.loads(text.decode(), parse_int=str, parse_float=str, parse_constant=_reject_constant)
        if b"\\u" in text:
            # Half of a surrogate pair is no character; encoding it fails.
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise _refuse("Empty or invalid json") from None
    return Payload(raw, *_find_keys(value)) if isinstance(value, dict | list) and value != [] else _NOTHING


def _find_keys(value: Any) -> tuple[frozenset[str]]:
    if isinstance(value, dict):
        return (frozenset(value),)
    keys = frozenset(value[0]) if isinstance(value[0], dict) else None
    if keys is None or not all(isinstance(item, dict) and keys == item.keys() for item in value):
        raise _refuse("All object keys must match")
    return (keys,)


_NOTHING = Payload(b"[]")


def _read_form(body: bytes) -> tuple[tuple[str, str], ...]:
    try:
        return tuple((key.decode(), (value or b"").decode()) for key, value in split_query(body))
    except UnicodeDecodeError:
        raise _refuse(_NO_UTF8) from None


def _read_csv(body: bytes) -> Payload:
    try:
        lines = parse_csv(body.decode())
    except CsvError as error:
        raise _refuse(str(error)) from None
    except UnicodeDecodeError:
        raise _refuse(_NO_UTF8) from None
    rows = [{key: None if text == "NULL" else text for key, text in line.items()} for line in lines]
    if not rows:
        return _NOTHING
    if any(row.keys() != rows[0].keys() for row in rows):
        raise _refuse("All lines must have same number of fields")
    return Payload(json.dumps(rows, ensure_ascii=False).encode(), frozenset(rows[0]))

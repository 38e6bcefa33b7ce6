"""The tape: recorded exchanges in a file of JSON lines, read and written without losing a byte.

The first line is a header, every other line one exchange (keys: tests/conformance/README.md, "Case and
tape format"). Text stands as text; bytes that are not UTF-8 stand as ``{"base64": …}``.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from proxy.errors import UnderstudyError
from proxy.messages import Answer, Headers

VERSION = 1

_Kind = TypeVar("_Kind")
_KEYS = frozenset(
    {"id", "area", "variant", "method", "path", "headers", "body", "jwt"}
    | {"unordered", "ignore", "note", "accident", "response", "differs"}
)
_RESPONSE_KEYS = frozenset({"status", "reason", "headers", "body", "body_omitted"})


class TapeError(UnderstudyError):
    """A tape, or what goes with it, that cannot be used; the message names file and line where it can."""


@dataclass(frozen=True, slots=True)
class TapeHeader:
    """What a tape holds: versions of the recorded programs, its area, and how many exchanges follow.

    ``differs_from`` names the tape collection that this one only corrects; ``count`` is None when the
    recorder could not know it.
    """

    area: str
    postgrest: str
    postgresql: str
    count: int | None = None
    differs_from: str | None = None


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request as the tape keeps it: without Host, Content-Length and a signed token.

    ``body`` None means that no Content-Length was sent; ``claims`` is the payload of the token to sign,
    as compact JSON.
    """

    method: str
    target: bytes
    headers: Headers = ()
    body: bytes | None = None
    claims: str | None = None


@dataclass(frozen=True, slots=True)
class RecordedExchange:
    """One recorded request with its answer, and what a comparison must know about them.

    ``ignore`` names parts that are not compared; ``body_omitted`` is the size of a body that was not kept.
    """

    id: str
    area: str
    variant: str
    request: RecordedRequest
    answer: Answer
    unordered: bool = False
    ignore: tuple[str, ...] = ()
    note: str | None = None
    accident: bool = False
    differs: tuple[str, ...] = ()
    body_omitted: int | None = None


@dataclass(frozen=True, slots=True)
class Tape:
    """A whole tape in memory."""

    header: TapeHeader
    exchanges: tuple[RecordedExchange, ...]


def read_header(path: Path) -> TapeHeader:
    """The header of the tape ``path``. Raises TapeError."""
    return next(_read_lines(path, lambda line, first: _parse_header(line)))


def read_exchanges(path: Path) -> Iterator[RecordedExchange]:
    """The exchanges of the tape ``path``, one by one. Raises TapeError, also when the file ends early."""
    announced: int | None = None
    count = 0
    for parsed in _read_lines(path, _parse_line):
        if isinstance(parsed, TapeHeader):
            announced = parsed.count
        else:
            count += 1
            yield parsed
    if announced is not None and announced != count:
        raise TapeError(f"{path}: the header announces {announced} exchanges, {count} were found")


def read_tape(path: Path) -> Tape:
    """The tape ``path`` as a whole. Raises TapeError."""
    return Tape(read_header(path), tuple(read_exchanges(path)))


def write_tape(path: Path, tape: Tape) -> None:
    """Write ``tape`` to ``path``, replacing what is there; reading it gives the same tape again."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(format_header(tape.header) + "\n")
        file.writelines(format_exchange(exchange) + "\n" for exchange in tape.exchanges)


def parse_exchange(line: str) -> RecordedExchange:
    """One line of a tape as an exchange. Raises TapeError, without file and line."""
    record = _parse_object(line)
    _no_other_keys(record, _KEYS)
    response = _take(record, "response", dict)
    _no_other_keys(response, _RESPONSE_KEYS)
    claims = record.get("jwt")
    body = record.get("body")
    return RecordedExchange(
        id=_take(record, "id", str),
        area=_take(record, "area", str),
        variant=_take(record, "variant", str),
        request=RecordedRequest(
            method=_take(record, "method", str),
            target=_to_bytes(_require(record, "path"), "path"),
            headers=_to_headers(record, _to_bytes),
            body=None if body is None else _to_bytes(body, "body"),
            claims=None if claims is None else _compact(_take(record, "jwt", dict)),
        ),
        answer=Answer(
            status=_take(response, "status", int),
            headers=_to_headers(response, _latin_1),
            body=_to_bytes(_require(response, "body"), "body"),
            reason=_to_bytes(_require(response, "reason"), "reason"),
        ),
        unordered=_take(record, "unordered", bool, False),
        ignore=_texts(record, "ignore"),
        note=None if record.get("note") is None else _take(record, "note", str),
        accident=_take(record, "accident", bool, False),
        differs=_texts(record, "differs"),
        body_omitted=_take(response, "body_omitted", int) if "body_omitted" in response else None,
    )


def format_exchange(exchange: RecordedExchange) -> str:
    """One exchange as a line of a tape, without its line end."""
    request, answer = exchange.request, exchange.answer
    response: dict[str, Any] = {
        "status": answer.status,
        "reason": _from_bytes(answer.reason),
        "headers": [[name.decode("latin-1"), _from_bytes(value)] for name, value in answer.headers],
        "body": _from_bytes(answer.body),
    }
    if exchange.body_omitted is not None:
        response["body_omitted"] = exchange.body_omitted
    record: dict[str, Any] = {
        "id": exchange.id,
        "area": exchange.area,
        "variant": exchange.variant,
        "method": request.method,
        "path": _from_bytes(request.target),
        "headers": [[_from_bytes(name), _from_bytes(value)] for name, value in request.headers],
        "body": None if request.body is None else _from_bytes(request.body),
        "jwt": None if request.claims is None else json.loads(request.claims),
        "unordered": exchange.unordered,
        "ignore": list(exchange.ignore),
        "note": exchange.note,
    }
    if exchange.accident:
        record["accident"] = True
    record["response"] = response
    if exchange.differs:
        record["differs"] = list(exchange.differs)
    return json.dumps(record, ensure_ascii=False)


def format_header(header: TapeHeader) -> str:
    """The first line of a tape, without its line end."""
    record: dict[str, Any] = {
        "tape": VERSION,
        "postgrest": header.postgrest,
        "postgresql": header.postgresql,
        "area": header.area,
        "count": header.count,
    }
    if header.differs_from is not None:
        record["differs_from"] = header.differs_from
    return json.dumps(record, ensure_ascii=False)


def _read_lines(path: Path, parse: Callable[[str, bool], _Kind]) -> Iterator[_Kind]:
    first = True
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    yield parse(line.decode("utf-8"), first)
                except (TapeError, UnicodeDecodeError) as error:
                    raise TapeError(f"{path}:{number}: {error}") from error
                first = False
    except OSError as error:
        raise TapeError(f"{path}: {error.strerror}") from error
    if first:
        raise TapeError(f"{path}: empty, not even a header")


def _parse_line(line: str, first: bool) -> TapeHeader | RecordedExchange:
    return _parse_header(line) if first else parse_exchange(line)


def _parse_header(line: str) -> TapeHeader:
    record = _parse_object(line)
    if record.get("tape") != VERSION:
        raise TapeError(f'not a tape: the first line must be a header with "tape": {VERSION}')
    return TapeHeader(
        area=_take(record, "area", str),
        postgrest=_take(record, "postgrest", str),
        postgresql=_take(record, "postgresql", str),
        count=None if record.get("count") is None else _take(record, "count", int),
        differs_from=_take(record, "differs_from", str) if "differs_from" in record else None,
    )


def _parse_object(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise TapeError(f"not JSON: {error}") from error
    if not isinstance(record, dict):
        raise TapeError("not a JSON object")
    return record


def _no_other_keys(record: dict[str, Any], allowed: frozenset[str]) -> None:
    unknown = sorted(record.keys() - allowed)
    if unknown:
        raise TapeError(f"unknown keys: {', '.join(unknown)}")


def _require(record: dict[str, Any], key: str) -> Any:
    if key not in record:
        raise TapeError(f"{key}: missing")
    return record[key]


def _take(record: dict[str, Any], key: str, kind: type[_Kind], default: _Kind | None = None) -> _Kind:
    if default is not None and key not in record:
        return default
    value = _require(record, key)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TapeError(f"{key}: {kind.__name__} expected, found {json.dumps(value)[:80]}")
    return value


def _texts(record: dict[str, Any], key: str) -> tuple[str, ...]:
    values = _take(record, key, list, [])
    if not all(isinstance(value, str) for value in values):
        raise TapeError(f"{key}: a list of texts expected")
    return tuple(values)


def _to_headers(record: dict[str, Any], to_name: Callable[[Any, str], bytes]) -> Headers:
    pairs = _take(record, "headers", list)
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise TapeError("headers: a list of [name, value] expected")
    return tuple((to_name(name, "header name"), _to_bytes(value, "header value")) for name, value in pairs)


def _to_bytes(value: Any, key: str) -> bytes:
    try:
        if isinstance(value, str):
            return value.encode("utf-8")
        if isinstance(value, dict) and value.keys() == {"base64"}:
            return base64.b64decode(value["base64"], validate=True)
    except (UnicodeEncodeError, binascii.Error, TypeError, ValueError) as error:
        raise TapeError(f"{key}: {error}") from error
    raise TapeError(f'{key}: a text or {{"base64": …}} expected, found {json.dumps(value)[:80]}')


def _latin_1(value: Any, key: str) -> bytes:
    # Names of answer headers are recorded byte by byte, whatever their encoding was.
    try:
        return str(value).encode("latin-1")
    except UnicodeEncodeError as error:
        raise TapeError(f"{key}: {error}") from error


def _from_bytes(data: bytes) -> str | dict[str, str]:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode("ascii")}


def _compact(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

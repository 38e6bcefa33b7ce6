"""Compare a rehearsed write with the real one: values that each execution makes anew are masked.

An id from a sequence, a time, a random number or what a trigger sets differs between two executions that
agree. Such values count as equal if they are of one JSON type; everything else is compared as always.
"""

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from proxy.messages import UNAVAILABLE, Answer, Header, Request
from proxy.reading import BOUND, Reading
from proxy.shadow.coding import decode_body
from proxy.shadow.compare import Comparison, compare
from proxy.shadow.tokens import Token, read_tokens

INTERRUPTED = frozenset({"55P03", "57014", "40P01", "40001"})
"""SQLSTATEs by which PostgreSQL breaks off a transaction that stands in another's way, or takes too long."""

MASKED = "(made)"
ROW_IN_DETAILS = "Failing row contains ("
KEY_IN_DETAILS = re.compile(r"Key \((.*?)\)=\((.*)\) (.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Mask:
    """What is made anew: ``columns`` of the relation written, ``members`` as the representation calls them.

    ``call``: a function was called, and nobody knows what of its result it made.
    """

    columns: frozenset[str] = frozenset()
    members: frozenset[str] = frozenset()
    call: bool = False


def compare_rehearsal(
    request: Request, upstream: Answer, engine: Answer, mask: Mask, reading: Reading = BOUND
) -> Comparison:
    """Compare the ``upstream``'s answer to a write with the ``engine``'s to its rehearsal.

    The verdicts are those of ``compare``. A rehearsal that was broken off, a side that had no database,
    and results of a function that differ in values only, are ``inconclusive``. Never raises.
    """
    verdict = compare(request, upstream, engine, reading)
    if verdict.verdict != "mismatch":
        return verdict
    masked = mask_answer(upstream, mask), mask_answer(engine, mask)
    if masked != (upstream, engine):
        verdict = compare(request, *masked, reading)
        if verdict.verdict != "mismatch":
            return verdict
    if _read_code(engine) in INTERRUPTED or UNAVAILABLE & {upstream.status, engine.status}:
        return Comparison("inconclusive")
    if mask.call and all(found.aspect == "body" for found in verdict.differences) and _same_form(*masked):
        return Comparison("inconclusive")
    return verdict


def mask_answer(answer: Answer, mask: Mask) -> Answer:
    """``answer`` with what ``mask`` names replaced, in the body and in ``Location``."""
    if not (mask.columns or mask.members or mask.call):
        return answer
    headers = tuple(_mask_header(header, mask.columns) for header in answer.headers)
    body = decode_body(answer)
    if not body:
        return answer._replace(headers=headers)
    try:
        masked = _mask_body(answer, body, mask)
    except (ValueError, RecursionError, csv.Error):
        return answer._replace(headers=headers)
    plain = tuple(header for header in headers if header[0].lower() != b"content-encoding")
    return answer._replace(headers=plain, body=masked)


def _mask_body(answer: Answer, body: bytes, mask: Mask) -> bytes:
    media_type = (answer.header(b"content-type") or b"").partition(b";")[0].strip().lower()
    if media_type == b"text/csv":
        return _mask_csv(body, mask.members)
    if not media_type.endswith((b"json", b"+json")):
        return body
    value = read_tokens(body)
    if answer.status >= 400:
        value = _mask_error(value, mask)
    elif isinstance(value, list):
        value = [_mask_row(row, mask.members) for row in value]
    else:
        value = _mask_row(value, mask.members)
    return "".join(_write(value)).encode("utf-8", "surrogatepass")


def _mask_row(row: Token, members: frozenset[str]) -> Token:
    if not isinstance(row, tuple):
        return row
    return tuple((key, _hide(value) if key in members else value) for key, value in row)


def _hide(value: Token) -> Token:
    """The JSON type of ``value`` is all that stays of it."""
    match value:
        case bool() | bytes():
            return f"{MASKED} {'boolean' if isinstance(value, bool) else 'number'}"
        case str():
            return f"{MASKED} string"
        case list():
            return f"{MASKED} array"
        case tuple():
            return f"{MASKED} object"
        case _:
            return None


def _mask_error(value: Token, mask: Mask) -> Token:
    """PostgreSQL's details quote the row, or the key, that it refuses (reference 9.3)."""
    if not isinstance(value, tuple):
        return value
    return tuple(
        (key, _mask_details(text, mask) if key == "details" and isinstance(text, str) else text)
        for key, text in value
    )


def _mask_details(details: str, mask: Mask) -> str:
    if details.startswith(ROW_IN_DETAILS):
        return f"{ROW_IN_DETAILS}{MASKED})"
    match = KEY_IN_DETAILS.fullmatch(details)
    if match is not None and (mask.call or not mask.columns.isdisjoint(re.split(r",\s*", match[1]))):
        return f"Key ({match[1]})=({MASKED}) {match[3]}"
    return details


def _mask_csv(body: bytes, members: frozenset[str]) -> bytes:
    header, *rows = csv.reader((f"{line}\n" for line in body.decode().split("\n")), strict=True)
    hidden = {index for index, name in enumerate(header) if name in members}
    lines = [[MASKED if index in hidden and cell else cell for index, cell in enumerate(row)] for row in rows]
    return "\n".join(json.dumps(line, ensure_ascii=False) for line in [header, *lines]).encode()


def _mask_header(header: Header, columns: frozenset[str]) -> Header:
    """``Location`` names the new row by its key (reference 7.3)."""
    name, value = header
    if name.lower() != b"location":
        return header
    path, mark, query = value.partition(b"?")
    pairs = [pair.partition(b"=") for pair in query.split(b"&")]
    shown = [
        key + equals + (b"eq." + MASKED.encode() if _decode(key) in columns and text[:3] == b"eq." else text)
        for key, equals, text in pairs
    ]
    return name, path + mark + b"&".join(shown)


def _decode(text: bytes) -> str:
    return unquote_to_bytes(text).decode("utf-8", "replace")


def _read_code(answer: Answer) -> str | None:
    if answer.status < 400:
        return None
    try:
        value = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    code: Any = value.get("code") if isinstance(value, dict) else None
    return code if isinstance(code, str) else None


def _same_form(upstream: Answer, engine: Answer) -> bool:
    """Whether the bodies differ in values alone: the same structure, keys and JSON types."""
    first, second = decode_body(upstream), decode_body(engine)
    if first is None or second is None or upstream.status >= 300:
        return False
    if b"json" not in (upstream.header(b"content-type") or b""):
        return True
    try:
        return _form(read_tokens(first)) == _form(read_tokens(second))
    except (ValueError, RecursionError):
        return False


def _form(value: Token) -> Token:
    match value:
        case list():
            return [_form(item) for item in value]
        case tuple():
            return tuple((key, _form(item)) for key, item in value)
        case _:
            return _hide(value)


def _write(value: Token) -> Iterator[str]:
    """``value`` as compact JSON."""
    match value:
        case bytes():
            yield value.decode()
        case list():
            for index, item in enumerate(value):
                yield "," if index else "["
                yield from _write(item)
            yield "]" if value else "[]"
        case tuple():
            for index, (key, item) in enumerate(value):
                yield ("," if index else "{") + json.dumps(key, ensure_ascii=False) + ":"
                yield from _write(item)
            yield "}" if value else "{}"
        case _:
            yield json.dumps(value, ensure_ascii=False)

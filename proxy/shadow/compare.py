"""Compare two answers to one request: the verdict, and where they differ.

Status codes are compared, reason phrases are not (RFC 9112, section 4: a client ignores them). Bodies are
compared as bytes first. JSON that differs in its bytes is compared token by token, CSV record by record, the
root document without the version of the server that it names. Execution plans are each server's own and are
not compared; anything else is different. Where the request leaves the order of rows open, rows are a
multiset.
"""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Literal, TypeAlias, TypeVar

from proxy.events import Difference, Verdict
from proxy.messages import Answer, Request
from proxy.shadow.coding import DECODED_LIMIT, decode_body, read_codings
from proxy.shadow.headers import compare_headers
from proxy.shadow.order import OrderContract, read_order
from proxy.shadow.records import read_records
from proxy.shadow.tokens import MAX_DIFFERENCES, Token, find_differences, find_parting, read_tokens, shorten

SUCCESS = frozenset({200, 206})
"""The statuses under which a body holds rows."""

BEFORE_PARTING = 20

BodyKind: TypeAlias = Literal["json", "csv", "openapi", "plan", "bytes"]


class Likeness(Enum):
    """How two bodies relate."""

    SAME = auto()
    REORDERED = auto()
    """The same rows in another order, which is left open."""
    MISORDERED = auto()
    """The same rows in another order than the one asked for."""
    OTHER_PAGE = auto()
    """As many rows of the same columns, and which rows belong here is left open."""
    DIFFERENT = auto()
    UNKNOWN = auto()
    """A content coding could not be undone, or the bodies are execution plans."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What comparing came to. ``differences`` are at most ``MAX_DIFFERENCES``, none unless a mismatch."""

    verdict: Verdict
    differences: tuple[Difference, ...] = ()


MATCH = Comparison("match")


def compare(
    request: Request,
    upstream: Answer,
    engine: Answer,
    *,
    max_rows: int | None = None,
    keys: Collection[frozenset[str]] = (),
) -> Comparison:
    """Compare the two sides' answers to ``request``.

    ``max_rows`` is the option ``db-max-rows``, ``keys`` are the relation's unique keys where known: both
    settle what the request leaves open. The verdict is ``match``, ``equivalent``, ``indeterminate``,
    ``mismatch``, or ``inconclusive`` when the bodies cannot be compared. It does not depend on
    which answer is called the upstream's. Never raises.
    """
    likeness, body_differences = _compare_bodies(
        lambda: read_order(request, max_rows, keys), upstream, engine
    )
    # Equal bytes under codings that cannot be undone: then the header alone tells them apart.
    opaque = likeness is Likeness.SAME and not _decodable(upstream, engine)
    differences = [
        *_compare_status(upstream, engine),
        *compare_headers(upstream, engine, head=request.method == "HEAD", opaque=opaque),
    ]
    if likeness is Likeness.DIFFERENT:
        differences.extend(body_differences)
    elif likeness is Likeness.MISORDERED:
        differences.append(Difference("order", "$", "the same rows", "in another order"))
    if differences:
        return Comparison("mismatch", tuple(differences[:MAX_DIFFERENCES]))
    match likeness:
        case Likeness.UNKNOWN:
            return Comparison("inconclusive")
        case Likeness.OTHER_PAGE:
            return Comparison("indeterminate")
        case Likeness.REORDERED:
            return Comparison("equivalent")
        case _:
            return MATCH


def _compare_status(upstream: Answer, engine: Answer) -> list[Difference]:
    if upstream.status == engine.status:
        return []
    return [Difference("status", "", str(upstream.status), str(engine.status))]


Bodies: TypeAlias = tuple[Likeness, list[Difference]]
ReadContract: TypeAlias = Callable[[], OrderContract]
Row = TypeVar("Row")


def _decodable(upstream: Answer, engine: Answer) -> bool:
    """Whether a difference between the content codings is one of representation only."""
    if read_codings(upstream) == read_codings(engine):
        return True
    return decode_body(upstream) is not None and decode_body(engine) is not None


def _compare_bodies(read_contract: ReadContract, upstream: Answer, engine: Answer) -> Bodies:
    """How the bodies relate, and where they differ. Most are equal, and then nobody asks for the contract."""
    if upstream.body == engine.body and read_codings(upstream) == read_codings(engine):
        return Likeness.SAME, []
    first, second = decode_body(upstream), decode_body(engine)
    if first is None or second is None:
        return (Likeness.SAME if upstream.body == engine.body else Likeness.UNKNOWN), []
    if first == second:
        return Likeness.SAME, []
    kind = _read_kind(upstream)
    if kind == _read_kind(engine) == "plan":
        return Likeness.UNKNOWN, []
    if kind == _read_kind(engine) and len(first) + len(second) <= DECODED_LIMIT:
        rows_expected = _hold_rows(upstream, engine)
        try:
            if kind == "json":
                return _compare_json(read_contract(), upstream, first, second, rows_expected)
            if kind == "openapi":
                return _compare_documents(first, second)
            if kind == "csv":
                return _compare_csv(read_contract(), upstream, first, second, rows_expected)
        except (ValueError, RecursionError):
            # No JSON at all, or nested deeper than it can be read: the bytes differ, and that is known.
            pass
    return Likeness.DIFFERENT, [_byte_difference(first, second)]


def _compare_json(
    contract: OrderContract, answer: Answer, first: bytes, second: bytes, rows_expected: bool
) -> Bodies:
    one, other = read_tokens(first), read_tokens(second)
    if one == other:
        return Likeness.SAME, []
    if rows_expected:
        rows, other_rows = _rows(one, answer), _rows(other, answer)
        if rows is not None and other_rows is not None and len(rows) == len(other_rows):
            if _same_rows(rows, other_rows):
                return _reordered(contract, answer, len(rows)), []
            if _other_page(contract, answer, len(rows)) and _alike(rows, other_rows, answer):
                return Likeness.OTHER_PAGE, []
    return Likeness.DIFFERENT, find_differences(one, other)


def _compare_documents(first: bytes, second: bytes) -> Bodies:
    """Root documents: each names the version of its own server, and members have no order."""
    one, other = _without_version(first), _without_version(second)
    if one == other:
        return Likeness.SAME, []
    return Likeness.DIFFERENT, find_differences(_sorted_tokens(one), _sorted_tokens(other))


def _sorted_tokens(document: dict[str, Any]) -> Token:
    return read_tokens(json.dumps(document, sort_keys=True).encode())


def _without_version(body: bytes) -> dict[str, Any]:
    document = json.loads(body, parse_float=str)
    if not isinstance(document, dict) or not isinstance(document.get("info"), dict):
        raise ValueError
    document["info"].pop("version", None)
    return document


def _compare_csv(
    contract: OrderContract, answer: Answer, first: bytes, second: bytes, rows_expected: bool
) -> Bodies:
    header, *rows = read_records(first)
    other_header, *other_rows = read_records(second)
    if rows_expected and header == other_header and len(rows) == len(other_rows):
        if _same_rows(rows, other_rows):
            return _reordered(contract, answer, len(rows)), []
        if _other_page(contract, answer, len(rows)):
            return Likeness.OTHER_PAGE, []
    return Likeness.DIFFERENT, [_byte_difference(first, second)]


def _hold_rows(upstream: Answer, engine: Answer) -> bool:
    """Whether both bodies are rows of the same kind and range, so that their order may be left open."""
    return (
        upstream.status == engine.status
        and upstream.status in SUCCESS
        and upstream.header(b"content-type") == engine.header(b"content-type")
        and upstream.header(b"content-range") == engine.header(b"content-range")
    )


def _same_rows(rows: list[Row], other_rows: list[Row]) -> bool:
    """Whether both lists, of equal length, hold the same rows in any order."""
    unequal = [pair for pair in zip(rows, other_rows, strict=True) if pair[0] != pair[1]]
    # repr tells numbers, texts, lists and objects apart, and it can be sorted.
    return sorted(repr(row) for row, _ in unequal) == sorted(repr(row) for _, row in unequal)


def _reordered(contract: OrderContract, answer: Answer, rows: int) -> Likeness:
    if not contract.open:
        return Likeness.MISORDERED
    return Likeness.OTHER_PAGE if _other_page(contract, answer, rows) else Likeness.REORDERED


def _other_page(contract: OrderContract, answer: Answer, rows: int) -> bool:
    return contract.open and contract.cuts(rows, _read_total(answer))


def _alike(rows: list[Token], other_rows: list[Token], answer: Answer) -> bool:
    """Whether the rows have the same columns; left out nulls make that unknowable."""
    if b"nulls=stripped" in (answer.header(b"content-type") or b""):
        return True
    return {_columns(row) for row in rows} == {_columns(row) for row in other_rows}


def _columns(row: Token) -> tuple[str, ...] | None:
    return tuple(key for key, _ in row) if isinstance(row, tuple) else None


def _rows(value: Token, answer: Answer) -> list[Token] | None:
    """The rows of a JSON body: the items of an array, or the one of a singular answer (reference 5.6)."""
    if isinstance(value, list):
        return value
    return [value] if b"vnd.pgrst.object" in (answer.header(b"content-type") or b"") else None


def _read_total(answer: Answer) -> int | None:
    total = (answer.header(b"content-range") or b"").rpartition(b"/")[2]
    return int(total) if total.isdigit() and len(total) < 19 else None


def _read_kind(answer: Answer) -> BodyKind:
    media_type = (answer.header(b"content-type") or b"").partition(b";")[0].strip().lower()
    if media_type.startswith(b"application/vnd.pgrst.plan"):
        return "plan"
    if media_type == b"application/openapi+json":
        return "openapi"
    if media_type.endswith((b"/json", b"+json")):
        return "json"
    return "csv" if media_type == b"text/csv" else "bytes"


def _byte_difference(first: bytes, second: bytes) -> Difference:
    position = find_parting(first, second)
    start = max(0, position - BEFORE_PARTING)
    return Difference("body", f"@{position}", _excerpt(first, start), _excerpt(second, start))


def _excerpt(body: bytes, start: int) -> str:
    return shorten(body[start : start + 4 * BEFORE_PARTING].decode("utf-8", "backslashreplace"))

"""From what the database gave to the answer.

Source: PostgREST 14, reference 4.2, 4.3, 7.3 to 7.7, 8.3 and 8.4.
"""

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

from proxy.engine.dialect import Dialect
from proxy.engine.parse.media import MediaType
from proxy.engine.parse.query import canonical_query
from proxy.engine.parse.request import unsatisfiable
from proxy.engine.plan.resolve import until_nul
from proxy.engine.plan.whole import Insert, Plan
from proxy.engine.schema import Function, Relation
from proxy.errors import ApiError, render_error, retry_hint
from proxy.messages import Answer, Header, Headers, Request

_STATUS = re.compile(r"[0-9]+")
_HEADERS_RULE = (
    "response.headers guc must be a JSON array composed of objects with a single key and a string value"
)


class Rows(NamedTuple):
    """The one row that a statement gives.

    ``total`` counts all rows that match, None where nobody asked; ``page`` those in ``body``, or those that
    were changed. ``headers`` and ``status`` are the settings ``response.headers`` and ``response.status``,
    None where unset. ``location`` is the key of the one row added, as ``column=eq.value``; ``inserted``
    counts the rows added that were not merged into others.
    """

    total: int | None
    page: int
    body: bytes | None
    headers: str | None
    status: str | None
    location: Sequence[str] | None = None
    inserted: int | None = None


def may_refuse(plan: Plan) -> bool:
    """Whether ``check_rows`` finds some rows to refuse, so that what was done for them is to be undone."""
    limited = plan.max_affected is not None or plan.max_changed is not None
    return plan.action == "upsert" or plan.media.kind == "object" or limited


def check_rows(plan: Plan, rows: Rows, dialect: Dialect) -> None:
    """Raises ApiError for rows that the client did not allow for: PGRST110, PGRST115, PGRST116, PGRST124."""
    if plan.action == "upsert":
        if rows.page != 1:
            raise ApiError(400, "PGRST115", "Payload values do not match URL in primary key column(s)")
        return
    if plan.media.kind == "object" and rows.page != 1:
        raise ApiError(406, "PGRST116", dialect.not_single, f"The result contains {rows.page} rows")
    if plan.max_affected is not None and rows.page > plan.max_affected:
        message = "Query result exceeds max-affected preference constraint"
        raise ApiError(400, "PGRST124", message, f"The query affects {rows.page} rows")
    if plan.max_changed is not None and rows.page > plan.max_changed:
        message = "The maximum number of rows allowed to change was surpassed"
        details = (
            f"Results contain {rows.page} rows changed but the maximum number allowed is {plan.max_changed}"
        )
        raise ApiError(400, "PGRST110", message, details)


def make_response(plan: Plan, rows: Rows, request: Request, dialect: Dialect) -> Answer:
    """The answer with the rows of a read, a call or a change. Raises ApiError (PGRST111, PGRST112)."""
    status, headers, body = (
        _tell_rows(plan, rows, request, dialect) if plan.read else _tell_change(plan, rows)
    )
    if (overridden := _read_status(rows.status)) is not None:
        status = overridden
    if rows.headers is not None:
        raised = _read_headers(rows.headers)
        replaced = {name.lower() for name, _ in raised}
        headers = (*(header for header in headers if header[0].lower() not in replaced), *raised)
    return Answer(status, (*retry_hint(status), *headers), body)


def _tell_rows(plan: Plan, rows: Rows, request: Request, dialect: Dialect) -> tuple[int, Headers, bytes]:
    status, body = _find_status(plan, rows)
    if status == 416 and plan.function is None and dialect.truncates_range_error:
        body = body[: len(_encode(rows))]
    applied = _applied(plan)
    content = (*_length(request, body), *_content(plan))
    headers: Headers = ((b"Content-Range", _content_range(plan, rows)),)
    if plan.function is None:
        headers = (*headers, (b"Content-Location", _content_location(request, plan)), *content, *applied)
    elif plan.function.void:
        status, body, headers = 204, b"", (*headers, *applied)
    else:
        headers = (*headers, *applied, *content)
    return status, headers, body


def _tell_change(plan: Plan, rows: Rows) -> tuple[int, Headers, bytes]:
    """The rows that were changed, where they are wanted; else only how many (reference 7.3 to 7.6)."""
    body = _encode(rows) if plan.shown else b""
    length = _header(b"Content-Length", str(len(body)))
    content = _content(plan) if plan.shown else ()
    applied = _applied(plan)
    total = rows.page if plan.counted else "*"
    match plan.action:
        case "create":
            headers = (*length, *_location(plan, rows), *_header(b"Content-Range", f"*/{total}"), *applied)
            return _find_create_status(plan, rows), (*headers, *content), body
        case "upsert":
            status = 204 if not plan.shown else 201 if rows.inserted and rows.inserted > 0 else 200
            return status, (*(length if plan.shown else ()), *content, *applied), body
        case "update" if rows.page:
            shown = f"0-{rows.page - 1}"
        case _:
            shown = "*"
    status = 200 if plan.shown else 204
    headers = (*_header(b"Content-Range", f"{shown}/{total}"), *applied)
    return status, (*headers, *(length if plan.shown else ()), *content), body


def _find_create_status(plan: Plan, rows: Rows) -> int:
    conflict = plan.shape.source.conflict if isinstance(plan.shape.source, Insert) else None
    merged_only = conflict is not None and conflict.merge and (rows.inserted or 0) <= 0
    return 200 if merged_only else 201


def _location(plan: Plan, rows: Rows) -> Headers:
    """Where the one row added is to be found; the relation's name stands as it is (reference 7.3)."""
    if not rows.location:
        return ()
    pairs = (pair.partition("=") for pair in rows.location)
    query = "&".join(f"{quote(key, safe='')}={quote(value, safe='')}" for key, _, value in pairs)
    return _header(b"Location", f"/{plan.shape.root.name}?{query}")


def _applied(plan: Plan) -> Headers:
    return _header(b"Preference-Applied", ", ".join(plan.applied)) if plan.applied else ()


def needs_estimate(plan: Plan, rows: Rows) -> bool:
    """Whether the planner's word counts: always for planned, beyond the most rows for estimated."""
    counted = -1 if rows.total is None else rows.total
    return plan.estimate == "planned" or plan.max_rows is None or counted > plan.max_rows


def add_estimate(plan: Plan, rows: Rows, estimate: int) -> Rows:
    """``rows`` with the planner's total (reference 4.4)."""
    counted = rows.total if plan.estimate == "estimated" and rows.total is not None else 0
    return rows._replace(total=max(counted, estimate))


def make_plan_response(plan: Plan, lines: Sequence[str]) -> Answer:
    """The answer with an execution plan (reference 5.5)."""
    body = "".join(f"{line}\n" for line in lines).encode()
    return Answer(200, (*_header(b"Content-Length", str(len(body))), *_content(plan)), body)


def make_info(target: Relation | Function | None) -> Answer:
    """What OPTIONS tells of a relation, a function or, for None, the root (reference 8.5)."""
    match target:
        case Relation():
            allowed = ["OPTIONS,GET,HEAD"]
            allowed += ["POST"] if target.insertable else []
            allowed += ["PUT"] if target.insertable and target.updatable and target.key else []
            allowed += ["PATCH"] if target.updatable else []
            allowed += ["DELETE"] if target.deletable else []
            text = ",".join(allowed)
        case Function():
            text = "OPTIONS,POST" if target.volatility == "volatile" else "OPTIONS,GET,HEAD,POST"
        case _:
            text = "OPTIONS,GET,HEAD"
    origin = (b"Access-Control-Allow-Origin", b"*")
    return Answer(200, (*_header(b"Content-Length", "0"), origin, *_header(b"Allow", text)))


def _header(name: bytes, value: str) -> Headers:
    return ((name, value.encode()),)


def _length(request: Request, body: bytes) -> Headers:
    return () if request.method == "HEAD" else ((b"Content-Length", b"%d" % len(body)),)


def _content(plan: Plan) -> Headers:
    return _describe_content(plan.media, plan.schema if plan.profile else None)


@lru_cache(maxsize=256)
def _describe_content(media: MediaType, profile: str | None) -> Headers:
    described = _header(b"Content-Type", media.content_type)
    return described if profile is None else (*described, *_header(b"Content-Profile", profile))


def _find_status(plan: Plan, rows: Rows) -> tuple[int, bytes]:
    body = _encode(rows)
    if rows.total is None:
        return 200, body
    first = plan.rows.first
    if first > rows.total:
        details = f"An offset of {first} was requested, but there are only {rows.total} rows."
        return 416, render_error(unsatisfiable(details)).body
    return (206 if rows.page < rows.total else 200), body


def _encode(rows: Rows) -> bytes:
    # A handler may give nothing.
    return rows.body or b""


def _content_range(plan: Plan, rows: Rows) -> bytes:
    first = plan.rows.first
    some = rows.page > 0 and rows.total != 0
    shown = f"{first}-{first + rows.page - 1}" if some else "*"
    return f"{shown}/{'*' if rows.total is None else rows.total}".encode()


def _content_location(request: Request, plan: Plan) -> bytes:
    query = canonical_query(request.query)
    # A NUL may not stand in a header.
    name = until_nul(plan.shape.root.name)
    return f"/{name}{'?' if query else ''}{query}".encode()


def _read_status(text: str | None) -> int | None:
    if text is None:
        return None
    digits = _STATUS.match(text)
    if digits is None:
        raise ApiError(500, "PGRST112", "response.status guc must be a valid status code")
    # Haskell's integers have 64 bits, on which no more than the last 64 digits tell; its server writes three.
    return ((int(digits[0][-64:]) + 2**63) % 2**64 - 2**63) % 1000


def _read_headers(text: str) -> Headers:
    try:
        value = json.loads(text)
        return tuple(_read_header(item) for item in value)
    except (ValueError, TypeError, RecursionError):
        raise ApiError(500, "PGRST111", _HEADERS_RULE) from None


def _read_header(item: object) -> Header:
    if not isinstance(item, dict) or len(item) != 1:
        raise ValueError(item)
    ((name, value),) = item.items()
    if not isinstance(value, str):
        raise ValueError(item)
    # A line break may not split the answer: it becomes a folded line's space.
    return _one_line(name).encode(), _one_line(value).encode()


def _one_line(text: str) -> str:
    return " ".join(text.splitlines()) if text.splitlines() != [text] else text

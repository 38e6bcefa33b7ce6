"""From what the database gave to the answer. Source: PostgREST 14, reference 4.2, 4.3, 8.3 and 8.4."""

import json
import re
from dataclasses import dataclass

from proxy.engine.parse.query import canonical_query
from proxy.engine.parse.request import unsatisfiable
from proxy.engine.plan.types import ReadPlan
from proxy.errors import ApiError, render_error
from proxy.messages import Answer, Header, Headers, Request

_STATUS = re.compile(r"[0-9]+")
_HEADERS_RULE = (
    "response.headers guc must be a JSON array composed of objects with a single key and a string value"
)


@dataclass(frozen=True, slots=True)
class Rows:
    """The one row that a read's statement gives.

    ``total`` counts all rows that match, None where nobody asked; ``page`` those in ``body``. ``headers``
    and ``status`` are the settings ``response.headers`` and ``response.status``, None where unset.
    """

    total: int | None
    page: int
    body: str | bytes | None
    headers: str | None
    status: str | None


def check_rows(plan: ReadPlan, rows: Rows) -> None:
    """Raises ApiError PGRST116 when a single object was asked for and there is not exactly one row."""
    if plan.media.kind == "object" and rows.page != 1:
        message = "Cannot coerce the result to a single JSON object"
        raise ApiError(406, "PGRST116", message, f"The result contains {rows.page} rows")


def make_response(plan: ReadPlan, rows: Rows, request: Request) -> Answer:
    """The answer to a read. Raises ApiError (PGRST111, PGRST112)."""
    status, body = _find_status(plan, rows)
    headers: list[Header] = [
        (b"Content-Range", _content_range(plan, rows)),
        (b"Content-Location", _content_location(request, plan)),
    ]
    if request.method != "HEAD":
        headers.append((b"Content-Length", str(len(body)).encode()))
    headers.append((b"Content-Type", plan.media.content_type.encode()))
    if plan.profile:
        headers.append((b"Content-Profile", plan.schema.encode()))
    if plan.applied:
        headers.append((b"Preference-Applied", ", ".join(plan.applied).encode()))
    overridden = _read_status(rows.status)
    raised = _read_headers(rows.headers)
    replaced = {name.lower() for name, _ in raised}
    kept = [header for header in headers if header[0].lower() not in replaced]
    return Answer(status if overridden is None else overridden, (*kept, *raised), body)


def _find_status(plan: ReadPlan, rows: Rows) -> tuple[int, bytes]:
    # A handler may give nothing, and bytes where its type is based on bytea.
    body = rows.body.encode() if isinstance(rows.body, str) else rows.body or b""
    if rows.total is None:
        return 200, body
    first = plan.rows.first
    if first > rows.total:
        details = f"An offset of {first} was requested, but there are only {rows.total} rows."
        return 416, render_error(unsatisfiable(details)).body
    return (206 if rows.page < rows.total else 200), body


def _content_range(plan: ReadPlan, rows: Rows) -> bytes:
    first = plan.rows.first
    some = rows.page > 0 and rows.total != 0
    shown = f"{first}-{first + rows.page - 1}" if some else "*"
    return f"{shown}/{'*' if rows.total is None else rows.total}".encode()


def _content_location(request: Request, plan: ReadPlan) -> bytes:
    query = canonical_query(request.query)
    name = plan.shape.root.name
    return f"/{name}{'?' if query else ''}{query}".encode()


def _read_status(text: str | None) -> int | None:
    if text is None:
        return None
    digits = _STATUS.match(text)
    if digits is None:
        raise ApiError(500, "PGRST112", "response.status guc must be a valid status code")
    return int(digits[0])


def _read_headers(text: str | None) -> Headers:
    if text is None:
        return ()
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

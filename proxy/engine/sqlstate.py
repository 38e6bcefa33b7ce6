"""What a client is told when PostgreSQL refuses. Source: PostgREST 14, reference 9.3 to 9.5."""

import json
from typing import Any

from proxy.engine.dialect import PRESENT, Dialect
from proxy.errors import ApiError
from proxy.messages import Headers

_BY_CODE = {
    "23503": 409,
    "23505": 409,
    "25006": 405,
    "53400": 500,
    "57P01": 503,
    "P0001": 400,
    "42P01": 404,
    "42P17": 500,
}
_BY_CLASS = {
    "08": 503,
    "09": 500,
    "0L": 403,
    "0P": 403,
    "25": 500,
    "28": 403,
    "2D": 500,
    "38": 500,
    "39": 500,
    "3B": 500,
    "40": 500,
    "53": 503,
    "54": 500,
    "55": 500,
    "57": 500,
    "58": 500,
    "F0": 500,
    "HV": 500,
    "P0": 500,
    "XX": 500,
}
_MESSAGE_RULE = (
    "MESSAGE must be a JSON object with obligatory keys: 'code', 'message' and optional keys: "
    "'details', 'hint'."
)
_DETAIL_RULE = (
    "DETAIL must be a JSON object with obligatory keys: 'status', 'headers' and optional key: 'status_text'."
)


def make_database_error(
    code: str,
    message: str,
    detail: str | None,
    hint: str | None,
    *,
    authenticated: bool,
    dialect: Dialect = PRESENT,
) -> ApiError:
    """The error for an SQLSTATE. ``authenticated``: the request's role is not the anonymous one."""
    if code == "PGRST":
        return _make_raised_error(message, detail)
    if code.startswith("PT"):
        status = int(code[2:]) if code[2:].isdecimal() else 500
        reason = message if code[2:].isdecimal() else ""
        return ApiError(status, code, message, detail, hint, headers=_challenge(status), reason=reason)
    status = _find_status(code, message, authenticated, dialect)
    return ApiError(status, code, message, detail, hint, headers=_challenge(status))


def _challenge(status: int) -> Headers:
    return ((b"WWW-Authenticate", b"Bearer"),) if status == 401 else ()


def _find_status(code: str, message: str, authenticated: bool, dialect: Dialect) -> int:
    match code:
        case "21000":
            return 400 if message.endswith("requires a WHERE clause") else 500
        case "22023":
            unknown_role = message.startswith("role") and message.endswith("does not exist")
            return dialect.unknown_role_status if unknown_role else 400
        case "42883":
            return 406 if message.startswith("function xmlagg(") else 404
        case "42501":
            return 403 if authenticated else 401
        case _:
            return _BY_CODE.get(code) or _BY_CLASS.get(code[:2], 400)


def _make_raised_error(message: str, detail: str | None) -> ApiError:
    """The error that ``RAISE SQLSTATE 'PGRST'`` describes in JSON (reference 9.5)."""
    body = _read_object(message)
    if not _is_text(body, "code", "message") or not _is_optional_text(body, "details", "hint"):
        return _reject(f"Invalid JSON value for MESSAGE: '{message}'", _MESSAGE_RULE)
    if detail is None:
        return _reject("DETAIL is missing in the RAISE statement", _DETAIL_RULE)
    control = _read_object(detail)
    headers = control.get("headers")
    status = control.get("status")
    if isinstance(status, float) and status.is_integer():
        status = int(status)
    if (
        not isinstance(headers, dict)
        or not _is_text(headers, *headers)
        or not isinstance(status, int)
        or isinstance(status, bool)
        or not _is_optional_text(control, "status_text")
    ):
        return _reject(f"Invalid JSON value for DETAIL: '{detail}'", _DETAIL_RULE)
    sent = tuple((name.encode(), text.encode()) for name, text in sorted(headers.items()))
    reason = control.get("status_text") or ""
    return ApiError(
        status,
        body["code"],
        body["message"],
        body.get("details"),
        body.get("hint"),
        headers=sent,
        reason=reason,
    )


def _reject(details: str, hint: str) -> ApiError:
    return ApiError(
        500, "PGRST121", "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error", details, hint
    )


def _read_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate is no text
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _is_text(values: dict[str, Any], *names: str) -> bool:
    return all(isinstance(values.get(name), str) for name in names)


def _is_optional_text(values: dict[str, Any], *names: str) -> bool:
    return all(values.get(name) is None or isinstance(values[name], str) for name in names)

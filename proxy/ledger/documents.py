"""Requests, answers and differences as JSON texts, to be kept and to be shown.

What is kept has been redacted before. Text stands as text; bytes that are not UTF-8 stand as
``{"base64": …}``, as on a tape.
"""

import base64
import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from proxy.difference import Difference
from proxy.messages import Answer, Headers, Request

MAX_BODY = 64 * 1024
"""Bytes of a body that are kept; where more was, its whole size is kept beside."""


def show_request(request: Request) -> dict[str, Any]:
    """``request`` as JSON values."""
    return {
        "method": request.method,
        "target": _show(request.target),
        "headers": _show_headers(request.headers),
        **_show_body(request.body),
    }


def show_answer(answer: Answer) -> dict[str, Any]:
    """``answer`` as JSON values."""
    return {"status": answer.status, "headers": _show_headers(answer.headers), **_show_body(answer.body)}


def show_differences(differences: Iterable[Difference]) -> list[dict[str, Any]]:
    """``differences`` as JSON values."""
    return [asdict(difference) for difference in differences]


def render(value: object) -> str:
    """JSON values as text that any database takes: no character outside ASCII, so no NUL or surrogate."""
    return json.dumps(value, separators=(",", ":"))


def read_request(document: dict[str, Any]) -> Request:
    """The request that ``show_request`` gave; a body that was cut is as it was kept."""
    return Request(
        document["method"],
        _read(document["target"]),
        _read_headers(document["headers"]),
        _read(document["body"]),
    )


def read_answer(document: dict[str, Any]) -> Answer:
    """The answer that ``show_answer`` gave; a body that was cut is as it was kept."""
    return Answer(document["status"], _read_headers(document["headers"]), _read(document["body"]))


def read_differences(document: list[dict[str, Any]]) -> tuple[Difference, ...]:
    """The differences that ``show_differences`` gave."""
    return tuple(Difference(**one) for one in document)


def _show_headers(headers: Headers) -> list[list[Any]]:
    return [[_show(name), _show(value)] for name, value in headers]


def _read_headers(pairs: list[list[Any]]) -> Headers:
    return tuple((_read(name), _read(value)) for name, value in pairs)


def _show_body(body: bytes) -> dict[str, Any]:
    if len(body) <= MAX_BODY:
        return {"body": _show(body)}
    cut = body[:MAX_BODY]
    # A character is not cut in half, or the rest would no longer be text.
    while cut and body[len(cut)] & 0xC0 == 0x80 and MAX_BODY - len(cut) < 4:
        cut = cut[:-1]
    return {"body": _show(cut), "whole_size": len(body)}


def _show(data: bytes) -> str | dict[str, str]:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode("ascii")}


def _read(value: str | dict[str, str]) -> bytes:
    return value.encode("utf-8") if isinstance(value, str) else base64.b64decode(value["base64"])

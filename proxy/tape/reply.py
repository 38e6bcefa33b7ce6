"""Recorded answers as ready bytes, framed for the wire."""

import json
from dataclasses import dataclass

from proxy.messages import Answer, Request, find_headers

_BODILESS = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class Reply:
    """A ready answer: the bytes before and after the Date header, and whether the connection ends."""

    start: bytes
    rest: bytes
    on_tape: bool
    last: bool = False


def make_reply(answer: Answer, method: str, *, on_tape: bool, last: bool) -> Reply:
    """Frame ``answer`` for a request by ``method``: sized if a length was recorded, else chunked.

    The length is that of the body at hand, for a tape may have left a large one out. ``last`` announces
    that the connection ends.
    """
    start = b"HTTP/1.1 %d %s\r\n" % (answer.status, answer.reason)
    headers, body = answer.headers, answer.body
    bodiless = method == "HEAD" or answer.status in _BODILESS
    if bodiless:
        body = b""
    elif find_headers(headers, b"content-length"):
        length = str(len(body)).encode()
        headers = tuple(
            (name, length if name.lower() == b"content-length" else value) for name, value in headers
        )
    else:
        start += b"Transfer-Encoding: chunked\r\n"
        body = (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
    if last:
        headers = (*headers, (b"Connection", b"close"))
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    return Reply(start, lines + b"\r\n" + body, on_tape, last)


def not_on_tape(request: Request) -> Answer:
    """What a request gets that was never recorded: 501 in PostgREST's error shape."""
    line = request.method.encode("latin-1", "replace") + b" " + request.target
    return problem(
        501, b"Not Implemented", "this request is not on the tape", line.decode("utf-8", "replace")
    )


def problem(status: int, reason: bytes, message: str, details: str | None = None) -> Answer:
    """A complaint of the stand-in itself, with a code that PostgREST never uses."""
    document = {"code": "TAPE", "details": details, "hint": None, "message": message}
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    headers = (
        (b"Content-Type", b"application/json; charset=utf-8"),
        (b"Content-Length", str(len(body)).encode()),
    )
    return Answer(status, headers, body, reason)

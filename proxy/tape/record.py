"""Exchanges of live traffic as recorded exchanges: what may be kept of them, and how they are compared later.

A tape must not cry wolf when it is replayed against the same rows. So whatever the request leaves open is
not held against the replay: arrays are multisets unless everything in them is ordered, and of a page of an
unordered result only status and headers count.
"""

import base64
import json
import re
from typing import Any

from proxy.messages import Answer, Headers, Request
from proxy.shadow.query import read_pairs
from proxy.shadow.redaction.exchange import redact_exchange
from proxy.shadow.redaction.secrets import Redaction
from proxy.tape.format import RecordedExchange, RecordedRequest

_LEFT_OUT = frozenset(
    {b"host", b"content-length", b"authorization", b"cookie", b"accept-encoding", b"connection"}
    | {b"proxy-authorization", b"keep-alive", b"transfer-encoding", b"te", b"upgrade", b"user-agent"}
)
"""What the replay adds by itself, or what is the client's connection's own."""

_TIMES = frozenset({"exp", "iat", "nbf", "jti"})
"""Claims that are about one token: a replay signs a new one."""

_BEARER = re.compile(rb"bearer +([\w-]+\.([\w-]+)\.[\w-]*)", re.IGNORECASE)
_ANSWER_LEFT_OUT = frozenset({b"date", b"connection", b"transfer-encoding", b"set-cookie"})


def record_exchange(
    request: Request, answer: Answer, redaction: Redaction, *, number: int, area: str, note: str | None = None
) -> RecordedExchange | None:
    """The exchange as it may be kept; None if it could not be asked again without what has to be hidden.

    A token stays as its claims, without those that are about the token alone.
    """
    redacted = redact_exchange(redaction, request, [answer])
    (kept,) = redacted.answers
    if not redacted.askable:
        return None
    claims = None
    token = request.header(b"authorization")
    if token is not None:
        claims = read_claims(token, redaction)
        if claims is None or answer.status == 401:
            return None
    ordered, paged = _read_order(request)
    ignored = [f"header:{name}" for name in _changed_headers(answer, kept)]
    if not redacted.whole or (paged and not ordered):
        ignored.append("body")
    return RecordedExchange(
        id=f"{area.replace('/', '-')}-{number:05}",
        area=area,
        variant="default",
        request=RecordedRequest(
            request.method,
            request.target,
            tuple(header for header in request.headers if header[0].lower() not in _LEFT_OUT),
            request.body if request.body or request.header(b"content-length") is not None else None,
            claims,
        ),
        answer=Answer(kept.status, _answer_headers(kept.headers), kept.body, kept.reason),
        unordered=not ordered,
        ignore=tuple(ignored),
        note=note,
    )


def read_claims(authorization: bytes, redaction: Redaction) -> str | None:
    """The claims of a bearer token, as compact JSON; None if it is another kind of credential.

    Claims that are about the token alone, or that are secrets by their name, are left out.
    """
    match = _BEARER.fullmatch(authorization.strip())
    if match is None:
        return None
    try:
        text = base64.urlsafe_b64decode(match[2] + b"=" * (-len(match[2]) % 4))
        claims: Any = json.loads(text)
    except ValueError:
        return None
    if not isinstance(claims, dict):
        return None
    kept = {name: value for name, value in claims.items() if name not in _TIMES and not redaction.hides(name)}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":"))


def _read_order(request: Request) -> tuple[bool, bool]:
    """Whether all rows have an order, as far as the request alone can tell; whether it asks for a page."""
    pairs = read_pairs(request.query)
    keys = {key for key, _ in pairs}
    embeds = any("(" in value for key, value in pairs if key == "select")
    paged = bool(keys & {"limit", "offset"}) or request.header(b"range") is not None
    return "order" in keys and not embeds, paged


def _changed_headers(answer: Answer, kept: Answer) -> list[str]:
    before = {name.lower(): value for name, value in answer.headers}
    return [
        name.decode("latin-1")
        for name, value in kept.headers
        if before.get(name.lower()) != value and name.lower() not in _ANSWER_LEFT_OUT
    ]


def _answer_headers(headers: Headers) -> Headers:
    return tuple(header for header in headers if header[0].lower() not in _ANSWER_LEFT_OUT)

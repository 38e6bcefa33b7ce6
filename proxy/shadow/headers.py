"""Which headers two answers must agree on, and how they are compared.

``HEADERS`` is the whole rule; a header that is not in it is ``strict``.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

from proxy.difference import Difference, Kind
from proxy.messages import Answer
from proxy.shadow.tokens import ABSENT, shorten

Comparison: TypeAlias = Literal["ignored", "presence", "head_only", "coding", "semantic", "secret", "strict"]
"""How a header is compared.

- ``ignored``: not at all.
- ``presence``: both have it or neither.
- ``head_only``: only where there is no body that says the same, and both name it.
- ``coding``: only where it could not be undone; the bodies are compared decoded.
- ``semantic``: by value, several lines as one list (RFC 9110, section 5.3), spaces at commas free.
- ``secret``: as strict, but its value is never shown.
- ``strict``: line by line, byte by byte.
"""

HEADERS: Mapping[bytes, tuple[Comparison, str]] = MappingProxyType(
    {
        b"date": ("ignored", "the moment of answering"),
        b"age": ("ignored", "the moment of answering"),
        b"server": ("ignored", "names the software: it differs by intention"),
        b"via": ("ignored", "names the proxies on the way, not the answer"),
        b"connection": ("ignored", "one hop only (RFC 9110, section 7.6.1)"),
        b"keep-alive": ("ignored", "one hop only"),
        b"proxy-connection": ("ignored", "one hop only"),
        b"transfer-encoding": ("ignored", "framing; the body itself is compared"),
        b"trailer": ("ignored", "framing"),
        b"upgrade": ("ignored", "one hop only"),
        b"content-length": ("head_only", "framing; says something of its own only where no body is"),
        b"content-encoding": ("coding", "a representation of the same body, chosen by Accept-Encoding"),
        b"server-timing": ("presence", "durations differ on every call (reference 8.7)"),
        b"set-cookie": ("secret", "part of the contract when SQL sets it (reference 8.4), but a secret"),
        b"content-type": ("semantic", "what the body is (reference 5.2)"),
        b"content-range": ("semantic", "rows and total (reference 4.2)"),
        b"content-profile": ("semantic", "the schema that answered (reference 8.2)"),
        b"preference-applied": ("semantic", "what was granted of Prefer (reference 8.1)"),
        b"allow": ("semantic", "the methods (reference 8.5)"),
        b"proxy-status": ("semantic", "the error's code (reference 8.7)"),
        b"access-control-allow-origin": ("semantic", "CORS (reference 8.6)"),
        b"access-control-allow-methods": ("semantic", "CORS"),
        b"access-control-allow-headers": ("semantic", "CORS"),
        b"access-control-allow-credentials": ("semantic", "CORS"),
        b"access-control-expose-headers": ("semantic", "CORS"),
        b"access-control-max-age": ("semantic", "CORS"),
        b"content-location": ("strict", "a URI: commas in it are no list (reference 1.11)"),
        b"location": ("strict", "a URI"),
        b"www-authenticate": ("strict", "a challenge: commas in it are ambiguous (reference 9, 10)"),
    }
)

HIDDEN = "(hidden)"

Lines: TypeAlias = tuple[bytes, ...]


def compare_headers(upstream: Answer, engine: Answer, *, head: bool, opaque: bool) -> list[Difference]:
    """Every header in which the answers differ, by name.

    ``head``: the request was HEAD. ``opaque``: a content coding could not be undone, and the bytes under it
    are equal. Names are
    compared without case; the order among different names means nothing (RFC 9110, section 5.3).
    """
    first, second = _collect(upstream), _collect(engine)
    differences = []
    for name in sorted(first.keys() | second.keys()):
        how, _ = HEADERS.get(name, ("strict", ""))
        one, other = first.get(name, ()), second.get(name, ())
        if one == other or _agree(how, one, other, head, opaque):
            continue
        shown = (HIDDEN, HIDDEN) if how == "secret" else (_show(one), _show(other))
        kind: Kind = "value" if one and other else "missing" if one else "extra"
        differences.append(Difference("headers", shorten(_text(name)), *shown, kind))
    return differences


def _agree(how: Comparison, one: Lines, other: Lines, head: bool, opaque: bool) -> bool:
    match how:
        case "ignored":
            return True
        case "presence":
            return bool(one) == bool(other)
        case "head_only":
            return not (head and one and other)
        case "coding":
            return not opaque
        case "semantic":
            return bool(one) == bool(other) and _list_value(one) == _list_value(other)
        case "secret" | "strict":
            return False


def _collect(answer: Answer) -> dict[bytes, Lines]:
    collected: dict[bytes, Lines] = {}
    for name, value in answer.headers:
        key = name.lower()
        collected[key] = (*collected.get(key, ()), value.strip(b" \t"))
    return collected


def _list_value(lines: Lines) -> bytes:
    return b",".join(part.strip(b" \t") for line in lines for part in line.split(b","))


def _show(lines: Lines) -> str:
    return shorten(_text(b" | ".join(lines))) if lines else ABSENT


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")

"""The comparison rules of the conformance tapes, pure (tests/conformance/README.md, "Comparison rules").

They judge a replay. They are not the rules by which the mirror judges live traffic: those know the order
contract of a request and live in ``shadow``.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from proxy.messages import Answer, Headers
from proxy.tape.format import RecordedExchange
from proxy.tape.tokens import Json, blank, first_difference, normalise, parse_json

COMPARED = frozenset(
    {
        "allow",
        "content-location",
        "content-profile",
        "content-range",
        "content-type",
        "location",
        "preference-applied",
        "proxy-status",
        "www-authenticate",
    }
)
"""Headers that must be equal, including being absent; so must every ``access-control-*``."""

COMPARED_IF_RECORDED = frozenset(
    {"cache-control", "content-disposition", "etag", "link", "retry-after", "set-cookie", "vary"}
)
"""Headers that come from database functions or configuration; so does every ``x-*``."""

COMPARED_BY_PRESENCE = frozenset({"server-timing"})


@dataclass(frozen=True, slots=True)
class Deviation:
    """One way in which an answer fails: ``part`` is ``status``, ``header <name>`` or ``body``."""

    part: str
    text: str


def deviations(exchange: RecordedExchange, received: Answer) -> list[Deviation]:
    """Every way in which ``received`` fails against the recorded answer; empty when it passes."""
    found = []
    recorded = exchange.answer
    if "status" not in exchange.ignore and recorded.status != received.status:
        shown = received.body[:200].decode("utf-8", "replace")
        text = f"status {recorded.status} expected, {received.status} received {shown}"
        found.append(Deviation("status", text.rstrip()))
    found += _header_deviations(exchange, received)
    if exchange.request.method != "HEAD" and "body" not in exchange.ignore:
        difference = _body_deviation(exchange, received)
        if difference:
            found.append(Deviation("body", difference))
    return found


def _header_deviations(exchange: RecordedExchange, received: Answer) -> Iterator[Deviation]:
    expected_values = _values_by_name(exchange.answer.headers)
    received_values = _values_by_name(received.headers)
    ignored = {part[len("header:") :].lower() for part in exchange.ignore if part.startswith("header:")}
    for name in sorted((expected_values.keys() | received_values.keys()) - ignored):
        expected, actual = expected_values.get(name, []), received_values.get(name, [])
        if name in COMPARED_BY_PRESENCE:
            if bool(expected) != bool(actual):
                wanted = "presence" if expected else "absence"
                yield Deviation(f"header {name}", f"header {name}: {wanted} expected")
        elif _is_compared(name, bool(expected)) and expected != actual:
            yield Deviation(f"header {name}", f"header {name}: {expected} expected, {actual} received")


def _is_compared(name: str, recorded: bool) -> bool:
    if name in COMPARED or name.startswith("access-control-"):
        return True
    return recorded and (name in COMPARED_IF_RECORDED or name.startswith("x-"))


def _values_by_name(headers: Headers) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name.decode("latin-1").lower(), []).append(_text(value.strip()))
    return values


def _text(value: bytes) -> str:
    # The recorder wrote values that are not UTF-8 byte by byte.
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _body_deviation(exchange: RecordedExchange, received: Answer) -> str | None:
    expected, actual = exchange.answer.body, received.body
    if expected == actual:
        return None
    media_type = _values_by_name(exchange.answer.headers).get("content-type", [""])[0].lower()
    if "json" in media_type and "x-ndjson" not in media_type:
        try:
            return _json_deviation(exchange, media_type, parse_json(expected), actual)
        except (ValueError, RecursionError):
            pass  # What is no JSON, or too deep to be walked, is compared as text.
    if exchange.unordered and sorted(expected.split(b"\n")) == sorted(actual.split(b"\n")):
        return None
    return _bytes_deviation(expected, actual)


def _json_deviation(exchange: RecordedExchange, media_type: str, expected: Json, actual: bytes) -> str | None:
    try:
        received = parse_json(actual)
    except ValueError:
        return f"body: JSON expected, {actual[:120]!r} received"
    for path in exchange.ignore:
        if path.startswith("$"):
            expected, received = blank(expected, path), blank(received, path)
    # Only rows have an order of keys that a client asked for, through `select`.
    are_rows = (
        exchange.answer.status < 300 and "openapi" not in media_type and "vnd.pgrst.plan" not in media_type
    )
    difference = first_difference(
        normalise(expected, sort_keys=not are_rows, sort_arrays=exchange.unordered),
        normalise(received, sort_keys=not are_rows, sort_arrays=exchange.unordered),
    )
    return f"body {difference}" if difference else None


def _bytes_deviation(expected: bytes, actual: bytes) -> str:
    shorter = min(len(expected), len(actual))
    at = next((index for index in range(shorter) if expected[index] != actual[index]), shorter)
    around = slice(max(0, at - 20), at + 60)
    return f"body differs at byte {at}: {expected[around]!r} expected, {actual[around]!r} received"

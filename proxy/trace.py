"""Where a request stands in a trace that spans several services (W3C Trace Context, level 1).

What a client sends of it goes on byte for byte, and nothing is made up. It is only read here, to be told in
the log and to hang spans of our own under.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 0x01


@dataclass(frozen=True, slots=True)
class TraceParent:
    """A span that others are children of: its trace and itself, in lower-case hexadecimal digits."""

    trace_id: str
    span_id: str
    sampled: bool


def read_traceparent(headers: Iterable[tuple[bytes, bytes]]) -> TraceParent | None:
    """What the one ``traceparent`` says; None where it is missing, malformed or there more than once.

    A version yet to come is read as far as this one goes (section 3.2.3 and 4.3 of the recommendation).
    """
    values = [value for name, value in headers if name.lower() == b"traceparent"]
    match = _TRACEPARENT.fullmatch(values[0]) if len(values) == 1 else None
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == b"ff" or (version == b"00" and rest is not None):
        return None
    if not trace_id.strip(b"0") or not span_id.strip(b"0"):
        return None
    return TraceParent(trace_id.decode(), span_id.decode(), bool(int(flags, 16) & _SAMPLED))

"""HTTP messages as frozen values: what a client asked, and what a side answered.

Bytes are kept as they stood on the wire: header names keep their case, order and duplicates, and the
request target is never decoded and encoded again (promise 1).
"""

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from proxy.trace import TraceParent

Header: TypeAlias = tuple[bytes, bytes]
Headers: TypeAlias = tuple[Header, ...]

READ_METHODS = frozenset({"GET", "HEAD"})
"""Methods that read whatever they are aimed at (RFC 9110, section 9.2.1)."""

WRITE_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
"""Methods by which PostgREST writes; a POST to a function that only reads does not (reference 6.1)."""

UNAVAILABLE = frozenset({502, 503, 504})
"""Statuses by which a side says that it cannot answer now, which says nothing of what was asked: it has no
database, no schema cache or no connection left, or stands behind somebody who cannot reach it."""


def find_header(headers: Iterable[Header], name: bytes) -> bytes | None:
    """The first value of the header ``name`` (lower case), or None."""
    for key, value in headers:
        if key.lower() == name:
            return value
    return None


def find_headers(headers: Iterable[Header], name: bytes) -> list[bytes]:
    """Every value of the header ``name`` (lower case), in order."""
    return [value for key, value in headers if key.lower() == name]


class Request(NamedTuple):
    """One client request. ``target`` is the raw request target: path and query as sent."""

    method: str
    target: bytes
    headers: Headers = ()
    body: bytes = b""

    @property
    def path(self) -> bytes:
        """The raw path, still percent-encoded; of a target in absolute form (RFC 9112, 3.2.2) as well."""
        path = self.target.partition(b"?")[0]
        if path.startswith(b"/"):
            return path
        _, absolute, rest = path.partition(b"://")
        return b"/" + rest.partition(b"/")[2] if absolute else path

    @property
    def query(self) -> bytes:
        """The raw query string without its question mark; empty when there is none."""
        return self.target.partition(b"?")[2]

    def header(self, name: bytes) -> bytes | None:
        """The first value of the header ``name`` (lower case), or None."""
        return find_header(self.headers, name)


class Answer(NamedTuple):
    """One side's answer. ``headers`` leave out the hop-by-hop ones; ``body`` is complete and unframed."""

    status: int
    headers: Headers = ()
    body: bytes = b""
    reason: bytes = b""

    def header(self, name: bytes) -> bytes | None:
        """The first value of the header ``name`` (lower case), or None."""
        return find_header(self.headers, name)


class Exchange(NamedTuple):
    """One client request with the upstream's answer to it; ``seconds`` is how long that took.

    ``trace`` is the request's span, where it is traced.
    """

    request: Request
    answer: Answer
    seconds: float
    trace: TraceParent | None = None

    @property
    def size(self) -> int:
        """What keeping this exchange costs in memory, in bytes, with a fixed charge per header."""
        headers = len(self.request.headers) + len(self.answer.headers)
        return (
            1024 + 160 * headers + len(self.request.target) + len(self.request.body) + len(self.answer.body)
        )

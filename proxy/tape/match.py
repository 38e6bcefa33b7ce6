"""Find the recorded answer to a request that an ordinary client, or a proxy, sends."""

from collections.abc import Iterable
from typing import TypeAlias

from proxy.messages import Headers, Request
from proxy.tape.format import RecordedExchange
from proxy.tape.request import RequestSettings, build_request

Key: TypeAlias = tuple[str, bytes, Headers, bytes]

_NEVER_RELEVANT = frozenset({b"host", b"content-length", b"user-agent", b"accept-encoding", b"connection"})
_ALWAYS_RELEVANT = frozenset(
    {b"accept", b"accept-profile", b"authorization", b"content-profile", b"content-type", b"origin"}
    | {b"access-control-request-headers", b"access-control-request-method", b"cookie", b"prefer"}
    | {b"range", b"range-unit"}
)
_ANY_MEDIA_TYPE = b"*/*"


class RecordedAnswers:
    """Recorded exchanges by what tells their requests apart.

    That is method, raw target, body, the headers PostgREST itself reads, and those that occur in any
    recorded request (a database function may read them): what else a client adds (``User-Agent``,
    ``Accept-Encoding``, …) cannot matter. ``Accept: */*`` counts as no Accept header; PostgREST treats
    both alike. Of requests recorded twice, the first counts.
    """

    def __init__(self, exchanges: Iterable[RecordedExchange], settings: RequestSettings) -> None:
        """Raises TapeError when a request cannot be rebuilt with ``settings``."""
        recorded = [(exchange, build_request(exchange.request, settings)) for exchange in exchanges]
        names = {name.lower() for _, request in recorded for name, _ in request.headers}
        self._relevant = (names | _ALWAYS_RELEVANT) - _NEVER_RELEVANT
        self._exchanges: dict[Key, RecordedExchange] = {}
        for exchange, request in recorded:
            self._exchanges.setdefault(self._key(request), exchange)

    def __len__(self) -> int:
        return len(self._exchanges)

    def find(self, request: Request) -> RecordedExchange | None:
        """The exchange whose request means the same as ``request``, or None.

        A Cookie that was not recorded is overlooked: clients with a cookie jar send back what some
        recorded answers set.
        """
        key = self._key(request)
        found = self._exchanges.get(key)
        if found is None:
            method, target, headers, body = key
            without_cookie = tuple(header for header in headers if header[0] != b"cookie")
            found = self._exchanges.get((method, target, without_cookie, body))
        return found

    def _key(self, request: Request) -> Key:
        relevant = []
        for name, value in request.headers:
            lower, stripped = name.lower(), value.strip(b" \t")
            if lower in self._relevant and not (lower == b"accept" and stripped == _ANY_MEDIA_TYPE):
                relevant.append((lower, stripped))
        # Only the order among headers of one name has a meaning (RFC 9110, section 5.3).
        relevant.sort(key=lambda header: header[0])
        return request.method, request.target, tuple(relevant), request.body

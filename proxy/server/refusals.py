"""What the front door itself tells a client, in PostgREST's shape (reference 9.1).

Where PostgREST has a code for the situation, clients meet that code: they know how to treat it. What only
a proxy can say carries ``PROXY`` and the status.
"""

from proxy.errors import ApiError
from proxy.server.heads import BadMessage, UnknownCoding, UnknownVersion


class Refusal(ApiError):
    """An error of the request as an HTTP message, found by the front door itself."""


def upstream_refused() -> ApiError:
    """No connection to the upstream, or no usable answer from it: as if its database were away (9.2)."""
    return ApiError(503, "PGRST000", "Upstream connection error.", headers=((b"Retry-After", b"0"),))


def upstream_timeout() -> ApiError:
    """The upstream does not answer in time: as if no connection had become free in its pool (9.2)."""
    return ApiError(504, "PGRST003", "Timed out waiting for the upstream.")


def not_implemented(feature: str) -> ApiError:
    """The engine declines and there is no upstream; PostgREST's own code for what it does not do (9.2)."""
    return ApiError(501, "PGRST127", "Feature not implemented", feature)


def internal() -> ApiError:
    """A fault of ours (9.2), told without its particulars."""
    return ApiError(500, "PGRSTX00", "Internal error")


def unsupported_method(method: str) -> ApiError:
    """What PostgREST answers to a method it does not know (9.2)."""
    return ApiError(405, "PGRST117", f"Unsupported HTTP method: {method}")


def head_timeout() -> Refusal:
    """The client began a head and does not come to its end (RFC 9110, section 15.5.9)."""
    return _own(408, "Request head not received in time")


def too_many_connections() -> Refusal:
    """More clients are connected than the configuration allows."""
    return _own(503, "Too many connections")


def client_timeout() -> Refusal:
    """The client began a body and does not go on with it (RFC 9110, section 15.5.9)."""
    return _own(408, "Request body not received in time")


def body_too_large(limit: int) -> Refusal:
    """The body is longer than the configuration allows (RFC 9110, section 15.5.14)."""
    return _own(413, "Request body too large", f"The limit is {limit} bytes")


def line_too_long(limit: int) -> Refusal:
    """The request line is longer than the configuration allows (RFC 9110, section 15.5.15)."""
    return _own(414, "Request line too long", f"The limit is {limit} bytes")


def headers_too_large(details: str) -> Refusal:
    """The header section is larger than the configuration allows (RFC 6585, section 5)."""
    return _own(431, "Request headers too large", details)


def bad_request(fault: BadMessage) -> Refusal:
    """The request breaks the rules of HTTP/1.1 (RFC 9112)."""
    if isinstance(fault, UnknownVersion):
        return _own(505, "HTTP version not supported", str(fault))
    if isinstance(fault, UnknownCoding):
        return _own(501, "Transfer coding not supported", str(fault))
    return _own(400, "Malformed request", str(fault))


def upstream_lost(timed_out: bool) -> ApiError:
    """The upstream got a write and gave no answer, so that nobody knows whether it was done.

    There is no ``Retry-After``, and no 503: whoever repeats by itself what that answers would do it twice.
    """
    message = "The upstream gave no answer: whether it has done the write is unknown"
    hint = "Look at the rows before you repeat the request."
    return ApiError(504 if timed_out else 502, "08007", message, None, hint)


def engine_timeout() -> ApiError:
    """The engine took longer over a write than the upstream might have; what it began is undone."""
    return ApiError(504, "PGRST003", "Timed out waiting for the engine; nothing was written.")


def _own(status: int, message: str, details: str | None = None) -> Refusal:
    return Refusal(status, f"PROXY{status}", message, details)

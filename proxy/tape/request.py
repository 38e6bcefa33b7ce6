"""Put back what a recording leaves out of a request: Host, a freshly signed token, Content-Length."""

import base64
import hashlib
import hmac
from dataclasses import dataclass

from proxy.messages import Request
from proxy.tape.format import RecordedRequest, TapeError


@dataclass(frozen=True, slots=True)
class RequestSettings:
    """What every request of a recording shares.

    ``host`` is the Host header. ``token_header`` (compact JSON) and ``token_secret`` are for the HS256
    tokens of requests that were recorded by their claims.
    """

    host: bytes
    token_header: str = '{"alg":"HS256","typ":"JWT"}'
    token_secret: bytes | None = None


def build_request(recorded: RecordedRequest, settings: RequestSettings) -> Request:
    """The request as it was sent: Host, the recorded headers, Authorization, Content-Length, in this order.

    Raises TapeError when a token is to be signed and there is no secret.
    """
    headers = [(b"Host", settings.host), *recorded.headers]
    if recorded.claims is not None:
        headers.append((b"Authorization", b"Bearer " + sign(recorded.claims, settings)))
    if recorded.body is not None:
        headers.append((b"Content-Length", str(len(recorded.body)).encode()))
    return Request(recorded.method, recorded.target, tuple(headers), recorded.body or b"")


def sign(claims: str, settings: RequestSettings) -> bytes:
    """A token with the payload ``claims``, signed by HMAC-SHA256 (RFC 7515, section 3; RFC 7518, 3.2)."""
    if settings.token_secret is None:
        raise TapeError("the tape holds claims to sign, but there is no secret: a variants.json is needed")
    signed = _base64url(settings.token_header.encode()) + b"." + _base64url(claims.encode())
    return signed + b"." + _base64url(hmac.digest(settings.token_secret, signed, hashlib.sha256))


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")

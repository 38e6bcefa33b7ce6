"""Which clients' requests the engine answers while a table is in ``canary``.

The choice hangs on who asks and on the shape of what is asked, and on nothing else: one client sees one side
however often it asks, all replicas choose alike, and a larger share keeps everyone that a smaller one had.
"""

import binascii
import hashlib
import json
from base64 import urlsafe_b64decode

from proxy.messages import Request
from proxy.shadow.shape import read_shape

FLEETING = frozenset({"exp", "iat", "nbf", "jti"})
"""Claims that change when a client fetches itself a new token."""


def identify_client(request: Request, peer: str) -> bytes:
    """Something that stays the same for one client: its token's lasting claims, or where it comes from.

    ``peer`` is the address of whoever is connected. A proxy in front says by ``X-Forwarded-For`` whom it
    speaks for. The token is not verified, for nothing is granted here.
    """
    authorization = request.header(b"authorization")
    if authorization is not None:
        return _read_claims(authorization) or authorization
    forwarded = request.header(b"x-forwarded-for")
    if forwarded is not None:
        return forwarded.partition(b",")[0].strip()
    return peer.encode("utf-8", "surrogateescape")


def is_chosen(request: Request, client: bytes, share: float) -> bool:
    """Whether the engine answers ``request`` of ``client``, when ``share`` percent are its."""
    shape = read_shape(request).encode("utf-8", "surrogateescape")
    digest = hashlib.blake2b(b"\0".join((client, shape)), digest_size=8).digest()
    return int.from_bytes(digest) < share / 100 * 2**64


def _read_claims(authorization: bytes) -> bytes | None:
    parts = authorization.rpartition(b" ")[2].split(b".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(urlsafe_b64decode(parts[1] + b"=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return None
    if not isinstance(claims, dict):
        return None
    lasting = {name: value for name, value in claims.items() if name not in FLEETING}
    return json.dumps(lasting, sort_keys=True).encode()

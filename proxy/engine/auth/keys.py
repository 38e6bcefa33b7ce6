"""The configured secret as keys. Source: PostgREST 14, reference 10.2 (RFC 7517, RFC 7518)."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jwt import algorithms
from jwt.exceptions import PyJWTError

_FAMILIES = {"oct": "HS", "RSA": "RS", "EC": "ES", "OKP": "EdDSA"}
_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
_SHORTEST_SECRET = 32


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """One key. ``verify`` takes algorithm, message and signature; ``fits`` tells for which algorithms."""

    id: str | None
    fits: Callable[[str], bool]
    verify: Callable[[str, bytes, bytes], bool]


@lru_cache(maxsize=16)
def read_keys(secret: str, is_base64: bool) -> tuple[Key, ...]:
    """A JSON Web Key Set, one JSON Web Key, or a plain secret for HS256.

    Keys of a set that are of no use here are left out. Raises ValueError for a secret that is too short
    or not the base64 it is said to be.
    """
    raw = _decode_base64(secret) if is_base64 else secret.encode()
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict) and isinstance(document.get("keys"), list):
        return tuple(key for entry in document["keys"] if (key := _read_key(entry)) is not None)
    if isinstance(document, dict) and (key := _read_key(document)) is not None:
        return (key,)
    if len(raw) < _SHORTEST_SECRET:
        raise ValueError("The JWT secret must be at least 32 characters long.")
    return (Key(None, lambda algorithm: algorithm == "HS256", _verify_hmac(raw)),)


def _decode_base64(secret: str) -> bytes:
    text = secret.strip().replace("_", "/").replace("-", "+").replace(".", "=")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("The JWT secret is not valid base64.") from None


def _verify_hmac(secret: bytes) -> Callable[[str, bytes, bytes], bool]:
    def verify(algorithm: str, message: bytes, signature: bytes) -> bool:
        digest = getattr(hashlib, f"sha{algorithm[2:]}")
        return hmac.compare_digest(hmac.digest(secret, message, digest), signature)

    return verify


def _read_key(entry: Any) -> Key | None:
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
        return None
    family = _FAMILIES.get(entry.get("kty", ""))
    if family is None:
        return None
    only = entry.get("alg") or _CURVES.get(entry.get("crv", ""))

    def fits(algorithm: str) -> bool:
        return algorithm.startswith(family) and only in (None, algorithm)

    identity = entry.get("kid")
    try:
        if family == "HS":
            padded = entry["k"] + "=" * (-len(entry["k"]) % 4)
            return Key(identity, fits, _verify_hmac(base64.urlsafe_b64decode(padded)))
        return Key(identity, fits, _verify_public(entry, family))
    except (PyJWTError, KeyError, TypeError, ValueError):
        return None


def _verify_public(entry: dict[str, Any], family: str) -> Callable[[str, bytes, bytes], bool]:
    known = algorithms.get_default_algorithms()
    first = known[{"RS": "RS256", "ES": "ES256", "EdDSA": "EdDSA"}[family]]
    public = {name: value for name, value in entry.items() if name not in ("d", "p", "q", "dp", "dq", "qi")}
    key = type(first).from_jwk(public)

    def verify(algorithm: str, message: bytes, signature: bytes) -> bool:
        return bool(known[algorithm].verify(message, key, signature))

    return verify

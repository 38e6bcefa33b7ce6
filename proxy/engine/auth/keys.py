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
_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "secp256k1": "ES256K"}
_SHORTEST_SECRET = 32


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """One key. ``verify`` takes algorithm, message and signature; ``fits`` tells for which algorithms."""

    id: str | None
    fits: Callable[[str], bool]
    verify: Callable[[str, bytes, bytes], bool]


@lru_cache(maxsize=16)
def read_keys(secret: str, is_base64: bool, by_kind: bool = False) -> tuple[Key, ...]:
    """A JSON Web Key Set, one JSON Web Key, or a plain secret for HS256.

    ``by_kind``: a key fits all algorithms of its kind, not only the one it names, and a secret those whose
    hash is no longer than itself. Keys of a set that are of no use here are left out. Raises ValueError for
    a secret that is too short or not the base64 it is said to be.
    """
    # A secret out of a file need not be text; what is not stands there as lone surrogates.
    raw = _decode_base64(secret) if is_base64 else secret.encode("utf-8", "surrogateescape")
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict) and isinstance(document.get("keys"), list):
        read = (_read_key(entry, by_kind) for entry in document["keys"])
        return tuple(key for key in read if key is not None)
    if isinstance(document, dict) and (key := _read_key(document, by_kind)) is not None:
        return (key,)
    if by_kind:
        return (Key(None, _fits_secret(raw), _verify_hmac(raw)),)
    if len(raw) < _SHORTEST_SECRET:
        raise ValueError("The JWT secret must be at least 32 characters long.")
    return (Key(None, lambda algorithm: algorithm == "HS256", _verify_hmac(raw)),)


def _decode_base64(secret: str) -> bytes:
    text = secret.strip().replace("_", "/").replace("-", "+").replace(".", "=")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("The JWT secret is not valid base64.") from None


def _fits_secret(secret: bytes) -> Callable[[str], bool]:
    return lambda algorithm: algorithm.startswith("HS") and len(secret) * 8 >= int(algorithm[2:])


def _verify_hmac(secret: bytes) -> Callable[[str, bytes, bytes], bool]:
    def verify(algorithm: str, message: bytes, signature: bytes) -> bool:
        digest = getattr(hashlib, f"sha{algorithm[2:]}")
        return hmac.compare_digest(hmac.digest(secret, message, digest), signature)

    return verify


def _read_key(entry: Any, by_kind: bool) -> Key | None:
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
        return None
    family = _FAMILIES.get(entry.get("kty", ""))
    if family is None:
        return None
    curve = _CURVES.get(entry.get("crv", ""))
    only = curve if by_kind else entry.get("alg") or curve
    families = ("RS", "PS") if by_kind and family == "RS" else (family,)

    def fits(algorithm: str) -> bool:
        return algorithm.startswith(families) and only in (None, algorithm)

    identity = entry.get("kid")
    try:
        if family == "HS":
            padded = entry["k"] + "=" * (-len(entry["k"]) % 4)
            secret = base64.urlsafe_b64decode(padded)
            return Key(identity, _fits_secret(secret) if by_kind else fits, _verify_hmac(secret))
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

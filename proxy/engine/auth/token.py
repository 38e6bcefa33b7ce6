"""Check the signature of a JSON Web Token. Source: PostgREST 14, reference 10.1 and 10.3 (RFC 7515)."""

import base64
import binascii
import json
from typing import Any

from proxy.engine.auth.keys import Key
from proxy.errors import ApiError
from proxy.messages import Request

_ALGORITHMS = frozenset(
    {"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "EdDSA"}
)
_LARGEST_EXPONENT = 1024
_BASE64URL = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def find_token(request: Request) -> bytes | None:
    """The bearer token of a request; None for any other scheme or none."""
    value = request.header(b"authorization")
    parts = (value or b"").split(None, 1)
    if not parts or parts[0].lower() != b"bearer":
        return None
    return parts[1] if len(parts) == 2 else b""


def invalid_token(code: str, message: str, details: str | None = None) -> ApiError:
    """The 401 of a bad token, with its challenge (RFC 6750, section 3)."""
    quoted = message.replace("\\", "\\\\").replace('"', '\\"')
    challenge = f'Bearer error="invalid_token", error_description="{quoted}"'
    return ApiError(401, code, message, details, headers=((b"WWW-Authenticate", challenge.encode()),))


def empty_token() -> ApiError:
    """The 401 of a bearer token without text."""
    return invalid_token("PGRST301", "Empty JWT is sent in Authorization header")


def _broken() -> ApiError:
    return invalid_token("PGRST301", "JWT cryptographic operation failed")


def read_token(token: bytes, keys: tuple[Key, ...]) -> dict[str, Any]:
    """The claims of a token that one of ``keys`` has signed. They are shared and not to be changed.

    Raises ApiError PGRST301 for a token that is broken or signed by nobody known, PGRST303 for claims
    that are no JSON object.
    """
    if not token:
        raise empty_token()
    parts = token.split(b".")
    if len(parts) != 3:
        raise invalid_token("PGRST301", f"Expected 3 parts in JWT; got {len(parts)}")
    header, payload, signature = map(decode_base64url, parts)
    if header is None or payload is None or signature is None:
        raise _broken()
    algorithm, key_id = _read_header(header)
    fitting = [key for key in keys if key.fits(algorithm) and key_id in (None, key.id)]
    if not fitting:
        raise _no_key("No suitable key was found to decode the JWT")
    message = parts[0] + b"." + parts[1]
    if not any(key.verify(algorithm, message, signature) for key in fitting):
        raise _no_key("None of the keys was able to decode the JWT")
    claims = read_object(payload)
    if claims is None:
        raise invalid_token("PGRST303", "Parsing claims failed")
    return claims


def _no_key(details: str) -> ApiError:
    return invalid_token("PGRST301", "No suitable key or wrong key type", details)


def decode_base64url(part: bytes) -> bytes | None:
    """``part`` decoded (RFC 4648, section 5, without padding); None if it is not of that form."""
    if not _BASE64URL.issuperset(part):
        return None
    try:
        return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except binascii.Error:
        return None


def _read_header(raw: bytes) -> tuple[str, str | None]:
    header = read_object(raw)
    algorithm = header.get("alg") if header is not None else None
    if algorithm == "none":
        details = "JWT is unsecured but expected 'alg' was not 'none'"
        raise invalid_token("PGRST301", "Wrong or unsupported encoding algorithm", details)
    if header is None or algorithm not in _ALGORITHMS:
        raise _broken()
    key_id = header.get("kid")
    return algorithm, key_id if isinstance(key_id, str) else None


def _keep_first(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(reversed(pairs))


def _read_number(text: str) -> int | float:
    """A number as PostgREST shows it again: whole ones without an exponent, however they were written."""
    mantissa, _, exponent = text.lower().partition("e")
    whole, _, fraction = mantissa.partition(".")
    shift = int(exponent or "0") - len(fraction)
    return int(whole + fraction) * 10**shift if 0 <= shift <= _LARGEST_EXPONENT else float(text)


def read_object(raw: bytes) -> dict[str, Any] | None:
    """The JSON object in ``raw``, of equal keys the first; None if it is none."""
    try:
        value = json.loads(raw.decode(), parse_float=_read_number, object_pairs_hook=_keep_first)
        if b"\\u" in raw:
            # Half of a surrogate pair is no character; encoding it fails.
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None

"""Check a token as PostgREST 12 did: by the rules of the Haskell library ``jose``, and in its words.

Source: PostgREST 12.2.12 (``Auth.hs``), reference 10.3, RFC 7515 and RFC 7519.
"""

import base64
import json
from functools import lru_cache
from typing import Any

from proxy.engine.auth.keys import Key
from proxy.engine.auth.token import decode_base64url, invalid_token, read_object
from proxy.engine.parse.failure import show_string
from proxy.errors import ApiError

_ALGORITHMS = (
    *("HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "ES256K"),
    *("PS256", "PS384", "PS512", "none", "EdDSA"),
)
_SKEW_SECONDS = 30
_TYPES = {bool: "Boolean", int: "Number", float: "Number", str: "String", list: "Array", dict: "Object"}
# In the order in which the library reads them; the first that is wrong is the one it names.
_REGISTERED = {
    "iss": ("StringOrURI", "String"),
    "sub": ("StringOrURI", "String"),
    "aud": ("StringOrURI", "String"),
    "exp": ("NumericDate", "Number"),
    "nbf": ("NumericDate", "Number"),
    "iat": ("NumericDate", "Number"),
    "jti": ("Text", "String"),
}
_LITERALS = ("n", "t", "f")
_NOT_QUOTED = b'\t\r "/\\'
_SHOWN = 100


def read_claims(token: bytes, keys: tuple[Key, ...], audience: str | None, now: float) -> dict[str, Any]:
    """The claims of a token that one of ``keys`` has signed, for ``audience`` if that is not None.

    They are shared and not to be changed. Raises ApiError PGRST301.
    """
    claims = _read_signed(token, keys)
    if "exp" in claims and now >= claims["exp"] + _SKEW_SECONDS:
        raise _refuse("JWT expired")
    if "iat" in claims and claims["iat"] > now + _SKEW_SECONDS:
        raise _refuse("JWTIssuedAtFuture")
    if "nbf" in claims and now < claims["nbf"] - _SKEW_SECONDS:
        raise _refuse("JWTNotYetValid")
    if "aud" in claims:
        audiences = [claims["aud"]] if isinstance(claims["aud"], str) else claims["aud"]
        # An empty list names nobody, not even where any audience will do.
        if not audiences or (audience is not None and audience not in audiences):
            raise _refuse("JWTNotInAudience")
    return claims


def _refuse(message: str) -> ApiError:
    return invalid_token("PGRST301", message)


def _broken(why: str) -> ApiError:
    return _refuse(f"JWSError (JSONDecodeError {show_string(why)})")


@lru_cache(maxsize=1000)
def _read_signed(token: bytes, keys: tuple[Key, ...]) -> dict[str, Any]:
    parts = token.split(b".")
    if len(parts) != 3:
        number = f"Invalid number of parts: Expected 3 parts; got {len(parts)}"
        raise _refuse(f"JWSError (CompactDecodeError {number})")
    protected, payload, signature = map(_decode, parts)
    if payload is None or protected is None:
        raise _broken("Not valid base64url")
    algorithm = _read_algorithm(protected)
    if signature is None:
        raise _broken("Not valid base64url")
    # The library reads what was signed before it looks who has signed it.
    claims = _read_payload(payload)
    if algorithm == "none":
        raise _refuse("JWSError JWSNoSignatures")
    if not keys:
        raise _refuse("JWSError NoUsableKeys")
    message = parts[0] + b"." + parts[1]
    if not any(key.fits(algorithm) and key.verify(algorithm, message, signature) for key in keys):
        raise _refuse("JWSError JWSInvalidSignature")
    return claims


def _decode(part: bytes) -> bytes | None:
    decoded = decode_base64url(part)
    # Bits that are left over at the end have to be zero.
    exact = decoded is not None and base64.urlsafe_b64encode(decoded).rstrip(b"=") == part
    return decoded if exact else None


def _read_algorithm(protected: bytes) -> str:
    header = read_object(protected)
    if header is None:
        raise _broken("protected header contains invalid JSON")
    if "alg" not in header:
        raise _broken('missing required header "alg"')
    algorithm = header["alg"]
    if algorithm not in _ALGORITHMS:
        known = json.dumps(_ALGORITHMS, separators=(",", ":"))
        raise _broken(f"unrecognised value; expected: {known}")
    if "crit" in header:
        raise _broken("crit key is not understood")
    return str(algorithm)


def _read_payload(payload: bytes) -> dict[str, Any]:
    claims = read_object(payload)
    if claims is None:
        raise _bad_claims("$", _describe(payload))
    for name, (kind, wanted) in _REGISTERED.items():
        value = claims.get(name)
        if name == "aud" and isinstance(value, list) and all(isinstance(item, str) for item in value):
            continue
        if value is not None and _TYPES[type(value)] != wanted:
            found = f"expected {wanted}, but encountered {_TYPES[type(value)]}"
            raise _bad_claims(f"$.{name}", f"parsing {kind} failed, {found}")
    # A registered claim that is null was never there; the others stay as they are.
    return {name: value for name, value in claims.items() if name not in _REGISTERED or value is not None}


def _bad_claims(path: str, why: str) -> ApiError:
    return _refuse(f"JWTClaimsSetDecodeError {show_string(f'Error in {path}: {why}')}")


def _describe(payload: bytes) -> str:
    """Why ``payload`` is no object, as the JSON parser puts it that the library builds upon."""
    try:
        text = payload.decode().lstrip()
    except UnicodeDecodeError as error:
        rest = payload[error.end :].partition(b'"')[2]
        failure = "Cannot decode input: Data.Text.Internal.Encoding.decodeUtf8: Invalid UTF-8 stream"
        return f"Failed reading: {failure}. Expecting object value{_quote(rest)}"
    try:
        value, end = json.JSONDecoder().raw_decode(text)
    except json.JSONDecodeError as error:
        if error.pos == len(text):
            return "not enough input"
        failure = "string" if text.startswith(_LITERALS) else "Failed reading: not a valid json value"
        return failure + _quote(text.encode())
    except (ValueError, RecursionError):
        return "Failed reading: not a valid json value"
    if text[end:].strip():
        return f"endOfInput{_quote(text[end:].lstrip().encode())}"
    found = "Null" if value is None else _TYPES[type(value)]
    return f"parsing JWT Claims Set failed, expected Object, but encountered {found}"


def _quote(rest: bytes) -> str:
    shown = bytes(byte for byte in rest[:_SHOWN] if byte not in _NOT_QUOTED).partition(b"\n")[0]
    return f" at '{shown.decode('utf-8', 'replace')}'" if shown else ""

"""Check what a token claims, and find whose role it gives. Source: PostgREST 14, reference 10.4 and 10.5."""

import json
from typing import Any, NamedTuple

from proxy.config import EngineConfig
from proxy.engine.auth import jose
from proxy.engine.auth.cache import TOKENS
from proxy.engine.auth.keys import read_keys
from proxy.engine.auth.role import find_role
from proxy.engine.auth.token import empty_token, find_token, invalid_token
from proxy.engine.dialect import Dialect, find_dialect
from proxy.errors import ApiError, Json
from proxy.messages import Request

_SKEW_SECONDS = 30
_LARGEST = 2**63 - 1


class Identity(NamedTuple):
    """The role a request runs as, and the claims it may look at."""

    role: str
    claims: dict[str, Json]


def identify(request: Request, options: EngineConfig, now: float) -> Identity:
    """Who sent ``request``; ``now`` is in seconds since 1970.

    Raises ApiError PGRST300 to PGRST303.
    """
    dialect = find_dialect(options.compat)
    token = find_token(request)
    if token == b"" and dialect.empty_token == "anonymous":
        token = None
    claims = {} if token is None else _read_claims(token, options, dialect, now)
    found = find_role(claims, options.jwt_role_claim_key)
    role = options.db_anon_role if found is None else _as_text(found.value)
    if role is None:
        challenge = ((b"WWW-Authenticate", b"Bearer"),)
        raise ApiError(401, "PGRST302", "Anonymous access is disabled", headers=challenge)
    return Identity(role, {**claims, "role": role})


def _read_claims(token: bytes, options: EngineConfig, dialect: Dialect, now: float) -> dict[str, Any]:
    if not token and dialect.empty_token == "refused":
        raise empty_token()
    if options.jwt_secret is None:
        raise ApiError(500, "PGRST300", "Server lacks JWT secret")
    keys = read_keys(options.jwt_secret, options.jwt_secret_is_base64, by_kind=dialect.jose)
    if dialect.jose:
        return jose.read_claims(token, keys, options.jwt_aud, now)
    claims = TOKENS.read(token, keys, options.jwt_cache_max_entries)
    _check_times(claims, int(now), null_times=dialect.null_times)
    _check_audience(claims, options.jwt_aud)
    return claims


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _check_times(claims: dict[str, Any], now: int, *, null_times: bool) -> None:
    expires = _read_time(claims, "exp", null_times)
    if expires is not None and expires < now - _SKEW_SECONDS:
        raise invalid_token("PGRST303", "JWT expired")
    for name, message in (("nbf", "JWT not yet valid"), ("iat", "JWT issued at future")):
        starts = _read_time(claims, name, null_times)
        if starts is not None and starts > now + _SKEW_SECONDS:
            raise invalid_token("PGRST303", message)


def _read_time(claims: dict[str, Any], name: str, null_times: bool) -> int | None:
    value = claims.get(name)
    if value is None and (null_times or name not in claims):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise invalid_token("PGRST303", f"The JWT '{name}' claim must be a number")
    # A fraction, or a number beyond 64 bits, counts as zero (reference 10.4).
    if isinstance(value, float) and not value.is_integer():
        return 0
    return int(value) if -_LARGEST - 1 <= value <= _LARGEST else 0


def _check_audience(claims: dict[str, Any], wanted: str | None) -> None:
    value = claims.get("aud")
    if value is None:
        return
    audiences = [value] if isinstance(value, str) else value
    if not isinstance(audiences, list) or not all(isinstance(audience, str) for audience in audiences):
        raise invalid_token("PGRST303", "The JWT 'aud' claim must be a string or an array of strings")
    if wanted is not None and audiences and wanted not in audiences:
        raise invalid_token("PGRST303", "JWT not in audience")

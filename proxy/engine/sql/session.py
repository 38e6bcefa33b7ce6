"""What is set for the transaction of a request. Source: PostgREST 14, reference 10.6."""

import json
from dataclasses import dataclass
from typing import TypeAlias

from proxy.config import EngineConfig
from proxy.engine.sql.elements import quote
from proxy.errors import Json
from proxy.messages import Headers, Request

Settings: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Session:
    """The settings of one transaction, in order, and whether the database must hold it read only."""

    settings: Settings
    search_path: str
    role: str
    read_only: bool
    pre_request: str | None = None


def make_session(
    request: Request,
    options: EngineConfig,
    schema: str,
    role: str,
    claims: dict[str, Json],
    timezone: str | None,
) -> Session:
    """The session of a read as ``role`` with the JWT's ``claims``, in ``schema``."""
    path = ", ".join(quote(part) for part in (schema, *options.db_extra_search_path))
    settings = [
        ("search_path", path),
        ("role", role),
        ("request.jwt.claims", _encode({**claims, "role": role})),
        ("request.method", request.method),
        ("request.path", request.path.decode("utf-8", "replace")),
        ("request.headers", _encode(_headers(request.headers))),
        ("request.cookies", _encode(_cookies(request.headers))),
    ]
    if timezone is not None:
        settings.append(("timezone", timezone))
    settings += options.app_settings
    return Session(tuple(settings), path, role, True, options.db_pre_request)


def _encode(value: dict[str, Json]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _headers(headers: Headers) -> dict[str, Json]:
    return {
        key.decode("latin-1").lower(): value.decode("utf-8", "replace")
        for key, value in headers
        if key.lower() != b"cookie"
    }


def _cookies(headers: Headers) -> dict[str, Json]:
    cookies: dict[str, Json] = {}
    for key, value in headers:
        if key.lower() == b"cookie":
            for part in value.decode("utf-8", "replace").split(";"):
                crumb, _, text = part.strip().partition("=")
                if crumb:
                    cookies[crumb] = text
    return cookies

"""What is set for the transaction of a request. Source: PostgREST 14, reference 10.6 and 10.7."""

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from proxy.config import EngineConfig
from proxy.engine.auth.claims import Identity
from proxy.engine.dialect import find_dialect
from proxy.engine.schema import Function, Schema
from proxy.engine.sql.elements import quote
from proxy.errors import Json
from proxy.messages import Headers, Request

_ISOLATION = "default_transaction_isolation"
_LEVELS = ("repeatable read", "serializable")

Settings: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A transaction that is undone whatever comes of it; how long, in seconds, it may wait and work."""

    lock_timeout: float
    statement_timeout: float


@dataclass(frozen=True, slots=True)
class Session:
    """The settings of one transaction, in order, and whether the database must hold it read only.

    ``rollback``: its work is undone at the end. ``authenticated``: the role is not the anonymous one.
    ``pre_request`` is a function's name, quoted. ``standing`` are those of the settings that matter where
    nobody can see the others; None where somebody might. ``own``: the role has settings of its own.
    """

    settings: Settings
    search_path: str
    authenticated: bool
    read_only: bool
    rollback: bool = False
    isolation: str = "READ COMMITTED"
    pre_request: str | None = None
    role: str = ""
    standing: Settings | None = None
    own: bool = False


def make_session(
    request: Request,
    identity: Identity,
    options: EngineConfig,
    schema: Schema,
    *,
    namespace: str,
    read_only: bool,
    rollback: bool = False,
    timezone: str | None = None,
    function: Function | None = None,
    rehearsal: Rehearsal | None = None,
    quiet: bool = False,
) -> Session:
    """The session of a request of ``identity`` in the schema ``namespace``, calling ``function`` or none.

    ``quiet``: nothing runs for it but what is built in.
    """
    dialect = find_dialect(options.compat)
    extra = options.db_extra_search_path or (("",) if dialect.searches_empty_name else ())
    path = ", ".join(quote(part) for part in (namespace, *extra))
    of_role = schema.role_settings.get(identity.role, ())
    standing = (
        ("search_path", path),
        *((key, value) for key, value in of_role if key != _ISOLATION),
        ("role", identity.role),
    )
    settings = [
        *standing,
        ("request.jwt.claims", _encode(identity.claims)),
        ("request.method", request.method),
        ("request.path", request.path.decode("utf-8", "replace")),
        *_describe_headers(request.headers),
    ]
    if timezone is not None:
        settings.append(("timezone", timezone))
    if function is not None:
        settings += function.settings
    settings += options.app_settings
    if rehearsal is not None:
        settings.append(("lock_timeout", f"{max(1, round(1000 * rehearsal.lock_timeout))}ms"))
        settings.append(("statement_timeout", f"{max(1, round(1000 * rehearsal.statement_timeout))}ms"))
    isolation = function.isolation if function is not None else None
    isolation = isolation or dict(of_role).get(_ISOLATION, "")
    level = isolation.upper() if isolation.lower() in _LEVELS else "READ COMMITTED"
    quiet = quiet and timezone is None and not rollback and level == "READ COMMITTED"
    return Session(
        settings=tuple(settings),
        search_path=path,
        authenticated=identity.role != options.db_anon_role,
        read_only=read_only,
        rollback=rollback or rehearsal is not None,
        isolation=level,
        pre_request=None if options.db_pre_request is None else _quote_function(options.db_pre_request),
        role=identity.role,
        standing=standing if quiet and options.db_pre_request is None else None,
        own=len(standing) > 2,
    )


def _quote_function(text: str) -> str:
    namespace, dot, function = text.partition(".")
    return quote(namespace, function) if dot else quote(text)


_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


@lru_cache(maxsize=256)
def _describe_headers(headers: Headers) -> Settings:
    """A client sends the same headers again and again."""
    return ("request.headers", _encode(_headers(headers))), ("request.cookies", _encode(_cookies(headers)))


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

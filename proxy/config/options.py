"""PostgREST's options: the ``engine:`` part of the table of keys, and the kinds of value they take.

Source: reference 12.2 (names, aliases, defaults) and 12.1 (conversion); 10.2 and 10.5 (keys and roles).
"""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from proxy.config.kinds import (
    Key,
    Kind,
    choice,
    integer,
    read_integer,
)

_ANY_SCALAR = {"type": ["string", "number", "boolean"]}
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*")
_ROLE_CLAIM_KEY = re.compile(
    r"""(?:\.(?:[\w$@]+|"[^"]*")|\[[0-9]+\])*(?:\[\?\(@\s*(?:==|!=|\^==|==\^|\*==)\s*"[^"]*"\)\])?"""
)


def _read_boolean(text: str) -> bool:
    """Letters only, ignoring case; other texts as a whole number above 0 (reference 12.1)."""
    letters = "".join(filter(str.isalpha, text)).lower()
    if letters in ("true", "false"):
        return letters == "true"
    return read_integer(text) > 0


def _read_list(text: str) -> tuple[str, ...]:
    """Texts between commas, trimmed; empty ones are left out."""
    return tuple(item for item in map(str.strip, text.split(",")) if item)


def _read_mode(text: str) -> int:
    """The mode of a unix socket: octal, from 600 to 777."""
    if re.fullmatch(r"0?[0-7]{3}", text) is None or not 0o600 <= int(text, 8) <= 0o777:
        raise ValueError
    return int(text, 8)


def _read_audience(text: str) -> str:
    """Any text, but a URI if it holds a colon (RFC 7519, section 2: StringOrURI)."""
    if ":" in text and _URI.fullmatch(text) is None:
        raise ValueError
    return text


def _read_proxy_uri(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"\s", text):
        raise ValueError
    if parts.port == 0:
        raise ValueError
    return text


def _read_role_claim_key(text: str) -> str:
    if _ROLE_CLAIM_KEY.fullmatch(text) is None:
        raise ValueError
    return text


def _show_boolean(value: bool) -> str:
    return "true" if value else "false"


def _show_seconds(value: float) -> str:
    return str(int(value))


def _seconds(minimum: int = 0) -> Kind:
    kind = integer(minimum, 2**31 - 1, unit="seconds", lenient=True)

    def read(text: str) -> float:
        return float(kind.read(text))

    return Kind(kind.allowed, read, kind.schema, _show_seconds, lenient=True)


def _text(allowed: str, read: Callable[[str], Any] = str, *, secret: bool = False) -> Kind:
    return Kind(allowed, read, _ANY_SCALAR, secret=secret)


_BOOLEAN = Kind(
    "true or false",
    _read_boolean,
    {
        "anyOf": [
            {"type": ["boolean", "integer"]},
            {"type": "string", "pattern": r"^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|\s*-?[0-9]+\s*)$"},
        ]
    },
    _show_boolean,
    lenient=True,
)
NAMES = Kind(
    "names, separated by commas",
    _read_list,
    {"anyOf": [_ANY_SCALAR, {"type": "array", "items": {"type": "string", "pattern": "^[^,]+$"}}]},
    ", ".join,
)
_PORT = integer(0, 65535, lenient=True)
_ROLE = _text("the name of a role")
_FUNCTION = _text("the name of a function, with or without its schema")

COMPAT = Key(
    "compat",
    choice("12", "13", "14"),
    "Not PostgREST's own: the release whose dialect the engine speaks, where releases differ.",
)

REPLICA = (
    Key(
        "db-replica-uri",
        _text("a postgresql:// URI, or @file for a file that holds it", secret=True),
        "Not PostgREST's own: a standby of the database. The engine's reads for clients go there while it is "
        "known to have everything that was committed `db-replica-max-lag` ago, and to `db-uri` otherwise, or "
        "where anything goes wrong there. Writes, calls of volatile functions, and what is mirrored, "
        "verified or rehearsed never do.",
        restart=True,
    ),
    Key(
        "db-replica-max-lag",
        _seconds(1),
        "Not PostgREST's own: how far the replica may be behind.",
        restart=True,
    ),
)

OPTIONS: tuple[Key, ...] = (
    Key(
        "db-uri",
        _text("a postgresql:// URI, or @file for a file that holds it", secret=True),
        "The database, as the authenticator role. `@file` is read from that file.",
        restart=True,
    ),
    *REPLICA,
    Key(
        "db-schemas",
        NAMES,
        "The exposed schemas; the first is the default.",
        alias="db-schema",
        restart=True,
    ),
    Key("db-anon-role", _ROLE, "The role of requests without a token."),
    Key(
        "db-extra-search-path",
        NAMES,
        "Schemas appended to the search path.",
        restart=True,
        allow_empty=True,
    ),
    Key("db-max-rows", integer(0, 2**31 - 1, lenient=True), "The most rows of one answer.", alias="max-rows"),
    Key("db-aggregates-enabled", _BOOLEAN, "Aggregate functions in `select`."),
    Key("db-plan-enabled", _BOOLEAN, "Execution plans as answers."),
    Key("db-pre-request", _FUNCTION, "A function that is called before each request.", alias="pre-request"),
    Key("db-pre-config", _FUNCTION, "A function that is called before settings are read.", restart=True),
    Key("db-config", _BOOLEAN, "Settings kept in the database.", restart=True),
    Key("db-root-spec", _FUNCTION, "A function that answers `/`.", alias="root-spec"),
    Key(
        "db-tx-end",
        choice("commit", "commit-allow-override", "rollback", "rollback-allow-override"),
        "How transactions end, and whether `Prefer: tx=` may change that.",
    ),
    Key("db-hoisted-tx-settings", NAMES, "Settings of functions that are applied to the transaction."),
    Key("db-prepared-statements", _BOOLEAN, "Whether statements are prepared.", restart=True),
    Key("db-channel", _text("the name of a channel"), "The NOTIFY channel for reloads.", restart=True),
    Key("db-channel-enabled", _BOOLEAN, "Whether the engine listens on the channel.", restart=True),
    Key("db-pool", integer(1, 100_000, lenient=True), "The most connections to the database.", restart=True),
    Key(
        "db-pool-acquisition-timeout",
        _seconds(),
        "How long a request may wait for a connection; then 504.",
        restart=True,
    ),
    Key(
        "db-pool-max-idletime",
        _seconds(),
        "When an unused connection is closed.",
        alias="db-pool-timeout",
        restart=True,
        alias_wins=True,
    ),
    Key("db-pool-max-lifetime", _seconds(), "When a connection is replaced.", restart=True),
    Key(
        "db-pool-automatic-recovery", _BOOLEAN, "Whether a lost database is connected to again.", restart=True
    ),
    Key(
        "jwt-secret",
        _text(
            "a secret of 32 bytes or more, a JWK, a JWK set, or @file for a file that holds one", secret=True
        ),
        "The key of tokens: a secret, a JWK or a JWK set. `@file` is read from that file at every reload.",
    ),
    Key(
        "jwt-secret-is-base64", _BOOLEAN, "Whether the secret is written in base64.", alias="secret-is-base64"
    ),
    Key(
        "jwt-aud",
        _text("a text, or a URI if it holds a colon", _read_audience),
        "The audience tokens must have.",
    ),
    Key(
        "jwt-role-claim-key",
        _text('a path such as .role, .app."the role" or .roles[0]', _read_role_claim_key),
        "Where in a token the role stands.",
        alias="role-claim-key",
    ),
    Key("jwt-cache-max-entries", integer(0, 2**31 - 1, lenient=True), "Verified tokens that are kept."),
    Key("log-level", choice("crit", "error", "warn", "info", "debug"), "What is logged.", restart=True),
    Key("log-query", _BOOLEAN, "Whether the statements of logged requests are logged too.", alone=True),
    Key(
        "openapi-mode",
        choice("follow-privileges", "ignore-privileges", "disabled"),
        "What the description at `/` shows.",
    ),
    Key("openapi-security-active", _BOOLEAN, "Whether the description declares tokens."),
    Key(
        "openapi-server-proxy-uri",
        _text("an http or https URI such as https://example.com:8443/path", _read_proxy_uri),
        "The address that the description names.",
    ),
    Key("server-cors-allowed-origins", NAMES, "Origins that browsers may come from; without it, all."),
    Key("server-timing-enabled", _BOOLEAN, "Whether answers have a `Server-Timing` header."),
    Key("server-trace-header", _text("the name of a header"), "A header of the request that answers repeat."),
    Key(
        "server-host", _text("an address, *, *4, !4, *6 or !6"), "Where to listen.", restart=True, alone=True
    ),
    Key("server-port", _PORT, "The port to listen on; 0 is any free one.", restart=True, alone=True),
    Key("server-unix-socket", _text("a path"), "A socket to listen on instead.", restart=True, alone=True),
    Key(
        "server-unix-socket-mode",
        Kind("an octal mode from 600 to 777", _read_mode, _ANY_SCALAR, "{:o}".format),
        "The mode of that socket.",
        restart=True,
        alone=True,
    ),
    Key(
        "admin-server-host",
        _text("an address, *, *4, !4, *6 or !6"),
        "Where the admin server listens; without it, on `server-host`.",
        restart=True,
        alone=True,
    ),
    Key(
        "admin-server-port",
        _PORT,
        "The port of the admin server; without it, none.",
        restart=True,
        alone=True,
    ),
    COMPAT,
)

PROXY_OPTIONS = tuple(key for key in OPTIONS if not key.alone)

APP_SETTINGS = "app.settings."

"""Connection strings as libpq reads them: a URI or ``key=value`` pairs, completed by ``PG*`` variables.

Source: PostgreSQL's manual, 34.1.1 (connection strings), 34.1.2 (keywords) and 34.15 (variables). asyncpg
itself reads most variables, the password file and the service file; what it does not know is done here.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlencode

_SCHEME = re.compile(r"postgres(?:ql)?://")
_URI = re.compile(
    r"(?:(?P<user>[^:@/]*)(?::(?P<password>[^@/]*))?@)?"
    r"(?P<hosts>[^/?]*)(?:/(?P<dbname>[^?]*))?(?:\?(?P<parameters>.*))?",
    re.DOTALL,
)
_HOST = re.compile(r"(?:\[(?P<address>[^\]]*)\]|(?P<name>[^:]*))(?::(?P<port>[^:]*))?")
_PAIR = re.compile(
    r"\s*(?P<key>[^\s=]+)\s*=\s*(?:'(?P<quoted>(?:[^'\\]|\\.)*)'|(?P<bare>(?!')(?:[^\s\\]|\\.)*))", re.DOTALL
)

_FOR_ASYNCPG = ("user", "password", "passfile", "service", "target_session_attrs", "krbsrvname", "gsslib")
_FOR_TLS = (
    *("sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword", "sslnegotiation"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version"),
)
_FOR_SERVER = ("application_name", "options")
_WITHOUT_EFFECT = (
    *("channel_binding", "client_encoding", "gssdelegation", "gssencmode", "keepalives", "keepalives_count"),
    *("keepalives_idle", "keepalives_interval", "load_balance_hosts", "max_protocol_version"),
    *("min_protocol_version", "replication", "require_auth", "requirepeer", "requiressl", "sslcertmode"),
    *("sslcompression", "sslcrldir", "sslsni", "tcp_user_timeout"),
)
"""What tunes libpq, and has no counterpart in asyncpg."""

_KEYWORDS = frozenset(
    {
        *("host", "hostaddr", "port", "dbname", "connect_timeout", "fallback_application_name"),
        *(*_FOR_ASYNCPG, *_FOR_TLS, *_FOR_SERVER, *_WITHOUT_EFFECT),
    }
)
_NAME = re.compile(r"[a-z_]{1,40}")
_SERVER_VARIABLES = {"PGOPTIONS": "options", "PGTZ": "TimeZone", "PGDATESTYLE": "DateStyle", "PGGEQO": "geqo"}


class BadConnectionString(OSError):
    """A connection string that is none. The text names a keyword at most, never a value."""


def parse_conninfo(text: str) -> dict[str, str]:
    """The keywords of libpq that ``text`` sets. Raises BadConnectionString."""
    scheme = _SCHEME.match(text)
    found = dict(_parse_uri(text[scheme.end() :]) if scheme else _parse_pairs(text))
    for key in found:
        if key not in _KEYWORDS:
            # What is no name may be a URI whose scheme was mistyped, with its password.
            named = f' "{key}"' if _NAME.fullmatch(key) else ""
            raise BadConnectionString(f"invalid connection option{named}")
    return {key: value for key, value in found.items() if value}


def _parse_uri(text: str) -> Iterator[tuple[str, str]]:
    match = _URI.fullmatch(text)
    assert match is not None
    for key in ("user", "password", "dbname"):
        yield key, _decode(match[key] or "")
    hosts = [_HOST.fullmatch(part) for part in match["hosts"].split(",")]
    if None in hosts:
        raise BadConnectionString("invalid host in the connection URI")
    found = [host for host in hosts if host is not None]
    yield "host", ",".join(_decode(host["address"] or host["name"] or "") for host in found)
    ports = [host["port"] or "" for host in found]
    yield "port", ",".join(ports) if any(ports) else ""
    for part in filter(None, (match["parameters"] or "").split("&")):
        key, equals, value = part.partition("=")
        if not equals or "=" in value:
            raise BadConnectionString("invalid parameter in the connection URI")
        key, value = _decode(key), _decode(value)
        # A spelling of JDBC's that libpq accepts.
        yield ("sslmode", "require") if (key, value) == ("ssl", "true") else (key, value)


def _parse_pairs(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    text = text.rstrip()
    while at < len(text):
        match = _PAIR.match(text, at)
        if match is None:
            raise BadConnectionString('missing "=" or an unterminated quote in the connection string')
        value = match["quoted"] if match["quoted"] is not None else match["bare"]
        yield match["key"], re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)
        at = match.end()


def _decode(text: str) -> str:
    if re.search(r"%(?![0-9A-Fa-f]{2})|%00", text):
        raise BadConnectionString("invalid percent-encoding in the connection URI")
    return unquote(text, errors="surrogateescape")


def make_arguments(text: str, environ: Mapping[str, str], *, fallback_name: str) -> dict[str, Any]:
    """What ``asyncpg.connect`` is to be called with for the connection string ``text``.

    ``fallback_name`` is the application's name where neither ``text`` nor ``PGAPPNAME`` gives one. Raises
    BadConnectionString.
    """
    given = parse_conninfo(text)
    arguments: dict[str, Any] = {key: given[key] for key in _FOR_ASYNCPG if key in given}
    if "dbname" in given:
        arguments["database"] = given["dbname"]
    # asyncpg takes what concerns TLS from a URI only.
    tls = {key: given[key] for key in _FOR_TLS if key in given}
    if tls:
        arguments["dsn"] = "postgresql://?" + urlencode(tls)
    host = given.get("hostaddr") or given.get("host") or environ.get("PGHOSTADDR")
    if host:
        arguments["host"] = host.split(",")
    port = given.get("port")
    if port:
        arguments["port"] = _read_ports(port)
    timeout = given.get("connect_timeout") or environ.get("PGCONNECT_TIMEOUT")
    if timeout:
        arguments["timeout"] = _read_timeout(timeout)
    settings = {name: environ[key] for key, name in _SERVER_VARIABLES.items() if environ.get(key)}
    settings |= {key: given[key] for key in _FOR_SERVER if key in given}
    names = (environ.get("PGAPPNAME"), given.get("fallback_application_name"), fallback_name)
    settings.setdefault("application_name", next(name for name in names if name))
    arguments["server_settings"] = settings
    return arguments


def _read_ports(text: str) -> list[int]:
    try:
        ports = [int(part) if part.strip() else 5432 for part in text.split(",")]
    except ValueError:
        raise BadConnectionString('invalid integer value for connection option "port"') from None
    if not all(0 < port < 65536 for port in ports):
        raise BadConnectionString("invalid port number")
    return ports


def _read_timeout(text: str) -> float | None:
    """Seconds; None is for ever. As in libpq less than two are not possible."""
    try:
        seconds = int(text)
    except ValueError:
        raise BadConnectionString('invalid integer value for connection option "connect_timeout"') from None
    return float(max(2, seconds)) if seconds > 0 else None

"""Where calls go: to a database, or to a server that speaks PostgREST's HTTP; and by which options."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

from proxy.config import EngineConfig
from proxy.config.engine import read_standalone
from proxy.config.in_database import read_database
from proxy.database.conninfo import parse_conninfo

FLAG = "USE_SQLALCHEMY"

ReadOptions: TypeAlias = Callable[[Mapping[str, str]], EngineConfig]
"""Gives the options, given the settings that are kept in the database. Raises ConfigError."""


@dataclass(frozen=True, slots=True)
class Place:
    """``shown`` is the URL that errors name, without a password. No ``read_options``: calls go over HTTP."""

    shown: str
    read_options: ReadOptions | None


def find_place(
    url: str | None,
    environ: Mapping[str, str],
    *,
    schema: str | None = None,
    role: str | None = None,
    connections: int | None = None,
    use_sqlalchemy: bool | None = None,
) -> Place:
    """Where to go by ``url``, and by ``USE_SQLALCHEMY`` unless ``use_sqlalchemy`` decides that.

    A URL of HTTP leads to a server, a connection string to its database, and none at all to the database of
    the ``PG*`` and ``PGRST_*`` variables. So does a URL of HTTP where the flag is ``true``; errors go on
    naming it then. ``schema`` and ``PGSCHEMA`` may be several, with commas.

    Raises ValueError, ConfigError, and OSError for a connection string that is none.
    """
    over_http = url is not None and url.startswith(("http://", "https://"))
    flag = read_flag(environ) if use_sqlalchemy is None else use_sqlalchemy
    if flag is False and not over_http:
        raise ValueError(f"without SQLAlchemy ({FLAG}=false) the URL of a PostgREST is needed: http://...")
    if url is not None and over_http and not flag:
        return Place(url.rstrip("/"), None)
    schemas = tuple(filter(None, map(str.strip, (schema or environ.get("PGSCHEMA") or "").split(","))))

    def read_options(kept: Mapping[str, str]) -> EngineConfig:
        options = read_standalone({}, environ, _read_file, database=read_database(kept))
        return replace(
            options,
            db_uri=options.db_uri if url is None or over_http else url,
            db_schemas=schemas or options.db_schemas,
            db_anon_role=role or options.db_anon_role,
            db_pool=connections or options.db_pool,
        )

    shown = url if url is not None and over_http else _show(read_options({}).db_uri, environ)
    return Place(shown.rstrip("/"), read_options)


def read_flag(environ: Mapping[str, str]) -> bool | None:
    """``USE_SQLALCHEMY``; None where it is not set. Raises ValueError for other texts than true and false."""
    text = environ.get(FLAG, "").strip().lower()
    if text not in ("", "true", "false"):
        raise ValueError(f"{FLAG} is neither true nor false")
    return None if not text else text == "true"


def _read_file(path: str) -> bytes:
    return Path(path).read_bytes()


def _show(uri: str, environ: Mapping[str, str]) -> str:
    """The URL of a database, as far as anyone may see it."""
    given = parse_conninfo(uri)
    host = given.get("host") or environ.get("PGHOST") or ""
    port = given.get("port") or environ.get("PGPORT")
    name = given.get("dbname") or environ.get("PGDATABASE") or ""
    at = "" if host.startswith("/") else host + (f":{port}" if host and port else "")
    return f"postgresql://{at}/{quote(name, safe='')}"

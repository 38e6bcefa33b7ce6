"""The database, the upstream and the proxy, each in a process of its own."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from proxy.embedded import load_sql
from tests.e2e.programs import Program, find_postgrest, postgrest, serving
from tests.support.database import run_apart, throwaway_database

SCHEMA = Path(__file__).with_name("schema.sql")
LOGIN = "verdicts_authenticator"


@contextmanager
def shop_database() -> Iterator[str]:
    """A database with the shop; the superuser's connection string."""
    with throwaway_database() as url:
        run_apart(load_sql(url, [SCHEMA]))
        yield url


def login_url(url: str) -> str:
    """How a server logs in."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{LOGIN}@{parts.netloc.rpartition('@')[2]}"))


def engine_settings(url: str) -> Mapping[str, str]:
    """The options of both sides, as PostgREST's variables."""
    return {
        "PGRST_DB_URI": login_url(url),
        "PGRST_DB_SCHEMAS": "shop",
        "PGRST_DB_ANON_ROLE": "verdicts_anon",
        "PGRST_DB_MAX_ROWS": "5000",
        "PGRST_DB_AGGREGATES_ENABLED": "true",
    }


@contextmanager
def upstream_on(url: str, directory: Path) -> Iterator[Program]:
    """PostgREST where there is one; else a second process of our own engine, which is no independent side."""
    with postgrest(find_postgrest(), directory, engine_settings(url)) as running:
        yield running


@contextmanager
def proxy_before(
    upstream: Program, url: str, directory: Path, *, shadow: str = "{}", compare: str = "{}"
) -> Iterator[Program]:
    """The proxy with every read mirrored; ``shadow`` and ``compare`` are those sections of its file."""
    file = directory / "understudy.yaml"
    file.write_text(
        f"listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nupstream: {{url: {upstream.url}}}\n"
        f"shadow: {shadow}\ncompare: {compare}\n",
        encoding="utf-8",
    )
    with serving(file, directory, engine_settings(url)) as running:
        yield running

"""A small database on a server of this folder's own, which its tests may kill and start again."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from proxy.embedded import EmbeddedPostgres
from tests.standalone.support import PATIENCE, SECRET
from tests.support.database import run_apart

SCHEMA = """
    create role anon;
    create role author;
    create role login noinherit login;
    grant anon, author to login;
    create schema api;
    create schema other;
    grant usage on schema api, other to anon, author;
    create table api.items (id integer primary key, name text);
    insert into api.items values (1, 'one'), (2, 'two'), (3, 'three');
    create table other.things (id integer primary key);
    alter default privileges in schema api, other grant select on tables to anon, author;
    grant select on all tables in schema api, other to anon, author;
    create table api.jobs (id integer);
    create function api.do_job(id integer) returns void language sql security definer
      as $$ select pg_advisory_xact_lock(7); insert into api.jobs values (id) $$;
    create function api.timeout() returns text stable language sql
      as $$ select current_setting('statement_timeout') $$;
"""


@dataclass(frozen=True, slots=True)
class Place:
    """The database of a test, and the server it is on."""

    server: EmbeddedPostgres
    url: str

    def login_url(self, role: str = "login") -> str:
        """The connection string by which an engine logs in."""
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}"))

    def run(self, *statements: str) -> None:
        """Run ``statements`` as a superuser."""
        run_apart(_run(self.url, statements))

    def fetch(self, query: str) -> list[str]:
        """The first column of what ``query`` gives, as a superuser."""
        return run_apart(_fetch(self.url, query))

    def wait_until(self, query: str) -> None:
        """Wait until ``query`` gives a row. Raises AssertionError when time is up."""
        deadline = time.monotonic() + PATIENCE
        while not self.fetch(query):
            assert time.monotonic() < deadline, query

    @contextmanager
    def holding(self, number: int) -> Iterator[None]:
        """With the advisory lock of that number taken."""
        with asyncio.Runner() as runner:
            connection = runner.run(asyncpg.connect(self.url))
            runner.run(connection.execute(f"select pg_advisory_lock({number})"))
            try:
                yield
            finally:
                runner.run(connection.close())

    @property
    def settings(self) -> dict[str, str]:
        """What an engine needs to know, and nothing else."""
        return {
            "PGRST_DB_URI": self.login_url(),
            "PGRST_DB_SCHEMAS": "api",
            "PGRST_DB_ANON_ROLE": "anon",
            "PGRST_JWT_SECRET": SECRET,
        }


async def _run(url: str, statements: tuple[str, ...]) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def _fetch(url: str, query: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        return [row[0] for row in await connection.fetch(query)]
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def server() -> Iterator[Place]:
    """The server, with its database."""
    with EmbeddedPostgres() as server:
        place = Place(server, run_apart(server.create_database("standalone")))
        place.run(SCHEMA)
        yield place


@pytest.fixture
def place(server: Place) -> Iterator[Place]:
    """The database. What a test sets for the login role is gone afterwards."""
    server.server.start()
    yield server
    server.server.start()
    server.run(
        "alter role login reset all",
        "alter role login in database standalone reset all",
        "alter role anon reset all",
    )

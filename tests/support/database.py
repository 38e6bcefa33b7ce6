"""The conformance database, on a server of this test run's own or on the one TEST_DATABASE_URL names."""

import asyncio
import contextlib
import os
import uuid
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from proxy.embedded import EmbeddedPostgres, create_database, drop_database, load_sql
from tests.support.conformance import SQL_FILES

PASSWORD = "conformance"
"""The documented throw-away password of the login roles that schema.sql creates."""

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class ConformanceDatabase:
    """A database with the conformance schema and data. ``url`` connects as a superuser."""

    url: str

    def login_url(self, role: str = "dlm_authenticator") -> str:
        """The connection string by which a server logs in as ``role``."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{role}:{PASSWORD}@{host}"))


@contextlib.contextmanager
def throwaway_database() -> Iterator[str]:
    """An empty database, as the superuser's connection string; it is gone afterwards.

    Without TEST_DATABASE_URL it lives on an embedded server that starts and stops with it.
    """
    with contextlib.ExitStack() as stack:
        server = os.environ.get("TEST_DATABASE_URL")
        if not server:
            server = stack.enter_context(EmbeddedPostgres()).url
        name = f"understudy_{uuid.uuid4().hex}"
        url = run_apart(create_database(server, name))
        stack.callback(lambda: run_apart(drop_database(server, name)))
        yield url


@contextlib.contextmanager
def conformance_database() -> Iterator[ConformanceDatabase]:
    """A throw-away database with the conformance schema and data."""
    with throwaway_database() as url:
        run_apart(load_sql(url, SQL_FILES))
        yield ConformanceDatabase(url)


async def load_conformance(server: EmbeddedPostgres) -> ConformanceDatabase:
    """Load schema and data into ``server``, for a test that needs one of its own (to kill it, say)."""
    url = await server.create_database("observatory")
    await load_sql(url, SQL_FILES)
    return ConformanceDatabase(url)


async def fetch_value(url: str, query: str) -> object:
    """The one value that ``query`` gives, on a connection of its own."""
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def run_apart(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run ``work`` on an event loop of its own, in another thread: session fixtures have no loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()

"""A connection is cut while it commits: the client is told that nobody knows, and nothing is repeated."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
import requests

from proxy.config import Config, EngineConfig, Rule
from tests.e2e import programs
from tests.e2e.support import LOCALHOST, make_config, playing
from tests.server.support import scripted_upstream
from tests.support.database import fetch_value, run_apart, throwaway_database

COMMIT = b"\0COMMIT\0"
"""What is in the message that prepares a commit, behind the name it gets (PostgreSQL's protocol, Parse)."""


@dataclass
class Relay:
    """Between the engine and its database: cuts each connection at its commit, ``passing`` it on or not."""

    host: str
    port: int
    passing: bool
    commits: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(self.host, self.port)
        answers = asyncio.create_task(self._pass_on(server_reader, writer))
        try:
            commit = await self._pass_until_commit(reader, server_writer)
            answers.cancel()
            await asyncio.gather(answers, return_exceptions=True)
            if self.passing:
                server_writer.write(commit)
                await server_reader.read(65536)
        finally:
            for end in (writer, server_writer):
                end.transport.abort()
            await asyncio.gather(answers, return_exceptions=True)

    async def _pass_until_commit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writes = False
        while data := await reader.read(65536):
            if b"BEGIN ISOLATION" in data:
                writes = b"READ WRITE" in data
            if writes and COMMIT in data:
                self.commits += 1
                return data
            writer.write(data)
        return b""

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with throwaway_database() as url:
        run_apart(make_table(url))
        yield url


async def make_table(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("CREATE TABLE public.event (key text)")
    finally:
        await connection.close()


@asynccontextmanager
async def relayed(url: str, *, passing: bool) -> AsyncIterator[tuple[Relay, str]]:
    parts = urlsplit(url)
    relay = Relay(parts.hostname or LOCALHOST, parts.port or 5432, passing)
    server = await asyncio.start_server(relay.serve, LOCALHOST, 0)
    user = parts.netloc.rpartition("@")[0]
    netloc = f"{user}@{LOCALHOST}:{server.sockets[0].getsockname()[1]}"
    try:
        yield relay, urlunsplit(parts._replace(netloc=netloc, query="sslmode=disable"))
    finally:
        server.close()
        await server.wait_closed()


def configure(url: str, upstream: str | None) -> Config:
    user = urlsplit(url).username or ""
    engine = EngineConfig(db_uri=url, db_schemas=("public",), db_anon_role=user)
    config = make_config(upstream or "", url, engine=engine, defaults=Rule("engine", "engine"))
    return config if upstream else replace(config, upstream=None)


@pytest.mark.parametrize("passing", [True, False])
@pytest.mark.parametrize("alone", [True, False])
async def test_nobody_knows_and_everybody_is_told_so(database: str, passing: bool, alone: bool) -> None:
    before = await fetch_value(database, "SELECT count(*) FROM public.event")
    async with relayed(database, passing=passing) as (relay, url), scripted_upstream() as upstream:
        config = configure(url, None if alone else f"http://{LOCALHOST}:{upstream.port}")
        async with playing(config) as running:
            target = f"http://{LOCALHOST}:{running.port}/event"
            headers = {"Origin": "http://there"}
            answer = await asyncio.to_thread(
                requests.post, target, json={"key": "a"}, headers=headers, timeout=30
            )
            assert (answer.status_code, answer.json()["code"]) == (500, "08007")
            assert "Retry-After" not in answer.headers
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            (event,) = (row for row in running.tally.report() if row.table == "event")
            assert (event.unknown_outcomes, event.writes, sum(event.fallbacks.values())) == (1, 1, 0)
        assert relay.commits == 1
        assert upstream.requests == [], "the guard may look whether it is there, and nobody asks it anything"
    after = await fetch_value(database, "SELECT count(*) FROM public.event")
    assert isinstance(before, int)
    assert after == before + passing


@pytest.mark.parametrize("passing", [True, False])
async def test_an_engine_without_a_proxy_tells_it_too(database: str, passing: bool, tmp_path: Path) -> None:
    before = await fetch_value(database, "SELECT count(*) FROM public.event")
    async with relayed(database, passing=passing) as (relay, url):
        settings = {
            "PGRST_DB_URI": url,
            "PGRST_DB_SCHEMAS": "public",
            "PGRST_DB_ANON_ROLE": urlsplit(url).username or "",
            "PGRST_DB_CHANNEL_ENABLED": "false",
        }
        starting = programs.postgrest((*programs.PROXY, "engine"), tmp_path, settings)
        # Its connections are made by this event loop, which must not wait for it.
        running = await asyncio.to_thread(starting.__enter__)
        try:
            answer = await asyncio.to_thread(
                requests.post, f"{running.url}/event", json={"key": "a"}, timeout=30
            )
        finally:
            await asyncio.to_thread(starting.__exit__, None, None, None)
        assert (answer.status_code, answer.json()["code"]) == (500, "08007")
        assert "Retry-After" not in answer.headers
        assert relay.commits == 1
        log = await asyncio.to_thread(lambda: "".join(file.read_text("utf-8") for file in tmp_path.iterdir()))
        assert "The outcome of a write is unknown" in log
    after = await fetch_value(database, "SELECT count(*) FROM public.event")
    assert isinstance(before, int)
    assert after == before + passing

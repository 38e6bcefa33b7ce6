"""Reads go to a standby while it is fresh enough: PostgreSQL's own streaming replication, two servers."""

import asyncio
import itertools
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from proxy.access import AsyncPostgRESTAccess
from proxy.app import parse_config
from proxy.check import report
from proxy.config import Config, EngineConfig, Rule, ShadowConfig
from proxy.config.engine import read_options
from proxy.config.reader import ConfigFile
from proxy.database.connection import Database
from proxy.database.replica import Lag, Replica
from proxy.embedded import EmbeddedPostgres
from proxy.events import Event, ReplicaChanged
from tests.e2e import programs
from tests.e2e.support import LOCALHOST, count_all, make_config, playing, until, until_async
from tests.support.database import run_apart

SETTINGS = {"wal_level": "replica", "max_wal_senders": "4", "full_page_writes": "on"}
SCHEMA = """
CREATE SCHEMA app;
CREATE TABLE app.counter (id int PRIMARY KEY, number bigint NOT NULL);
INSERT INTO app.counter VALUES (1, 0);
CREATE VIEW app.who AS SELECT inet_server_port() AS port;
CREATE FUNCTION app.ask_stable() RETURNS int STABLE LANGUAGE sql AS 'SELECT inet_server_port()';
CREATE FUNCTION app.ask_volatile() RETURNS int VOLATILE LANGUAGE sql AS 'SELECT inet_server_port()';
"""


@dataclass
class Pair:
    """A primary and its standby."""

    primary: EmbeddedPostgres
    standby: EmbeddedPostgres

    def options(self, max_lag: float = 3600.0) -> EngineConfig:
        return EngineConfig(
            db_uri=self.primary.url,
            db_replica_uri=self.standby.url,
            db_replica_max_lag=max_lag,
            db_schemas=("app",),
            db_anon_role="postgres",
        )

    async def on_standby(self, statement: str) -> Any:
        return await run(self.standby.url, statement)

    async def on_primary(self, statement: str) -> Any:
        return await run(self.primary.url, statement)


async def run(url: str, statement: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def make(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(SCHEMA)
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    directory = Path(tempfile.mkdtemp(prefix="understudy-standby-"))
    directory.chmod(0o755)
    try:
        with EmbeddedPostgres(settings=SETTINGS) as primary:
            run_apart(make(primary.url))
            with primary.make_standby(directory / "standby") as standby:
                yield Pair(primary, standby)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
async def servers(pair: Pair) -> AsyncIterator[Pair]:
    """Both up, and the standby replaying, before and after."""
    pair.standby.start()
    yield pair
    pair.standby.start()
    await pair.on_standby("SELECT pg_wal_replay_resume()")


@asynccontextmanager
async def proxying(config: Config) -> AsyncIterator[tuple[Any, Callable[[str], Awaitable[Any]]]]:
    """A proxy, and what reads a path through it."""
    async with (
        playing(config) as running,
        aiohttp.ClientSession(f"http://{LOCALHOST}:{running.port}") as session,
    ):

        async def read(path: str) -> Any:
            async with session.get(path) as answer:
                assert answer.status == 200, await answer.text()
                return await answer.json()

        def is_fresh() -> bool:
            lag = running.metrics.registry.get_sample_value("understudy_replica_lag_seconds")
            return lag is not None and lag <= config.engine.db_replica_max_lag

        await until(is_fresh)
        yield running, read


def alone(options: EngineConfig) -> Config:
    return make_config("", "", engine=options, upstream=None)


async def test_reads_go_to_the_standby_and_what_may_write_goes_to_the_primary(servers: Pair) -> None:
    async with proxying(alone(servers.options())) as (running, read):
        assert await read("/who") == [{"port": servers.standby.port}]
        assert await read("/rpc/ask_stable") == servers.standby.port
        assert await read("/rpc/ask_volatile") == servers.primary.port
        url = f"http://{LOCALHOST}:{running.port}/rpc"
        async with aiohttp.ClientSession() as session:
            for name, port in (("stable", servers.standby.port), ("volatile", servers.primary.port)):
                async with session.post(f"{url}/ask_{name}", json={}) as answer:
                    assert await answer.json() == port
            change = {"number": 1}
            headers = {"Prefer": "return=representation"}
            counter = f"http://{LOCALHOST}:{running.port}/counter"
            async with session.patch(counter, params={"id": "eq.1"}, json=change, headers=headers) as answer:
                assert await answer.json() == [{"id": 1, "number": 1}]


async def test_a_table_that_the_standby_does_not_have_yet_is_read_on_the_primary(servers: Pair) -> None:
    async with proxying(alone(servers.options())) as (running, read):
        await servers.on_standby("SELECT pg_wal_replay_pause()")
        await servers.on_primary("CREATE TABLE app.late AS SELECT 1 AS id")
        assert await running.schema_cache.load()
        assert await read("/late") == [{"id": 1}]
        assert await read("/who") == [{"port": servers.standby.port}]


async def test_a_standby_that_falls_behind_or_away_is_left_alone_and_comes_back(servers: Pair) -> None:
    async with proxying(alone(servers.options(max_lag=1.0))) as (_, read):

        async def until_read_on(port: int) -> None:
            async def is_read_there() -> bool:
                return bool(await read("/who") == [{"port": port}])

            await until_async(is_read_there, 30)

        await until_read_on(servers.standby.port)
        await servers.on_standby("SELECT pg_wal_replay_pause()")
        await servers.on_primary("UPDATE app.counter SET number = number + 1")
        await until_read_on(servers.primary.port)
        await servers.on_standby("SELECT pg_wal_replay_resume()")
        await until_read_on(servers.standby.port)
        servers.standby.kill()
        assert await read("/who") == [{"port": servers.primary.port}]
        servers.standby.start()
        await until_read_on(servers.standby.port)


async def test_no_read_is_older_than_it_may_be(servers: Pair) -> None:
    """A writer counts; whatever the standby does meanwhile, no reader sees what was replaced long before."""
    allowed = 1.0
    committed: list[tuple[float, int]] = [(float("-inf"), 0)]
    done = asyncio.Event()

    async def write() -> None:
        connection = await asyncpg.connect(servers.primary.url)
        try:
            for number in itertools.count(100):
                if done.is_set():
                    break
                await connection.execute("UPDATE app.counter SET number = $1", number)
                committed.append((time.monotonic(), number))
                await asyncio.sleep(0.01)
        finally:
            await connection.close()

    async def disturb() -> None:
        for _ in range(3):
            await servers.on_standby("SELECT pg_wal_replay_pause()")
            await asyncio.sleep(1.5 * allowed)
            await servers.on_standby("SELECT pg_wal_replay_resume()")
            await asyncio.sleep(0.5 * allowed)
        done.set()

    ports = set()
    async with proxying(alone(servers.options(max_lag=allowed))) as (_, read):
        tasks = [asyncio.create_task(write()), asyncio.create_task(disturb())]
        while not done.is_set():
            began = time.monotonic()
            (row,) = await read("/counter")
            least = next(number for at, number in reversed(committed) if at < began - allowed)
            assert row["number"] >= least
            ports.add((await read("/who"))[0]["port"])
        await asyncio.gather(*tasks)
    assert ports == {servers.standby.port, servers.primary.port}


async def test_what_a_standby_did_not_have_yet_is_never_a_mismatch(servers: Pair, tmp_path: Path) -> None:
    """The second opinion reads both sides again on the primary, where the difference is gone."""
    options = servers.options()
    settings = {
        "PGRST_DB_URI": servers.primary.url,
        "PGRST_DB_SCHEMAS": "app",
        "PGRST_DB_ANON_ROLE": "postgres",
    }
    with programs.postgrest(programs.find_postgrest(), tmp_path, settings) as upstream:
        config = make_config(
            upstream.url,
            "",
            engine=options,
            defaults=Rule("engine", verify=100.0),
            shadow=ShadowConfig(timeout=120, breaker=1000),
        )
        async with proxying(config) as (running, read):
            await servers.on_standby("SELECT pg_wal_replay_pause()")
            await servers.on_primary("UPDATE app.counter SET number = 4711")
            for _ in range(10):
                (row,) = await read("/counter?id=eq.1")
                assert row["number"] != 4711
            await until(lambda: not any(table.pending for table in running.tally.report()), 120)
            counts = count_all(running)
    assert counts["race"] + counts["inconclusive"] == 10
    assert counts["race"] > 0
    assert counts["mismatch"] == 0


async def test_the_library_reads_there_too(servers: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGRST_DB_REPLICA_URI", servers.standby.url)
    async with AsyncPostgRESTAccess(servers.primary.url, schema="app") as access:

        async def is_read_there() -> bool:
            return bool(await access.select("who") == [{"port": servers.standby.port}])

        await until_async(is_read_there, 30)
        await access.update("counter", json={"number": 3}, params={"id": "eq.1"})


async def test_a_server_that_is_no_standby_is_never_read_as_one(servers: Pair) -> None:
    options = read_options({"db-uri": servers.primary.url, "db-replica-uri": servers.primary.url}, {})
    events: list[Event] = []
    replica = Replica(options, events.append, connections=1, application_name="test")
    try:
        await replica.measure()
        assert events == [ReplicaChanged(False, "it is no standby")]
        assert replica.lag == float("inf")
    finally:
        await replica.close()


async def reports(file: ConfigFile, code: int) -> bool:
    return await report(file) == code


async def test_check_says_whether_reads_would_go_to_it(
    servers: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = f"ledger: sqlite://\nengine:\n  db-uri: {servers.primary.url}\n  db-schemas: app\n"
    for replica, code, told in (
        (servers.standby, 0, "replica: reached, and fresh enough"),
        (servers.primary, 1, "replica: NOT used: it is no standby"),
    ):
        text = f"{head}  db-replica-uri: {replica.url}\n"
        file = parse_config(text.encode(), tmp_path / "understudy.yaml", {})
        # A standby that has just been woken catches up first.
        await until_async(partial(reports, file, code))
        assert told in capsys.readouterr().out


def test_a_standby_is_as_old_as_the_newest_place_in_the_log_that_it_has_passed() -> None:
    lag = Lag()
    assert lag.seconds(5.0) == float("inf")
    lag.note(10.0, written=100, replayed=90)
    assert lag.seconds(11.0) == float("inf")
    lag.note(11.0, written=200, replayed=150)
    assert lag.seconds(12.0) == 2.0
    lag.note(12.0, written=200, replayed=200)
    assert lag.seconds(12.5) == 0.5
    lag.note(13.0, written=300, replayed=200)
    assert lag.seconds(14.0) == 2.0
    lag.forget()
    assert lag.seconds(14.0) == float("inf")


def test_a_database_without_a_replica_has_none() -> None:
    assert Database(EngineConfig(), connections=1, application_name="test").replica is None

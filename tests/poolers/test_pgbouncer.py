"""The engine behind PgBouncer in transaction mode, with ``db-prepared-statements: false``."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from proxy.config import EngineConfig, ShadowConfig
from proxy.database.connection import Database
from proxy.database.notifications import subscribe
from proxy.engine.sql.session import Session
from proxy.errors import ApiError
from proxy.tape.replay import replay, sequence_reset
from tests.e2e.support import (
    Crowd,
    count_all,
    is_settled,
    make_config,
    playing,
    recorded_reads,
    standing_in,
    until,
)
from tests.engine.test_conformance import EXPECTED
from tests.poolers.bouncer import BINARY, MISSING, bouncing
from tests.support.conformance import recorded, settings
from tests.support.database import ConformanceDatabase, fetch_value
from tests.support.engine import engine, engine_options

pytestmark = pytest.mark.skipif(BINARY is None, reason=MISSING)

EXCHANGES = 500
CLIENTS = 8
SERVERS = 2
KEPT = ("default_transaction_read_only", "client_connection_check_interval", "role", "search_path")


@pytest.fixture(scope="module")
def pooled(
    conformance_database: ConformanceDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ConformanceDatabase]:
    with bouncing(conformance_database.url, tmp_path_factory.mktemp("pgbouncer"), servers=SERVERS) as url:
        yield ConformanceDatabase(url)


@pytest.fixture
async def options(pooled: ConformanceDatabase, conformance_database: ConformanceDatabase) -> EngineConfig:
    direct = await engine_options(conformance_database)
    return replace(direct, db_uri=pooled.login_url(), db_prepared_statements=False, db_channel_enabled=True)


async def read_kept(url: str) -> list[object]:
    """What is set on a server that nobody uses now."""
    connection = await asyncpg.connect(url, statement_cache_size=0)
    try:
        async with connection.transaction():
            return [await connection.fetchval("SELECT current_setting($1)", name) for name in KEPT]
    finally:
        await connection.close()


async def test_the_pooler_lends_another_server_for_another_transaction(pooled: ConformanceDatabase) -> None:
    """Else the other tests would say little."""
    held = await asyncpg.connect(pooled.login_url(), statement_cache_size=0)
    other = await asyncpg.connect(pooled.login_url(), statement_cache_size=0)
    try:
        transaction = held.transaction()
        await transaction.start()
        first = await held.fetchval("SELECT pg_backend_pid()")
        async with other.transaction():
            second = await other.fetchval("SELECT pg_backend_pid()")
        await transaction.rollback()
        assert first != second
    finally:
        await held.close()
        await other.close()


async def test_nothing_stands_on_what_is_lent_to_others(
    options: EngineConfig, conformance_database: ConformanceDatabase
) -> None:
    for url, stands in ((options.db_uri, False), (conformance_database.login_url(), True)):
        prepares = replace(options, db_uri=url, db_prepared_statements=True)
        database = Database(prepares, connections=1, application_name="standing")
        lease = await database.pool.acquire()
        assert (lease.connection.standing is not None) == stands
        database.pool.release(lease)
        await database.close()


async def test_recorded_requests_are_answered_as_postgrest_answered_them_and_leave_nothing_behind(
    options: EngineConfig, conformance_database: ConformanceDatabase
) -> None:
    exchanges = recorded()[:: max(1, len(recorded()) // EXCHANGES)]
    before = await read_kept(options.db_uri)
    async with engine(options) as ask, sequence_reset(conformance_database.url) as reset:
        report = await replay(exchanges, ask, settings(), before_write=reset, concurrency=CLIENTS)
    assert [outcome.exchange.id for outcome in report.failures if outcome.exchange.id not in EXPECTED] == []
    for _ in range(2 * SERVERS):
        assert await read_kept(options.db_uri) == before


async def test_a_mirror_cannot_write_though_nothing_is_set_for_its_connection(options: EngineConfig) -> None:
    database = Database(options, connections=1, application_name="test", read_only=True)
    session = Session(
        (("search_path", "dlm"), ("role", "dlm_anon")), "dlm", authenticated=False, read_only=False
    )
    try:
        with pytest.raises(ApiError) as refused:
            await database.transact(
                session,
                lambda transaction: transaction.fetch_lines("DELETE FROM lone RETURNING label", []),
            )
        assert refused.value.code == "25006"
        assert (await database.read_snapshot()).count(":") >= 2
    finally:
        await database.close()


async def test_listening_through_it_is_refused_with_what_to_do(options: EngineConfig) -> None:
    with pytest.raises(ApiError) as refused:
        async with subscribe(options, print, application_name="test"):
            raise AssertionError
    assert "pooler" in refused.value.message
    assert "db-channel-enabled" in str(refused.value.hint)


async def test_listening_without_one_goes_on_when_nothing_is_prepared(
    options: EngineConfig, conformance_database: ConformanceDatabase
) -> None:
    direct = replace(options, db_uri=conformance_database.login_url())
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with subscribe(direct, heard.put_nowait, application_name="test"):
        await fetch_value(conformance_database.url, "SELECT pg_notify('pgrst', 'reload schema')")
        assert await asyncio.wait_for(heard.get(), 20) == "reload schema"


async def test_a_proxy_mirrors_through_it(
    options: EngineConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    async with standing_in() as upstream:
        config = make_config(
            upstream.url,
            "",
            engine=replace(options, db_channel_enabled=False),
            shadow=ShadowConfig(timeout=120, breaker=1000),
        )
        async with playing(config) as running:
            crowd = Crowd(running.port, recorded_reads(60, successful=True))
            async with crowd.reading(4):
                await crowd.more(120)
            await until(lambda: is_settled(running), 120)
            counts = count_all(running)
    assert crowd.wrong == []
    assert counts["match"] >= 60
    assert counts["mismatch"] == counts["failed"] == 0

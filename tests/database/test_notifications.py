"""Listening on a channel of a real server."""

import asyncio
import os

import asyncpg
import pytest

from proxy.config import EngineConfig
from proxy.database.notifications import subscribe
from proxy.errors import EngineDown
from tests.support.database import ConformanceDatabase


async def test_payloads_are_heard_until_the_connection_is_lost(
    conformance_database: ConformanceDatabase,
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    options = EngineConfig(db_uri=conformance_database.login_url(), db_channel='A "channel"')
    superuser = await asyncpg.connect(conformance_database.url)
    try:
        async with subscribe(options, heard.put_nowait, application_name="listening") as subscription:
            assert subscription.server.startswith("PostgreSQL ")
            assert subscription.address.rpartition(":")[2].isdecimal()
            for payload in ("", "reload schema", "é" * 100):
                await superuser.execute("select pg_notify($1, $2)", options.db_channel, payload)
                assert await asyncio.wait_for(heard.get(), 5) == payload
            query = "select query from pg_stat_activity where application_name = 'listening'"
            assert await superuser.fetchval(query) == 'LISTEN "A ""channel"""'
            assert not subscription.lost.is_set()
            await superuser.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'listening'"
            )
            await asyncio.wait_for(subscription.lost.wait(), 5)
    finally:
        await superuser.close()


@pytest.mark.parametrize("uri", ["postgresql://nobody@127.0.0.1:1/x", "nonsense"])
async def test_a_server_that_cannot_be_reached_is_told_so(uri: str) -> None:
    with pytest.raises(EngineDown) as caught:
        async with subscribe(EngineConfig(db_uri=uri), print, application_name="us"):
            raise AssertionError
    assert caught.value.error.code == "PGRST000"


async def test_what_the_server_refuses_is_no_clients_error(conformance_database: ConformanceDatabase) -> None:
    uri = conformance_database.login_url() + os.urandom(4).hex()
    with pytest.raises(EngineDown, match="Database connection error") as caught:
        async with subscribe(EngineConfig(db_uri=uri), print, application_name="us"):
            raise AssertionError
    assert "does not exist" in str(caught.value.__cause__)

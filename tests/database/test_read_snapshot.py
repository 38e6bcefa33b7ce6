"""What tells that nothing was committed: it changes with every write that ends, and with nothing else."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from proxy.config import EngineConfig
from proxy.database.connection import Database
from tests.support.database import throwaway_database


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with throwaway_database() as made:
        yield made


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    made = Database(EngineConfig(db_uri=url), connections=2, application_name="test", read_only=True)
    yield made
    await made.close()


@pytest.fixture
async def writer(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    await connection.execute("create table if not exists t (n integer)")
    yield connection
    await connection.close()


async def test_it_stays_the_same_while_only_reads_are_made(
    database: Database, writer: asyncpg.Connection
) -> None:
    before = await database.read_snapshot()
    await writer.fetch("select * from t")
    async with writer.transaction(isolation="repeatable_read", readonly=True):
        await writer.fetch("select * from t")
        assert await database.read_snapshot() == before


@pytest.mark.parametrize(
    "statement", ["insert into t values (1)", "update t set n = n", "delete from t", "truncate t"]
)
async def test_it_changes_when_a_write_is_committed(
    database: Database, writer: asyncpg.Connection, statement: str
) -> None:
    await writer.execute("insert into t values (5)")
    before = await database.read_snapshot()
    await writer.execute(statement)
    assert await database.read_snapshot() != before


async def test_a_write_that_began_before_counts_when_it_ends(
    database: Database, writer: asyncpg.Connection
) -> None:
    async with writer.transaction():
        await writer.execute("insert into t values (2)")
        before = await database.read_snapshot()
        assert await database.read_snapshot() == before
    assert await database.read_snapshot() != before


async def test_a_write_that_is_not_the_oldest_counts_too(database: Database, url: str) -> None:
    """One that is still open before it must not hide it."""
    oldest, younger = await asyncio.gather(asyncpg.connect(url), asyncpg.connect(url))
    try:
        async with oldest.transaction():
            await oldest.execute("insert into t values (3)")
            before = await database.read_snapshot()
            await younger.execute("insert into t values (4)")
            assert await database.read_snapshot() != before
    finally:
        await oldest.close()
        await younger.close()

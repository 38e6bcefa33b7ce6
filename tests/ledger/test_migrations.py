"""The ledger's versions: each leads to the newest, keeps what was in it, and a later one is left alone."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, inspect, text

from proxy.ledger.database import LedgerDatabase, LedgerMissing
from proxy.ledger.migrations import STEPS, LedgerTooNew, migrate, read_version
from proxy.ledger.tables import METADATA

LATER = (
    "CREATE TABLE ledger_later (key TEXT PRIMARY KEY)",
    "ALTER TABLE ledger_replicas ADD COLUMN host TEXT",
)


async def on_connection(url: str, work: Callable[[Connection], Any]) -> Any:
    """What ``work`` makes of the database at ``url``, whatever is in it."""
    database = LedgerDatabase(url, create=True)
    database._driver = driver = database._open_driver()
    try:
        return await asyncio.to_thread(partial(driver.run, work, writes=True))
    finally:
        await asyncio.to_thread(database.close)


def describe(connection: Connection) -> dict[str, Any]:
    """Tables with their columns, whether they may be null, and primary keys."""
    found = inspect(connection)
    return {
        table: (
            {
                column["name"]: (_kind(column["type"]), column["nullable"])
                for column in found.get_columns(table)
            },
            found.get_pk_constraint(table)["constrained_columns"],
        )
        for table in found.get_table_names()
    }


def _kind(kind: Any) -> str:
    # The databases, and SQLAlchemy's reading of them, have several words for it.
    return {"REAL": "DOUBLE", "DOUBLE PRECISION": "DOUBLE"}.get(str(kind), str(kind))


async def test_the_steps_lead_to_what_the_tables_say(url: str) -> None:
    def compare(connection: Connection) -> tuple[Any, Any]:
        migrate(connection)
        migrated = describe(connection)
        for table in reversed(METADATA.sorted_tables):
            table.drop(connection)
        METADATA.create_all(connection)
        return migrated, describe(connection)

    migrated, declared = await on_connection(url, compare)
    # SQLite lets a primary key be null unless it is told otherwise.
    for tables in (migrated, declared):
        for columns, key in tables.values():
            for name in key:
                columns[name] = columns[name][0]
    assert migrated == declared


@pytest.mark.parametrize("version", range(len(STEPS) + 1))
async def test_every_version_leads_to_the_newest_and_keeps_its_rows(url: str, version: int) -> None:
    def work(connection: Connection) -> Any:
        migrate(connection, STEPS[:version])
        if version:
            row = "INSERT INTO ledger_traffic VALUES ('storage', 'reads', 'upstream', 5, 1.5)"
            connection.execute(text(row))
        before = migrate(connection)
        kept = connection.execute(text("SELECT count, last_seen FROM ledger_traffic")).all()
        return before, read_version(connection), [tuple(row) for row in kept]

    expected = [(5, 1.5)] if version else []
    assert await on_connection(url, work) == (version, len(STEPS), expected)


async def test_a_new_step_is_taken_once(url: str) -> None:
    def work(connection: Connection) -> Any:
        migrate(connection)
        connection.execute(text("INSERT INTO ledger_replicas VALUES ('one', 7, 0.5)"))
        steps = (*STEPS, LATER)
        versions = (migrate(connection, steps), migrate(connection, steps))
        rows = connection.execute(text("SELECT replica, sequence, last_seen, host FROM ledger_replicas"))
        return versions, [tuple(row) for row in rows]

    versions, rows = await on_connection(url, work)
    assert versions == (len(STEPS), len(STEPS) + 1)
    assert rows == [("one", 7, 0.5, None)]


async def test_a_step_that_fails_leaves_the_version_before(url: str) -> None:
    broken = (*STEPS, (LATER[0], "CREATE TABLE ledger_later (key TEXT)"))

    def work(connection: Connection) -> None:
        migrate(connection, broken)

    await on_connection(url, migrate)
    with pytest.raises(Exception, match="ledger_later"):
        await on_connection(url, work)
    assert await on_connection(url, read_version) == len(STEPS)
    assert "ledger_later" not in await on_connection(url, describe)


async def test_a_ledger_of_a_later_version_is_neither_read_nor_changed(url: str) -> None:
    await on_connection(url, partial(migrate, steps=(*STEPS, LATER)))
    for create in (True, False):
        database = LedgerDatabase(url, create=create)
        with pytest.raises(LedgerTooNew, match=rf"version {len(STEPS) + 1}, this program knows up to"):
            await asyncio.to_thread(partial(database.read, describe))


async def test_a_ledger_of_an_earlier_version_is_not_changed_by_reading(url: str) -> None:
    await on_connection(url, partial(migrate, steps=()))
    database = LedgerDatabase(url, create=False)
    with pytest.raises(LedgerMissing, match="version 0 still"):
        await asyncio.to_thread(partial(database.read, describe))
    assert await on_connection(url, read_version) == 0


async def test_replicas_that_start_together_migrate_once(url: str) -> None:
    databases = [LedgerDatabase(url, create=True) for _ in range(4)]
    versions = await asyncio.gather(
        *(asyncio.to_thread(partial(database.read, read_version)) for database in databases)
    )
    assert versions == [len(STEPS)] * 4
    for database in databases:
        await asyncio.to_thread(database.close)

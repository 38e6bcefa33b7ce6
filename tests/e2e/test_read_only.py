"""A mirrored request can never write: design, promise 4. The database's own hand holds it, not ours alone."""

from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest

from proxy.app import Proxy
from proxy.database.connection import Database
from proxy.engine.sql.session import Session
from proxy.errors import ApiError
from proxy.messages import READ_METHODS
from proxy.tape.format import RecordedExchange
from proxy.tape.wire import WireClient
from tests.e2e.support import (
    LOCALHOST,
    as_sent,
    assert_all_accounted,
    count_all,
    engine_config,
    is_as_recorded,
    is_settled,
    make_config,
    playing,
    read_all,
    standing_in,
    until,
)
from tests.support.conformance import recorded
from tests.support.database import ConformanceDatabase

INSERT = "INSERT INTO dlm.empty_bin (id, label) VALUES (1, 'never stays') RETURNING id"


def recorded_writes(method: str, count: int) -> list[RecordedExchange]:
    """Recorded requests by ``method`` on relations, that PostgREST carried out (and rolled back)."""
    return [
        exchange
        for exchange in recorded()
        if exchange.request.method == method
        and exchange.answer.status < 300
        and not exchange.request.target.startswith(b"/rpc/")
    ][:count]


async def fingerprint(database: ConformanceDatabase) -> dict[str, tuple[int, ...]]:
    """What every write to the database would change: rows written so far, by table."""
    connection = await asyncpg.connect(database.url)
    try:
        await connection.execute("SELECT pg_stat_force_next_flush()")
        rows = await connection.fetch(
            "SELECT schemaname || '.' || relname AS name, n_tup_ins, n_tup_upd, n_tup_del"
            " FROM pg_stat_user_tables"
        )
        return {row["name"]: (row["n_tup_ins"], row["n_tup_upd"], row["n_tup_del"]) for row in rows}
    finally:
        await connection.close()


@pytest.fixture
async def stage(conformance_database: ConformanceDatabase) -> AsyncIterator[Proxy]:
    """Everything in shadow over the stand-in: whatever the engine's database sees comes from the mirror."""
    async with (
        standing_in() as upstream,
        playing(make_config(upstream.url, conformance_database.login_url())) as running,
    ):
        yield running


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
async def test_a_write_is_passed_on_and_never_mirrored(
    stage: Proxy, conformance_database: ConformanceDatabase, method: str
) -> None:
    writes = recorded_writes(method, 20)
    before = await fingerprint(conformance_database)
    async with WireClient(f"http://{LOCALHOST}:{stage.port}") as client:
        for write in writes:
            assert is_as_recorded(write, await client.ask(as_sent(write))), write.id
    counts = count_all(stage)
    assert counts["writes"] == len(writes) == 20
    assert counts["reads"] == counts["settled"] == 0
    assert await fingerprint(conformance_database) == before


async def test_a_volatile_function_called_by_post_is_not_mirrored(stage: Proxy) -> None:
    writes = recorded(ids=["rpc-write-001"])
    assert [write.request.method for write in writes] == ["POST"]
    assert await read_all(stage.port, writes) == []
    counts = count_all(stage)
    assert (counts["writes"], counts["reads"]) == (1, 0)


async def test_a_function_that_writes_is_refused_by_the_database_when_it_is_called_by_get(
    stage: Proxy, conformance_database: ConformanceDatabase
) -> None:
    reads = [
        exchange
        for exchange in recorded()
        if exchange.request.method in READ_METHODS and b'"code":"25006"' in exchange.answer.body
    ]
    assert len(reads) >= 5
    before = await fingerprint(conformance_database)
    assert await read_all(stage.port, reads) == []
    await until(lambda: is_settled(stage))
    counts = count_all(stage)
    assert counts["match"] == counts["reads"] == len(reads), "the engine's database says the same"
    assert await fingerprint(conformance_database) == before
    await assert_all_accounted(stage)


async def run(database: Database, session: Session, sql: str) -> list[str]:
    """The lines that ``sql`` gives in a transaction."""
    return await database.transact(session, lambda transaction: transaction.fetch_lines(sql, []))


class TestTheMirrorsDatabase:
    """Even if the mirror wanted to write: what PostgreSQL says to it."""

    @pytest.fixture
    async def database(self, conformance_database: ConformanceDatabase) -> AsyncIterator[Database]:
        options = engine_config(conformance_database.login_url())
        database = Database(options, connections=1, application_name="read only", read_only=True)
        yield database
        await database.close()

    SESSION = Session(
        settings=(("search_path", "dlm, public"), ("role", "dlm_anon")),
        search_path="dlm, public",
        authenticated=False,
        read_only=False,
    )

    @pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
    async def test_refuses_a_write(self, database: Database, isolation: str) -> None:
        with pytest.raises(ApiError) as raised:
            await run(database, replace(self.SESSION, isolation=isolation), INSERT)
        assert raised.value.code == "25006"
        assert raised.value.message == "cannot execute INSERT in a read-only transaction"

    @pytest.mark.parametrize(
        "setting", [("transaction_read_only", "off"), ("default_transaction_read_only", "off")]
    )
    async def test_refuses_a_write_whatever_a_role_or_function_sets(
        self, database: Database, setting: tuple[str, str]
    ) -> None:
        session = replace(self.SESSION, settings=(*self.SESSION.settings, setting))
        with pytest.raises(ApiError) as raised:
            await run(database, session, INSERT)
        assert raised.value.code in ("25001", "25006")

    async def test_refuses_to_be_talked_into_writing_within_the_transaction(self, database: Database) -> None:
        with pytest.raises(ApiError) as raised:
            await run(database, self.SESSION, "SELECT set_config('transaction_read_only', 'off', true)")
        assert raised.value.code == "25001"

    async def test_is_fit_for_reading_after_a_refusal(self, database: Database) -> None:
        with pytest.raises(ApiError):
            await run(database, self.SESSION, INSERT)
        assert await run(database, self.SESSION, "SELECT label FROM dlm.lone") == ["only row"]

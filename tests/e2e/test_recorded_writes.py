"""The writes that a real PostgREST was recorded to carry out, in rehearsal: the engine says the same."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from proxy.app import Proxy
from proxy.config import RehearsalConfig, Rule
from proxy.messages import WRITE_METHODS
from proxy.operate.tally import TableTally
from proxy.tape.format import RecordedExchange
from proxy.tape.wire import WireClient
from tests.e2e.support import (
    LOCALHOST,
    as_sent,
    is_as_recorded,
    make_config,
    playing,
    standing_in,
    until,
)
from tests.support import database
from tests.support.conformance import recorded
from tests.support.database import ConformanceDatabase

PLANS = {"media-types-167", "media-types-168"}
"""Those that ask for an execution plan, which is each server's own."""


@pytest.fixture(scope="module")
def own_database() -> Iterator[ConformanceDatabase]:
    """A database of these tests' own, since rehearsals advance its sequences."""
    with database.conformance_database() as loaded:
        yield loaded


@pytest.fixture
async def stage(own_database: ConformanceDatabase) -> AsyncIterator[Proxy]:
    limits = RehearsalConfig(timeout=20, statement_timeout=10, max_body=2**24)
    async with standing_in() as upstream:
        config = make_config(
            upstream.url, own_database.login_url(), defaults=Rule(writes="rehearse"), rehearsal=limits
        )
        async with playing(config) as running:
            yield running


def recorded_writes() -> list[RecordedExchange]:
    return [
        exchange
        for exchange in recorded()
        if exchange.request.method in WRITE_METHODS
        and not exchange.accident
        and exchange.body_omitted is None
        and exchange.id not in PLANS
    ]


async def contents(url: str) -> dict[str, str]:
    """A digest of every table's rows."""
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch(
            "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        return {
            row["name"]: await connection.fetchval(
                f"SELECT md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM {row['name']} t"
            )
            for row in tables
        }
    finally:
        await connection.close()


async def test_every_recorded_write_is_rehearsed_as_postgrest_did_it(
    stage: Proxy, own_database: ConformanceDatabase
) -> None:
    before = await contents(own_database.url)
    writes = recorded_writes()
    wrong = []
    async with WireClient(f"http://{LOCALHOST}:{stage.port}") as client:
        for exchange in writes:
            if not is_as_recorded(exchange, await client.ask(as_sent(exchange))):
                wrong.append(exchange.id)
    assert wrong == [], "the client has the upstream's answer"
    await until(lambda: all(table.to_rehearse == ended(table) for table in stage.tally.report()))
    counts: Counter[str] = Counter()
    for table in stage.tally.report():
        counts.update({**table.rehearsals, **table.unrehearsed})
    assert [one.shape for one in stage.recent.report() if one.verdict != "match"] == []
    assert +counts == {"match": counts["match"]}
    assert counts["match"] > 1200
    assert await contents(own_database.url) == before


def ended(table: TableTally) -> int:
    return sum(table.rehearsals.values()) + sum(table.unrehearsed.values())

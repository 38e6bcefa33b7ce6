"""SIGKILL to the engine's database while clients read: no client sees an error or a wrong byte.

The server is one of this file's own, since it is killed.
"""

import asyncio
from collections.abc import Iterator

import pytest

from proxy.app import Proxy
from proxy.config import GuardConfig, Rule
from proxy.embedded import EmbeddedPostgres
from proxy.messages import Answer
from proxy.tape.compare import deviations
from proxy.tape.format import RecordedExchange
from tests.e2e.support import (
    Crowd,
    assert_all_accounted,
    count_all,
    is_as_recorded,
    make_config,
    playing,
    recorded_reads,
    standing_in,
    until,
)
from tests.support.database import ConformanceDatabase, load_conformance, run_apart

CLIENTS = 50
TABLES = ("storage", "location", "data_item", "lone", "sample", "migration", "phase_change", "observation")


@pytest.fixture(scope="module")
def own_server() -> Iterator[tuple[EmbeddedPostgres, ConformanceDatabase]]:
    with EmbeddedPostgres() as server:
        yield server, run_apart(load_conformance(server))


@pytest.fixture
async def server(own_server: tuple[EmbeddedPostgres, ConformanceDatabase]) -> EmbeddedPostgres:
    """The server, running."""
    await asyncio.to_thread(own_server[0].start)
    return own_server[0]


@pytest.fixture
def database_url(own_server: tuple[EmbeddedPostgres, ConformanceDatabase]) -> str:
    return own_server[1].login_url()


def failed(running: Proxy) -> int:
    return count_all(running)["failed"]


def agreed(running: Proxy) -> int:
    counts = count_all(running)
    return counts["match"] + counts["equivalent"]


async def test_no_client_notices_and_the_mirror_recovers(server: EmbeddedPostgres, database_url: str) -> None:
    async with standing_in() as upstream, playing(make_config(upstream.url, database_url)) as running:
        crowd = Crowd(running.port, recorded_reads(200, tables=TABLES))
        async with crowd.reading(CLIENTS):
            await until(lambda: agreed(running) >= CLIENTS)
            await asyncio.to_thread(server.kill)
            failed_before = failed(running)
            await crowd.more(5 * CLIENTS)
            await until(lambda: failed(running) >= failed_before + CLIENTS)
            await asyncio.to_thread(server.start)
            agreed_before = agreed(running)
            await until(lambda: agreed(running) >= agreed_before + CLIENTS)
        counts = count_all(running)
        assert crowd.wrong == []
        assert crowd.answered == counts["reads"]
        assert counts["mismatch"] == 0, "a database that is gone is a failure, never a difference"
        await assert_all_accounted(running)


async def test_a_table_that_the_engine_serves_is_answered_by_the_upstream_meanwhile(
    server: EmbeddedPostgres, database_url: str
) -> None:
    promoted = ("storage", "location")

    def is_right(exchange: RecordedExchange, answer: Answer) -> bool:
        """The engine's answers by the rules of the tape, the upstream's to the byte."""
        table = exchange.request.target[1:].partition(b"?")[0].decode()
        return deviations(exchange, answer) == [] if table in promoted else is_as_recorded(exchange, answer)

    rules = dict.fromkeys(promoted, Rule(reads="engine"))
    # How fast the machine is decides nothing here.
    guard = GuardConfig(slow=60.0)
    async with (
        standing_in() as upstream,
        playing(make_config(upstream.url, database_url, tables=rules, guard=guard)) as running,
    ):
        crowd = Crowd(running.port, recorded_reads(200, tables=TABLES), is_right)
        async with crowd.reading(CLIENTS):
            await until(lambda: count_all(running)["engine_served"] >= CLIENTS)
            assert count_all(running)["fallbacks"] == 0
            await asyncio.to_thread(server.kill)
            # The upstream answers each of them at once, and all of them when the guard has seen enough.
            await until(lambda: set(running.guarding.holds) == set(promoted))
            assert count_all(running)["fallbacks"] > 0
            await asyncio.to_thread(server.start)
            await until(lambda: agreed(running) > 0)
            for table in promoted:
                assert await running.guarding.rearm(table, "the test", "the database is back")
            served_before = count_all(running)["engine_served"]
            await until(lambda: count_all(running)["engine_served"] >= served_before + CLIENTS)
        assert crowd.wrong == []
        assert crowd.answered == count_all(running)["reads"]
        await assert_all_accounted(running)


async def test_a_database_that_comes_up_late_is_found(server: EmbeddedPostgres, database_url: str) -> None:
    await asyncio.to_thread(server.kill)
    reads = recorded_reads(20, tables=["lone"], successful=True)
    async with standing_in() as upstream, Proxy(make_config(upstream.url, database_url)) as running:
        crowd = Crowd(running.port, reads)
        async with crowd.reading(2):
            await until(lambda: count_all(running)["no_schema"] > 0)
            await asyncio.to_thread(server.start)
            await until(lambda: agreed(running) > 0)
        assert crowd.wrong == []
        await assert_all_accounted(running)

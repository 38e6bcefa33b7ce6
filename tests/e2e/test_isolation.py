"""The mirror never hurts: whatever the engine's side does, clients get the right bytes, and every read is
accounted for (design, promises 2, 3 and 5).

The engine is made slow or hung by its database, as in real life: another session holds a lock on a table.
"""

import asyncio
import contextlib
import time
from urllib.parse import unquote_to_bytes

from proxy.app import Proxy
from proxy.config import Rule, ShadowConfig
from proxy.events import ReadAgain
from proxy.tape.format import RecordedExchange
from proxy.tape.wire import format_request
from tests.e2e.support import (
    LOCALHOST,
    Crowd,
    as_sent,
    assert_all_accounted,
    count_all,
    hung,
    is_settled,
    make_config,
    playing,
    read_all,
    recorded_reads,
    standing_in,
    until,
    until_async,
)
from tests.support.database import ConformanceDatabase, fetch_value

HUNG = 0.3
"""Seconds that the engine gets for one read where it is to run out of time."""


def is_plain(exchange: RecordedExchange) -> bool:
    """Whether the request concerns no other table than the one in its path."""
    return b"(" not in unquote_to_bytes(exchange.request.target)


async def is_quiet(database: ConformanceDatabase) -> bool:
    """Whether no session of the mirror waits for a lock, as PostgreSQL sees it."""
    waiting = await fetch_value(
        database.url,
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE application_name = 'understudy mirror' AND wait_event_type = 'Lock'"
        " AND datname = current_database()",
    )
    return waiting == 0


async def test_a_full_queue_sheds_at_once_and_no_client_waits_for_it(
    conformance_database: ConformanceDatabase,
) -> None:
    shadow = ShadowConfig(queue=3, concurrency=2, timeout=20.0)
    reads = recorded_reads(60, tables=["storage"], successful=True)
    async with standing_in() as upstream:
        config = make_config(upstream.url, conformance_database.login_url(), shadow=shadow)
        async with playing(config) as running:
            async with hung(conformance_database):
                wrong = await read_all(running.port, reads)
                counts = count_all(running)
                assert wrong == []
                assert upstream.stand_in.answered == counts["reads"] == 60
                assert counts["queue"] == counts["settled"] == 60 - 3 - 2, "the others wait for the engine"
            await assert_all_accounted(running)
            assert count_all(running)["match"] + count_all(running)["equivalent"] == 3 + 2


async def test_a_queue_of_few_bytes_sheds_what_does_not_fit(
    conformance_database: ConformanceDatabase,
) -> None:
    shadow = ShadowConfig(queue_bytes=10_000, concurrency=1, timeout=20.0)
    async with standing_in() as upstream:
        config = make_config(upstream.url, conformance_database.login_url(), shadow=shadow)
        async with playing(config) as running:
            async with hung(conformance_database):
                assert await read_all(running.port, recorded_reads(30, tables=["storage"])) == []
                counts = count_all(running)
                assert counts["bytes"] == counts["settled"] >= 20
            await assert_all_accounted(running)


async def test_a_hung_engine_runs_out_of_time_and_no_client_waits_for_it(
    conformance_database: ConformanceDatabase,
) -> None:
    shadow = ShadowConfig(concurrency=4, timeout=HUNG)
    reads = recorded_reads(50, tables=["storage"], successful=True)
    async with standing_in() as upstream:
        config = make_config(upstream.url, conformance_database.login_url(), shadow=shadow)
        async with playing(config) as running, hung(conformance_database):
            started = time.monotonic()
            assert await read_all(running.port, reads) == []
            assert time.monotonic() - started < len(reads) * HUNG / 4, "nobody waits for the mirror"
            await assert_all_accounted(running)
            counts = count_all(running)
            assert counts["failed"] >= 4
            assert counts["failed"] + counts["deadline"] == counts["reads"] == len(reads)
            assert {one.detail for one in running.recent.report()} == {"timeout"}


async def test_reads_that_ran_out_of_time_do_not_go_on_in_the_database(
    conformance_database: ConformanceDatabase,
) -> None:
    shadow = ShadowConfig(concurrency=2, timeout=HUNG)
    async with standing_in() as upstream:
        config = make_config(upstream.url, conformance_database.login_url(), shadow=shadow)
        async with playing(config) as running, hung(conformance_database):
            for read in recorded_reads(6, tables=["storage"], successful=True):
                await read_all(running.port, [read])
                await until(lambda: is_settled(running))
            assert count_all(running)["failed"] == 6
            await until_async(lambda: is_quiet(conformance_database))


async def test_a_table_of_a_hung_engine_is_answered_by_the_upstream_in_its_place(
    conformance_database: ConformanceDatabase,
) -> None:
    async with standing_in() as upstream:
        config = make_config(
            upstream.url,
            conformance_database.login_url(),
            shadow=ShadowConfig(timeout=HUNG),
            tables={"storage": Rule(reads="engine")},
        )
        async with playing(config) as running, hung(conformance_database):
            # A read that embeds other tables is no more the engine's than they are.
            reads = [read for read in recorded_reads(tables=["storage"], successful=True) if is_plain(read)]
            crowd = Crowd(running.port, reads)
            async with crowd.reading(4):
                await crowd.more(8)
            assert crowd.wrong == []
            (storage,) = running.tally.report()
            assert storage.table == "storage"
            fallbacks = storage.fallbacks["timeout"] + storage.fallbacks["circuit"]
            assert fallbacks == storage.skipped["fell_back"] > 0
            # The guard has put the table back by then, and the mirror asks the hung engine in vain.
            assert set(running.guarding.holds) == {"storage"}
            assert storage.engine_served == 0
            await assert_all_accounted(running)


async def test_an_engine_that_never_had_a_database_is_not_missed(
    conformance_database: ConformanceDatabase,
) -> None:
    reads = recorded_reads(100)
    async with standing_in() as upstream:
        config = make_config(
            upstream.url,
            f"postgresql://nobody@{LOCALHOST}:1/nothing",
            tables={"storage": Rule(reads="engine")},
        )
        async with Proxy(config) as running:
            await until(lambda: running.health.last_schema_load is not None)
            assert await read_all(running.port, reads) == []
            counts = count_all(running)
            assert counts["no_schema"] == counts["reads"] == counts["settled"] == len(reads)
            assert upstream.stand_in.answered == len(reads)
            load = running.health.last_schema_load
            assert load is not None
            assert not load.accepted
            await assert_all_accounted(running)


async def test_what_is_too_large_or_not_sampled_is_counted_as_such(
    conformance_database: ConformanceDatabase,
) -> None:
    reads = recorded_reads(150, tables=["storage", "location", "data_item", "sample"])
    async with standing_in() as upstream:
        config = make_config(
            upstream.url,
            conformance_database.login_url(),
            shadow=ShadowConfig(max_body=500),
            tables={
                "location": Rule(reads="upstream"),
                "data_item": Rule(sample=50.0),
                "sample": Rule(reads="engine"),
            },
        )
        async with playing(config) as running:
            async with Crowd(running.port, reads).reading(10) as crowd:
                await crowd.more(len(reads))
            await assert_all_accounted(running)
            tally = {table.table: table for table in running.tally.report()}
            assert tally["location"].skipped["mode"] == tally["location"].reads
            assert (
                tally["sample"].skipped["mode"] + tally["sample"].skipped["fell_back"]
                == tally["sample"].reads
            )
            assert 0 < tally["data_item"].skipped["not_sampled"] < tally["data_item"].reads
            assert 0 < tally["storage"].skipped["too_large"] < tally["storage"].reads


async def test_what_was_read_again_counts_against_the_budget(
    conformance_database: ConformanceDatabase,
) -> None:
    async with standing_in() as upstream:
        config = make_config(upstream.url, conformance_database.login_url(), shadow=ShadowConfig(budget=0.5))
        async with playing(config) as running:
            running.emit(ReadAgain("storage", 60.0, 60.0))
            assert await read_all(running.port, recorded_reads(5, tables=["storage"])) == []
            await assert_all_accounted(running)
            counts = count_all(running)
            assert counts["budget"] == counts["reads"] == 5


async def test_clients_that_leave_before_the_answer_are_accounted_for(
    conformance_database: ConformanceDatabase,
) -> None:
    reads = recorded_reads(20, tables=["storage"], successful=True)
    async with (
        standing_in(delay=30.0) as upstream,
        playing(make_config(upstream.url, conformance_database.login_url())) as running,
    ):
        clients = [(await asyncio.open_connection(LOCALHOST, running.port))[1] for _ in reads]
        for client, read in zip(clients, reads, strict=True):
            client.write(format_request(as_sent(read)))
        await until(lambda: len(upstream.stand_in.transports) == len(reads))
        for client in clients:
            client.transport.abort()
            with contextlib.suppress(ConnectionError):
                await client.wait_closed()
        await until(lambda: count_all(running)["reads"] == len(reads))
        assert count_all(running)["client_gone"] == len(reads)
        await assert_all_accounted(running)
        await until(lambda: not upstream.stand_in.transports)


async def test_closing_the_proxy_accounts_for_what_was_still_waiting(
    conformance_database: ConformanceDatabase,
) -> None:
    shadow = ShadowConfig(concurrency=2, timeout=30.0)
    async with standing_in() as upstream:
        config = make_config(upstream.url, conformance_database.login_url(), shadow=shadow)
        async with playing(config) as running, hung(conformance_database):
            assert await read_all(running.port, recorded_reads(20, tables=["storage"])) == []
            assert count_all(running)["settled"] == 0
            await running.close()
            counts = count_all(running)
            assert counts["shutdown"] == counts["settled"] == counts["reads"] == 20

"""Mirrored reads are settled in a process of their own, and whatever becomes of it costs clients nothing."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.app import Proxy
from proxy.config import Config, ShadowConfig
from proxy.embedded.processes import child_processes
from proxy.processor import BEGINNING
from proxy.server.pace import Pace
from proxy.tape.wire import WireClient
from tests.e2e.support import (
    LOCALHOST,
    Crowd,
    as_sent,
    assert_all_accounted,
    count_all,
    hung,
    is_settled,
    make_config,
    read_all,
    recorded_reads,
    standing_in,
    until,
    until_async,
)
from tests.support.database import ConformanceDatabase

TABLES = ("storage", "location", "data_item")

PAUSE = 0.05
"""Seconds between two reads of a client: who compares has to come to it besides."""


@asynccontextmanager
async def playing_apart(config: Config) -> AsyncIterator[Proxy]:
    async with Proxy(config, apart=True) as running:
        await until(lambda: running.state.current.engine is not None)
        yield running


def find_opinions() -> list[int]:
    """The children of this process that settle mirrored reads."""
    return [child for child in child_processes(os.getpid()) if _settles(child)]


def _settles(process: int) -> bool:
    told = Path(f"/proc/{process}/cmdline")
    if told.exists():
        return b"proxy.apart" in told.read_bytes()
    listed = subprocess.run(["ps", "-o", "command=", "-p", str(process)], capture_output=True)
    return b"proxy.apart" in listed.stdout


def find_opinion() -> int:
    (found,) = find_opinions()
    return found


async def agree(running: Proxy, count: int) -> None:
    """Wait for so many further matches."""
    before = count_all(running)["match"]
    await until(lambda: count_all(running)["match"] >= before + count)


async def test_each_read_waits_for_its_turn(
    conformance_database: ConformanceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = asyncio.Semaphore(0)

    class Given(Pace):
        async def wait(self) -> None:
            await turns.acquire()

    monkeypatch.setattr("proxy.app.Pace", Given)
    async with standing_in() as upstream:
        config = make_config(upstream.url, conformance_database.login_url())
        async with playing_apart(config) as running:
            await read_all(running.port, recorded_reads(3, tables=TABLES, successful=True))
            assert count_all(running)["settled"] == 0
            for _ in range(3):
                turns.release()
            await until(lambda: count_all(running)["settled"] == 3)


async def test_reads_are_compared_and_no_connection_of_the_mirror_is_here(
    conformance_database: ConformanceDatabase,
) -> None:
    reads = recorded_reads(40, tables=TABLES)
    async with standing_in() as upstream:
        config = make_config(upstream.url, conformance_database.login_url())
        async with playing_apart(config) as running:
            assert await read_all(running.port, reads) == []
            await assert_all_accounted(running)
            counts = count_all(running)
            assert counts["match"] + counts["equivalent"] + counts["indeterminate"] == counts["reads"] == 40
            assert os.getpriority(os.PRIO_PROCESS, find_opinion()) > os.getpriority(os.PRIO_PROCESS, 0)
        assert find_opinions() == []


@asynccontextmanager
async def crowded(
    database: ConformanceDatabase, shadow: ShadowConfig | None = None
) -> AsyncIterator[tuple[Proxy, Crowd]]:
    """A proxy with clients who read all the time: each answer is right, and each read has its end."""
    async with standing_in() as upstream:
        config = make_config(upstream.url, database.login_url(), shadow=shadow or ShadowConfig())
        async with playing_apart(config) as running:
            crowd = Crowd(running.port, recorded_reads(40, tables=TABLES), pause=PAUSE)
            async with crowd.reading(8):
                yield running, crowd
            await assert_all_accounted(running)
        assert crowd.wrong == []
        assert count_all(running)["mismatch"] == 0


async def test_one_that_is_killed_is_replaced_and_every_read_has_its_end(
    conformance_database: ConformanceDatabase,
) -> None:
    async with crowded(conformance_database) as (running, _):
        await agree(running, 20)
        first = find_opinion()
        os.kill(first, signal.SIGKILL)
        await agree(running, 20)
        assert find_opinion() != first


async def test_signals_are_for_the_process_that_serves_clients(
    conformance_database: ConformanceDatabase,
) -> None:
    async with crowded(conformance_database) as (running, _):
        await agree(running, 5)
        opinion = find_opinion()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            os.kill(opinion, number)
        await agree(running, 10)
        assert find_opinion() == opinion


@pytest.mark.skipif(sys.platform != "linux", reason="no other system has such a policy")
async def test_it_takes_what_others_leave_of_the_processor(conformance_database: ConformanceDatabase) -> None:
    async with crowded(conformance_database) as (running, _):
        await agree(running, 5)
        await until(lambda: os.SCHED_IDLE in find_policies(find_opinion()), BEGINNING + 20)
        await agree(running, 5)


def find_policies(process: int) -> set[int]:
    """How the threads of ``process`` are scheduled."""
    return {os.sched_getscheduler(int(thread.name)) for thread in Path(f"/proc/{process}/task").iterdir()}


async def test_one_that_hangs_costs_no_client_anything(conformance_database: ConformanceDatabase) -> None:
    async with crowded(conformance_database, ShadowConfig(queue=4, concurrency=2)) as (running, crowd):
        await agree(running, 5)
        opinion = find_opinion()
        os.kill(opinion, signal.SIGSTOP)
        await crowd.more(200)
        assert count_all(running)["queue"] >= 100
        os.kill(opinion, signal.SIGCONT)
        await agree(running, 5)


async def test_what_is_too_much_there_rests_and_is_told(
    conformance_database: ConformanceDatabase,
) -> None:
    """A locked table takes all the time there is, in a database that is well.

    Where the machine had no processor for it meanwhile, the read is shed and says nothing of the engine: it
    is sent again.
    """
    (read,) = recorded_reads(1, tables=["storage"], successful=True)
    async with standing_in() as upstream:
        shadow = ShadowConfig(timeout=1.0)
        config = make_config(upstream.url, conformance_database.login_url(), shadow=shadow)
        async with (
            playing_apart(config) as running,
            WireClient(f"http://{LOCALHOST}:{running.port}") as client,
        ):

            async def fails() -> bool:
                await client.ask(as_sent(read))
                await until(lambda: is_settled(running))
                return count_all(running)["failed"] == 1

            async with hung(conformance_database):
                await until_async(fails, 60)
            await client.ask(as_sent(read))
            await assert_all_accounted(running)
            counts = count_all(running)
            assert (counts["failed"], counts["resting"]) == (1, 1)
            assert counts["reads"] == counts["settled"] == 2 + counts["deadline"]


async def test_it_follows_the_configuration_in_force(conformance_database: ConformanceDatabase) -> None:
    (read,) = recorded_reads(1, tables=["storage"], successful=True)

    async with standing_in() as upstream:
        config = make_config(upstream.url, conformance_database.login_url())
        async with (
            playing_apart(config) as running,
            WireClient(f"http://{LOCALHOST}:{running.port}") as client,
        ):
            await client.ask(as_sent(read))
            await assert_all_accounted(running)
            snapshot = running.state.current
            small = replace(snapshot.config, engine=replace(snapshot.config.engine, db_max_rows=0))
            assert snapshot.engine is not None
            engine = replace(snapshot.engine, options=small.engine)
            running.state.replace(replace(snapshot, config=small, engine=engine))
            await client.ask(as_sent(read))
            await until(lambda: count_all(running)["mismatch"] == 1)
            await assert_all_accounted(running)


async def test_one_that_hangs_keeps_no_schema_cache_from_being_loaded(
    conformance_database: ConformanceDatabase,
) -> None:
    async with standing_in() as upstream:
        config = make_config(upstream.url, conformance_database.login_url())
        async with playing_apart(config) as running:
            await read_all(running.port, recorded_reads(1, tables=["storage"]))
            await assert_all_accounted(running)
            known, opinion = running.state.current.engine, find_opinion()
            os.kill(opinion, signal.SIGSTOP)
            try:
                running.schema_cache.refresh()
                await until(lambda: running.state.current.engine is not known)
            finally:
                os.kill(opinion, signal.SIGCONT)
            before = count_all(running)["match"]
            assert await read_all(running.port, recorded_reads(20, tables=TABLES)) == []
            await assert_all_accounted(running)
            assert count_all(running)["match"] > before

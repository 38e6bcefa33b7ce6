"""The upstream is taken out of the file and put back while clients read and write: none of them notices."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from proxy.app import Proxy, parse_config
from proxy.messages import Answer
from proxy.tape.compare import deviations
from proxy.tape.format import RecordedExchange
from tests.e2e import programs
from tests.e2e.support import (
    LOCALHOST,
    Crowd,
    assert_all_accounted,
    count_all,
    playing,
    recorded_reads,
    standing_in,
    until,
)
from tests.e2e.writes import Access, drop_role, make_schema
from tests.support.database import run_apart, throwaway_database

CLIENTS = 50
WRITERS = 10
ROUNDS = 3
PACE = 0.02
HEAD = "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nledger: sqlite://\n"
ROLE = "writer_beside_a_reload"


@dataclass
class Stage:
    """A running proxy and its file."""

    running: Proxy
    file: Path
    text: str

    async def put(self, upstream: str | None) -> None:
        """Have this be the upstream, and wait until it is in force."""
        write_file(self.file, self.text, upstream)

        def is_in_force() -> bool:
            config = self.running.state.current.config.upstream
            return (None if config is None else config.url) == upstream

        await until(is_in_force)

    async def wait_writes(self, count: int) -> None:
        """Wait for so many more."""
        goal = self.writes + count
        await until(lambda: self.writes >= goal)

    @property
    def writes(self) -> int:
        return sum(table.writes for table in self.running.tally.report())


def write_file(file: Path, text: str, upstream: str | None) -> str:
    content = text if upstream is None else f"{text}upstream: {{url: {upstream}}}\n"
    file.write_text(content, encoding="utf-8")
    return content


@asynccontextmanager
async def set_the_stage(file: Path, text: str, upstream: str) -> AsyncIterator[Stage]:
    content = write_file(file, text, upstream)
    config = parse_config(content.encode(), file).config
    async with playing(config, path=file, content=content.encode()) as running:
        yield Stage(running, file, text)


def is_right_from_either_side(exchange: RecordedExchange, answer: Answer) -> bool:
    return deviations(exchange, answer) == []


@pytest.mark.usefixtures("engine_environment")
async def test_fifty_readers_do_not_notice_that_postgrest_goes_is_stopped_and_comes_back_elsewhere(
    tmp_path: Path,
) -> None:
    reads = recorded_reads(120, tables=["storage", "location", "lone"], successful=True)
    async with (
        standing_in(delay=PACE) as first,
        set_the_stage(tmp_path / "understudy.yaml", HEAD, first.url) as stage,
    ):
        crowd = Crowd(stage.running.port, reads, is_right_from_either_side)
        async with crowd.reading(CLIENTS):
            await crowd.more(CLIENTS)
            for _ in range(ROUNDS):
                await stage.put(None)
                await crowd.more(2 * CLIENTS)
                await stage.put(first.url)
                await crowd.more(2 * CLIENTS)
            await stage.put(None)
            await crowd.more(2 * CLIENTS)
            # What was asked before it went has been answered: nobody asks PostgREST any more.
            await first.close()
            await crowd.more(2 * CLIENTS)
            async with standing_in(delay=PACE) as second:
                await stage.put(second.url)
                await crowd.more(2 * CLIENTS)
                await stage.put(None)
                await crowd.more(2 * CLIENTS)
        await assert_all_accounted(stage.running)
        counts = count_all(stage.running)
    assert crowd.wrong == []
    assert crowd.answered == counts["reads"]
    assert 0 < counts["engine_served"] < counts["reads"]
    assert counts["mismatch"] == counts["fallbacks"] == 0


@pytest.fixture
def database() -> Iterator[str]:
    with throwaway_database() as url:
        run_apart(make_schema(url, ROLE))
        try:
            yield url
        finally:
            run_apart(drop_role(url, ROLE))


async def test_ten_writers_write_each_row_once_wherever_the_upstream_is(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"PGRST_DB_URI": database, "PGRST_DB_SCHEMAS": "dlm", "PGRST_DB_ANON_ROLE": ROLE}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    done = threading.Event()

    def write_on(writer: int, url: str) -> Counter[int]:
        access, statuses = Access(url), Counter[int]()
        try:
            while not done.is_set():
                key = f"{writer}-{statuses[201]}"
                statuses[access.insert("event", {"key": key, "writer": writer})[0]] += 1
        finally:
            access.close()
        return statuses

    (tmp_path / "logs").mkdir()
    with programs.postgrest(programs.find_postgrest(), tmp_path / "logs", settings) as upstream:
        async with set_the_stage(tmp_path / "understudy.yaml", HEAD, upstream.url) as stage:
            url = f"http://{LOCALHOST}:{stage.running.port}"
            loop = asyncio.get_running_loop()
            with ThreadPoolExecutor(WRITERS) as threads:
                runs = [loop.run_in_executor(threads, write_on, writer, url) for writer in range(WRITERS)]
                for place in [None, upstream.url] * ROUNDS:
                    await stage.put(place)
                    await stage.wait_writes(2 * WRITERS)
                done.set()
                statuses = sum(await asyncio.gather(*runs), Counter[int]())
    connection = await asyncpg.connect(database)
    try:
        rows = await connection.fetch(
            "SELECT count(*), count(DISTINCT key), count(DISTINCT written_by) FROM dlm.event"
        )
    finally:
        await connection.close()
    assert statuses.keys() == {201}
    assert tuple(rows[0]) == (statuses[201], statuses[201], 2)

"""The engine behind the class: when the schema cache is loaded, and what happens while tables change."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from proxy.access.call import Call
from proxy.access.engine import REST, Engine
from proxy.access.engine_calls import ask_engine
from proxy.access.errors import DBStatusError
from proxy.access.place import find_place
from tests.support.database import throwaway_database


@pytest.fixture(scope="module")
def database() -> Any:
    with throwaway_database() as url:
        yield url


class Bench:
    """An engine whose clock is in the test's hands, and somebody who changes its tables."""

    def __init__(self, url: str, administrator: asyncpg.Connection) -> None:
        self.now = 0.0
        self.administrator = administrator
        place = find_place(url, {})
        assert place.read_options is not None
        self.engine = Engine(place.read_options, clock=lambda: self.now)

    async def select(self, table: str) -> Any:
        return await ask_engine(self.engine, Call("", "GET", table), (), 30)


@pytest.fixture
async def bench(database: str) -> AsyncIterator[Bench]:
    administrator = await asyncpg.connect(database)
    bench = Bench(database, administrator)
    try:
        yield bench
    finally:
        await bench.engine.close()
        await administrator.execute("DROP TABLE IF EXISTS one, two, three")
        await administrator.close()


async def test_a_table_that_is_made_later_is_found_but_not_looked_for_all_the_time(bench: Bench) -> None:
    await bench.administrator.execute("CREATE TABLE one (id int)")
    assert await bench.select("one") == []
    await bench.administrator.execute("CREATE TABLE two (id int)")
    with pytest.raises(DBStatusError) as unknown:
        await bench.select("two")
    assert unknown.value.json["code"] == "PGRST205"
    bench.now += REST
    assert await bench.select("two") == []
    await bench.administrator.execute("CREATE TABLE three (id int)")
    with pytest.raises(DBStatusError):
        await bench.select("three")
    await bench.engine.reload()
    assert await bench.select("three") == []


async def test_a_write_that_named_an_unknown_column_is_done_once_when_it_is_known(bench: Bench) -> None:
    await bench.administrator.execute("CREATE TABLE one (id int)")
    assert await bench.select("one") == []
    await bench.administrator.execute("ALTER TABLE one ADD COLUMN later text")
    bench.now += REST
    await ask_engine(bench.engine, Call("", "POST", "one?columns=id,later", None, {"later": "x"}), (), 30)
    assert await bench.administrator.fetchval("SELECT array_agg(later) FROM one") == ["x"]


async def test_calls_that_come_together_wait_for_one_load(bench: Bench) -> None:
    await bench.administrator.execute("CREATE TABLE one (id int)")
    assert await asyncio.gather(*(bench.select("one") for _ in range(20))) == 20 * [[]]


async def test_a_column_that_changes_its_type_is_read_as_it_is_now(bench: Bench) -> None:
    await bench.administrator.execute("CREATE TABLE one (id int); INSERT INTO one VALUES (1)")
    for _ in range(3):
        assert await bench.select("one?id=eq.1") == [{"id": 1}]
    await bench.administrator.execute("ALTER TABLE one ALTER id TYPE text")
    await bench.engine.reload()
    assert await bench.select("one?id=eq.1") == [{"id": "1"}]

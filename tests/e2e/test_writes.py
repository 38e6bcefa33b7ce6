"""Writes through the proxy in each of their modes, on a real database, against a real second server.

The upstream is a real PostgREST where POSTGREST_BIN or PATH has one. Else it is a second process of our own
engine: that shows that the plumbing is right, not that the engine is.
"""

import asyncio
import itertools
import random
import re
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import requests

from proxy.app import Proxy
from proxy.cli import main
from proxy.config import Config, EngineConfig, RehearsalConfig, Rule, WriteMode
from proxy.messages import Request
from proxy.tape.wire import WireClient
from tests.e2e import programs
from tests.e2e.support import LOCALHOST, make_config, playing, until, until_async
from tests.e2e.writes import (
    ENGINE,
    REHEARSAL,
    Access,
    drop_role,
    live_a_life,
    make_schema,
    without_made,
    write_on,
    write_until_cut_off,
)
from tests.support.database import run_apart, throwaway_database

WRITERS = 10
ROUNDS = 6


@dataclass(frozen=True, slots=True)
class Statistics:
    """What PostgreSQL has counted: rows inserted into ``event``, kept or not, and transactions undone."""

    inserted: int
    rolled_back: int


@dataclass(frozen=True, slots=True)
class Place:
    """A database with its role, and the upstream in front of it."""

    database: str
    role: str
    upstream: str

    def config(self, writes: WriteMode, **rehearsal: Any) -> Config:
        engine = EngineConfig(db_uri=self.database, db_schemas=("dlm",), db_anon_role=self.role)
        return make_config(
            self.upstream,
            self.database,
            engine=engine,
            defaults=Rule("engine" if writes == "engine" else "shadow", writes),
            rehearsal=RehearsalConfig(**rehearsal),
        )

    async def fetch(self, query: str) -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(self.database)
        try:
            return [tuple(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    async def empty(self) -> None:
        await self.fetch(
            "TRUNCATE dlm.event, dlm.data_item, dlm.storage, dlm.guarded RESTART IDENTITY CASCADE"
        )

    async def is_silent(self) -> bool:
        """Whether no killed proxy has a transaction in the database."""
        return not await self.fetch(
            "SELECT 1 FROM pg_stat_activity"
            f" WHERE application_name = '{REHEARSAL}' AND xact_start IS NOT NULL"
        )

    async def statistics(self) -> "Statistics":
        await self.fetch("SELECT pg_stat_force_next_flush()")
        rows = await self.fetch(
            "SELECT n_tup_ins, xact_rollback FROM pg_stat_user_tables, pg_stat_database"
            " WHERE relname = 'event' AND datname = current_database()"
        )
        return Statistics(*rows[0])

    async def writers(self, table: str = "event") -> Counter[str]:
        """How many rows there are, by the program that committed them."""
        rows = await self.fetch(f"SELECT written_by, count(*) FROM dlm.{table} GROUP BY 1")
        return Counter(dict(rows))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    role = f"writer_{uuid.uuid4().hex[:12]}"
    with throwaway_database() as database:
        run_apart(make_schema(database, role))
        settings = {
            "PGRST_DB_URI": database,
            "PGRST_DB_SCHEMAS": "dlm",
            "PGRST_DB_ANON_ROLE": role,
        }
        directory = tmp_path_factory.mktemp("upstream")
        try:
            with programs.postgrest(programs.find_postgrest(), directory, settings) as running:
                yield Place(database, role, running.url)
        finally:
            run_apart(drop_role(database, role))


@pytest.fixture
async def emptied(place: Place) -> Place:
    await place.empty()
    return place


@asynccontextmanager
async def accessing(url: str) -> AsyncIterator[Access]:
    access = Access(url)
    try:
        yield access
    finally:
        access.close()


async def live(url: str) -> list[tuple[str, int, Any]]:
    async with accessing(url) as access:
        return await asyncio.to_thread(lambda: list(live_a_life(access)))


async def write_together(url: str) -> Counter[int]:
    """Ten clients write at once; gives the statuses."""

    def run(writer: int) -> list[int]:
        access = Access(url)
        try:
            return list(write_on(access, writer, ROUNDS))
        finally:
            access.close()

    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(WRITERS) as threads:
        runs = [loop.run_in_executor(threads, run, writer) for writer in range(WRITERS)]
        return Counter(status for statuses in await asyncio.gather(*runs) for status in statuses)


CONTENTS = "SELECT key, writer, amount FROM dlm.event ORDER BY key"


def url_of(running: Proxy) -> str:
    return f"http://{LOCALHOST}:{running.port}"


def rehearsed(running: Proxy) -> Counter[str]:
    """What became of all writes in rehearsal, once every end is known."""
    counts: Counter[str] = Counter()
    for table in running.tally.report():
        assert table.to_rehearse == sum(table.rehearsals.values()) + sum(table.unrehearsed.values())
        counts.update({name: count for name, count in table.rehearsals.items() if count})
        counts.update({name: count for name, count in table.unrehearsed.items() if count})
    return counts


def is_rehearsed(running: Proxy) -> bool:
    return all(
        table.to_rehearse == sum(table.rehearsals.values()) + sum(table.unrehearsed.values())
        for table in running.tally.report()
    )


@pytest.mark.parametrize("writes", ["rehearse", "engine"])
async def test_a_data_item_lives_the_same_life_in_every_mode(emptied: Place, writes: WriteMode) -> None:
    place = emptied
    expected = await live(place.upstream)
    await place.empty()
    async with playing(place.config(writes, timeout=10, statement_timeout=5)) as running:
        told = await live(url_of(running))
        await until(lambda: is_rehearsed(running))
        kept = frozenset(str(uuid.UUID(int=number)) for number in (1, 2, 3))
        assert without_made(told, kept) == without_made(expected, kept)
        steps = {step: status for step, status, _ in told}
        assert (steps["insert"], steps["twice"], steps["orphan"], steps["raised"]) == (201, 409, 409, 418)
        assert steps["gone"] == 200
        counts = rehearsed(running)
        writes_made = sum(table.writes for table in running.tally.report())
        assert counts == ({"match": writes_made} if writes == "rehearse" else {})
        assert running.recent.report() == ()


async def test_ten_writers_in_rehearsal_leave_what_they_leave_without_the_proxy(emptied: Place) -> None:
    place = emptied
    statuses = await write_together(place.upstream)
    expected = await place.fetch(CONTENTS)
    assert len(expected) > 2 * WRITERS
    await place.empty()
    before = await place.statistics()
    async with playing(place.config("rehearse", timeout=10, concurrency=4)) as running:
        assert await write_together(url_of(running)) == statuses
        await until(lambda: is_rehearsed(running))
        counts = rehearsed(running)
    assert await place.fetch(CONTENTS) == expected
    writes = sum(statuses.values())
    assert sum(counts.values()) == writes
    assert counts["match"] > WRITERS
    assert counts["mismatch"] == counts["failed"] == counts["unsupported"] == 0
    # Every rehearsal was undone: PostgreSQL counts what was inserted, whether or not it was kept.
    performed = writes - counts["busy"] - counts["deadline"]
    after = await place.statistics()
    assert after.rolled_back - before.rolled_back >= performed
    assert after.inserted - before.inserted > 2 * WRITERS * ROUNDS
    assert REHEARSAL not in await place.writers()
    assert not await place.fetch(f"SELECT 1 FROM pg_stat_activity WHERE application_name = '{REHEARSAL}'")


async def test_a_rehearsal_does_run_and_leaves_gaps_in_sequences(emptied: Place) -> None:
    place = emptied
    async with playing(place.config("rehearse", timeout=10)) as running, accessing(url_of(running)) as access:
        for number in range(5):
            await asyncio.to_thread(access.insert, "event", {"key": str(number)})
        await until(lambda: is_rehearsed(running))
        assert rehearsed(running) == {"match": 5}
    assert await place.fetch("SELECT count(*), max(number) FROM dlm.event") == [(5, 10)]


@pytest.mark.parametrize(
    "prefer",
    ["tx=commit", "tx=rollback", "return=minimal, tx=commit", "return=headers-only, handling=strict"],
)
async def test_no_preference_makes_a_rehearsal_last(emptied: Place, prefer: str) -> None:
    place = emptied
    config = place.config("rehearse", timeout=10)
    config = replace(config, engine=replace(config.engine, db_tx_end="commit-allow-override"))
    async with playing(config) as running:
        url = f"{url_of(running)}/event"
        answer = await asyncio.to_thread(
            requests.post, url, json={"key": "a"}, headers={"Prefer": prefer}, timeout=30
        )
        assert answer.status_code == 201
        await until(lambda: is_rehearsed(running))
        assert sum(rehearsed(running).values()) == 1
    assert REHEARSAL not in await place.writers()
    assert sum((await place.writers()).values()) == 1


JSON = (b"Content-Type", b"application/json")
KEY = b'{"key":"a"}'
ODD = (
    Request("POST", b"/%65vent", (JSON,), KEY),
    Request("POST", b"http://other/event", (JSON,), KEY),
    Request("POST", b"//event", (JSON,), KEY),
    Request("POST", b"/event/", (JSON,), KEY),
    Request("POST", b"/", (JSON,), KEY),
    Request("post", b"/event", (JSON,), KEY),
    Request("BREW", b"/event", (JSON,), KEY),
    Request("OPTIONS", b"/event"),
    Request("GET", b"/event", ((b"X-HTTP-Method-Override", b"POST"), JSON), KEY),
    Request("PUT", b"/event?key=eq.a", (JSON,), KEY),
    Request("PUT", b"/guarded?id=eq.5", (JSON,), b'{"id":5}'),
    Request("GET", b"/rpc/add_event?key=a"),
    Request("HEAD", b"/rpc/add_event?key=a"),
    Request("OPTIONS", b"/rpc/add_event"),
    Request("POST", b"/rpc/add_event", ((b"Content-Type", b"application/x-www-form-urlencoded"),), b"key=a"),
    Request("PATCH", b"/rpc/add_event", (JSON,), KEY),
    Request("DELETE", b"/rpc/add_event"),
    Request("POST", b"/event", ((b"Content-Type", b"text/csv"),), b"key\na\nb\n"),
    Request("POST", b"/event", ((b"Content-Profile", b"public"), JSON), KEY),
    Request("POST", b"/event", ((b"Prefer", b"return=headers-only, tx=commit"), JSON), KEY),
    Request("POST", b"/event?columns=key", (JSON,), b'[{"key":"a","amount":9},{"key":"b"}]'),
    Request("POST", b"/event?select=key,nothing(*)", ((b"Prefer", b"return=representation"), JSON), KEY),
    Request("POST", b"/event", (JSON,), b'{"key":"a"'),
    Request("POST", b"/event", (JSON,), b""),
    Request("POST", b"/event", (JSON,), b"[]"),
    Request("DELETE", b"/event?key=eq.a", (JSON,), KEY),
)


async def ask_oddly(url: str) -> list[tuple[int, bytes]]:
    """The status of each odd request, and what an error says: rows name who wrote them."""
    told = []
    for request in ODD:
        async with WireClient(url, timeout=20.0) as client:
            framing = (b"Host", b"here"), (b"Content-Length", b"%d" % len(request.body))
            answer = await client.ask(request._replace(headers=(*framing, *request.headers)))
            told.append((answer.status, answer.body if answer.status >= 400 else b""))
    return told


@pytest.mark.parametrize("writes", ["rehearse", "engine"])
async def test_no_odd_request_is_done_twice_or_by_the_wrong_side(emptied: Place, writes: WriteMode) -> None:
    place = emptied
    expected = await ask_oddly(place.upstream)
    assert Counter(status for status, _ in expected)[201] >= 6
    contents = await place.fetch(CONTENTS)
    await place.empty()
    async with playing(place.config(writes, timeout=10)) as running:
        assert await ask_oddly(url_of(running)) == expected
        await until(lambda: is_rehearsed(running))
        counts = rehearsed(running)
        assert counts["mismatch"] == counts["failed"] == 0
    assert await place.fetch(CONTENTS) == contents
    assert REHEARSAL not in await place.writers()


async def test_a_write_is_done_once_while_modes_change_under_it(emptied: Place) -> None:
    place = emptied
    async with playing(place.config("upstream", timeout=10)) as running:
        stop = asyncio.Event()

        async def change() -> None:
            chance = random.Random(4)
            while not stop.is_set():
                snapshot = running.state.current
                rule = Rule("shadow", chance.choice(("upstream", "rehearse", "engine")))
                running.state.replace(replace(snapshot, config=replace(snapshot.config, defaults=rule)))
                await asyncio.sleep(0.005)

        changing = asyncio.create_task(change())
        statuses = await write_together(url_of(running))
        stop.set()
        await changing
        await until(lambda: is_rehearsed(running))
        assert set(statuses) <= {200, 201}
    keys = await place.fetch("SELECT key, count(*) FROM dlm.event GROUP BY key HAVING count(*) > 1")
    assert keys == []
    (count,) = (await place.fetch("SELECT count(*) FROM dlm.event"))[0]
    assert count == WRITERS * (2 * ROUNDS - ROUNDS // 3)
    by = await place.writers()
    assert by[ENGINE] > 0
    assert by[REHEARSAL] == 0


async def test_a_write_whose_connection_is_ended_is_undone_and_not_sent_on(emptied: Place) -> None:
    place = emptied
    blocker = await asyncpg.connect(place.database)
    end_it = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        f" WHERE application_name = '{ENGINE}' AND wait_event_type = 'Lock'"
    )

    async def is_ended() -> bool:
        return bool(await blocker.fetchval(end_it))

    try:
        async with playing(place.config("engine")) as running:
            await blocker.execute("BEGIN; LOCK TABLE dlm.event IN ACCESS EXCLUSIVE MODE")
            url = f"{url_of(running)}/event"
            write = asyncio.create_task(asyncio.to_thread(requests.post, url, json={"key": "a"}, timeout=30))
            await until_async(is_ended)
            answer = await write
            await blocker.execute("ROLLBACK")
            assert answer.status_code >= 500
            assert answer.json()["code"] in ("57P01", "PGRST001")
            (event,) = (row for row in running.tally.report() if row.table == "event")
            assert (event.writes, sum(event.fallbacks.values()), event.unknown_outcomes) == (1, 0, 0)
    finally:
        await blocker.close()
    assert await place.fetch("SELECT count(*) FROM dlm.event") == [(0,)]


async def test_a_rehearsal_that_meets_a_lock_gives_up_and_its_write_goes_on(emptied: Place) -> None:
    place = emptied
    blocker = await asyncpg.connect(place.database)
    is_waiting = (
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        f" AND application_name <> '{REHEARSAL}' AND datname = current_database()"
    )

    async def is_the_upstreams_turn() -> bool:
        return bool(await blocker.fetchval(is_waiting))

    try:
        config = place.config("rehearse", timeout=10, lock_timeout=0.05)
        async with playing(config) as running, accessing(url_of(running)) as access:
            await asyncio.to_thread(access.insert, "event", {"key": "a", "amount": 1})
            await blocker.execute("BEGIN; UPDATE dlm.event SET amount = 2")
            write = asyncio.create_task(asyncio.to_thread(access.update, "event", {"amount": 3}, key="eq.a"))
            await until_async(is_the_upstreams_turn)
            await blocker.execute("COMMIT")
            assert (await write)[0] == 200
            await until(lambda: is_rehearsed(running))
            assert rehearsed(running) == {"match": 1, "inconclusive": 1}
    finally:
        await blocker.close()
    assert await place.fetch("SELECT amount FROM dlm.event") == [(3,)]


@pytest.mark.parametrize("writes", ["rehearse", "engine"])
async def test_nothing_is_done_twice_or_by_a_rehearsal_when_the_proxy_is_killed(
    emptied: Place, tmp_path: Path, writes: WriteMode
) -> None:
    place = emptied
    file = tmp_path / "understudy.yaml"
    file.write_text(
        "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\n"
        f"upstream: {{url: '{place.upstream}'}}\n"
        f"engine: {{db-uri: '{place.database}', db-schemas: dlm, db-anon-role: {place.role}}}\n"
        f"defaults: {{writes: {writes}}}\n"
        "rehearsal: {timeout: 10s, concurrency: 8}\n",
        encoding="utf-8",
    )
    chance = random.Random(11)
    # What the upstream was given before a kill it may do later: no other test may take it for its own.
    run = uuid.uuid4().hex[:8]
    tried, acknowledged = 0, set[str]()
    for life in range(3):
        with programs.serving(file, tmp_path, {}) as running:
            for number, keys in await kill_among_writes(running, f"{run}-{life}", chance.randrange(20, 60)):
                tried += number
                acknowledged |= keys
    await until_async(place.is_silent)
    written = [key for (key,) in await place.fetch(f"SELECT key FROM dlm.event WHERE key LIKE '{run}-%'")]
    assert len(written) == len(set(written)) <= tried, "no write was done twice"
    assert acknowledged <= set(written)
    by = await place.writers()
    assert by[REHEARSAL] == 0
    assert (by[ENGINE] > 0) == (writes == "engine")
    (numbers,) = (await place.fetch("SELECT last_value FROM dlm.event_number_seq"))[0]
    assert numbers > len(written) or writes == "engine", "rehearsals did run"


async def kill_among_writes(running: programs.Program, life: str, count: int) -> list[tuple[int, set[str]]]:
    """Kill the program as soon as ``count`` writes are done; what each writer tried and got acknowledged."""
    loop, enough = asyncio.get_running_loop(), asyncio.Event()
    done = itertools.count(1)

    def note() -> None:
        if next(done) == count:
            loop.call_soon_threadsafe(enough.set)

    def write(writer: int) -> tuple[int, set[str]]:
        access = Access(running.url)
        try:
            number, keys = write_until_cut_off(access, f"{life}-{writer}", note)
            return number, set(keys)
        finally:
            access.close()

    with ThreadPoolExecutor(WRITERS) as threads:
        runs = [loop.run_in_executor(threads, write, writer) for writer in range(WRITERS)]
        try:
            await asyncio.wait_for(enough.wait(), 60)
        finally:
            running.process.kill()
        return list(await asyncio.gather(*runs))


class TestATableWhoseTriggersReachOutside:
    """Its writes pass to the upstream alone, whatever the configuration says, and everybody is told why."""

    REASON = "dlm.call_outside calls pg_advisory_unlock, which a rollback does not undo"

    async def test_is_not_rehearsed_and_the_status_says_why(self, emptied: Place) -> None:
        async with playing(emptied.config("rehearse", timeout=10)) as running:
            admin = f"http://{LOCALHOST}:{running.admin_port}/status"
            status = (await asyncio.to_thread(requests.get, admin, timeout=30)).json()
            rows = {row["table"]: row for row in status["modes"]}
            assert rows["guarded"]["writes"] == "upstream"
            assert rows["guarded"]["hazards"] == [self.REASON]
            assert (rows["event"]["writes"], rows["event"]["hazards"]) == ("rehearse", [])
            url = f"{url_of(running)}/guarded"
            await asyncio.to_thread(requests.post, url, json={"id": 1}, timeout=30)
            (row,) = (row for row in running.tally.report() if row.table == "guarded")
            assert (row.writes, row.to_rehearse) == (1, 0)
        assert await emptied.fetch("SELECT id FROM dlm.guarded") == [(1,)]

    def test_is_named_by_the_check(
        self, emptied: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "checked.yaml"
        text = (
            f"upstream: {{url: '{emptied.upstream}'}}\n"
            f"engine: {{db-uri: '{emptied.database}', db-schemas: dlm, db-anon-role: {emptied.role}}}\n"
            "tables: {event: {writes: rehearse}, guarded: {writes: %s}}\n"
        )
        file.write_text(text % "rehearse", encoding="utf-8")
        assert main(["check", "--config", str(file)]) == 1
        shown = capsys.readouterr().out
        assert re.search(r"event\tshadow\trehearse", shown)
        assert re.search(r"guarded\tshadow\tupstream \(rehearse is refused\)", shown)
        assert f"guarded: writes are not rehearsed but passed to the upstream\n  {self.REASON}\n" in shown
        file.write_text(text % "upstream", encoding="utf-8")
        assert main(["check", "--config", str(file)]) == 0
        capsys.readouterr()
        file.write_text(text % "upstream" + "rehearsal: {lock_timeout: 1s}\n", encoding="utf-8")
        assert main(["check", "--config", str(file)]) == 1
        assert (
            "rehearsal.lock_timeout is not below PostgreSQL's deadlock_timeout (1 s)"
            in capsys.readouterr().out
        )

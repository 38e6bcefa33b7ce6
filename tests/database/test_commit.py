"""Where a transaction ends: committed, undone, or nobody knows."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest

from proxy.config import EngineConfig
from proxy.database.answer import answer
from proxy.database.connection import Database
from proxy.database.snapshot import EngineSnapshot
from proxy.engine.sql.session import Rehearsal
from proxy.errors import OutcomeUnknown
from proxy.messages import Answer, Request
from tests.support.database import ConformanceDatabase

SCHEMA = """
CREATE SCHEMA ending;
CREATE TABLE ending.note (id integer PRIMARY KEY, text text UNIQUE DEFERRABLE INITIALLY DEFERRED);
CREATE FUNCTION ending.last_act() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.text = 'terminate' THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
  IF NEW.text = 'linger' THEN PERFORM pg_sleep(60); END IF;
  RETURN NEW;
END $$;
CREATE CONSTRAINT TRIGGER last_act AFTER INSERT ON ending.note DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION ending.last_act();
"""
REHEARSAL = Rehearsal(lock_timeout=0.05, statement_timeout=0.5)


@dataclass(frozen=True)
class Stage:
    """A table whose rows may end their transaction's connection; ``direct`` looks at it from outside."""

    database: Database
    snapshot: EngineSnapshot
    direct: asyncpg.Connection

    async def insert(self, number: int, text: str, rehearsal: Rehearsal | None = None) -> Answer:
        body = json.dumps({"id": number, "text": text}).encode()
        request = Request("POST", b"/note", ((b"Prefer", b"return=representation"),), body)
        return await answer(request, self.snapshot, self.database, rehearsal=rehearsal)

    async def rows(self) -> list[str]:
        return [row["text"] for row in await self.direct.fetch("SELECT text FROM ending.note ORDER BY id")]


@pytest.fixture
async def stage(conformance_database: ConformanceDatabase) -> AsyncIterator[Stage]:
    direct = await asyncpg.connect(conformance_database.url)
    await direct.execute(SCHEMA)
    options = EngineConfig(db_uri=conformance_database.url, db_schemas=("ending",), db_anon_role="postgres")
    database = Database(options, connections=2, application_name="ending")
    try:
        snapshot = EngineSnapshot(options, await database.load_schema(options))
        yield Stage(database, snapshot, direct)
    finally:
        await database.close()
        await direct.execute("DROP SCHEMA ending CASCADE")
        await direct.close()


async def test_what_is_committed_is_there(stage: Stage) -> None:
    assert (await stage.insert(1, "plain")).status == 201
    assert await stage.rows() == ["plain"]


async def test_a_refusal_at_the_commit_is_the_answer(stage: Stage) -> None:
    await stage.insert(1, "plain")
    refused = await stage.insert(2, "plain")
    assert (refused.status, json.loads(refused.body)["code"]) == (409, "23505")
    assert await stage.rows() == ["plain"]


async def test_a_connection_lost_during_the_commit_leaves_the_outcome_unknown(stage: Stage) -> None:
    with pytest.raises(OutcomeUnknown) as caught:
        await stage.insert(1, "terminate")
    assert (caught.value.error.status, caught.value.error.code) == (500, "08007")
    assert (await stage.insert(2, "plain")).status == 201
    assert await stage.rows() == ["plain"]


async def test_a_commit_that_is_given_up_leaves_the_outcome_unknown(stage: Stage) -> None:
    task = asyncio.create_task(stage.insert(1, "linger"))
    await until_somebody_lingers(stage)
    task.cancel()
    with pytest.raises(OutcomeUnknown):
        await task


async def until_somebody_lingers(stage: Stage) -> None:
    lingering = "SELECT FROM pg_stat_activity WHERE application_name = 'ending' AND wait_event = 'PgSleep'"
    async with asyncio.timeout(30):
        while not await stage.direct.fetch(lingering):
            continue


async def test_a_rehearsal_answers_as_the_real_one_and_leaves_nothing(stage: Stage) -> None:
    rehearsed = await stage.insert(1, "plain", REHEARSAL)
    assert await stage.rows() == []
    assert rehearsed == await stage.insert(1, "plain")


async def test_a_rehearsal_sees_what_is_deferred_to_the_commit(stage: Stage) -> None:
    await stage.insert(1, "plain")
    refused = await stage.insert(2, "plain", REHEARSAL)
    assert (refused.status, json.loads(refused.body)["code"]) == (409, "23505")


async def test_a_rehearsal_neither_waits_for_locks_nor_works_for_long(stage: Stage) -> None:
    async with stage.direct.transaction():
        await stage.direct.execute("LOCK TABLE ending.note")
        locked = await stage.insert(1, "plain", REHEARSAL)
    assert json.loads(locked.body)["code"] == "55P03"
    slow = await stage.insert(1, "linger", REHEARSAL)
    assert json.loads(slow.body)["code"] == "57014"
    assert await stage.rows() == []

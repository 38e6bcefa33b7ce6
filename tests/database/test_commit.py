"""Where a transaction ends: committed, undone, or nobody knows."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from proxy.config import EngineConfig
from proxy.database.answer import answer
from proxy.database.connection import Database
from proxy.database.pipeline import NeverSent, Pipeline
from proxy.database.snapshot import EngineSnapshot
from proxy.database.transaction import Transaction
from proxy.database.wire import encode_values
from proxy.engine.sql.session import Rehearsal, Session
from proxy.errors import EngineDown, OutcomeUnknown
from proxy.messages import Answer, Request
from tests.faults.relay import Relay, relaying
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
CREATE FUNCTION ending.first_act() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.text = 'end at once' THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
  IF NEW.text = 'wait' THEN PERFORM pg_sleep(60); END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER first_act BEFORE INSERT ON ending.note FOR EACH ROW EXECUTE FUNCTION ending.first_act();
CREATE CONSTRAINT TRIGGER last_act AFTER INSERT ON ending.note DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION ending.last_act();
"""
REHEARSAL = Rehearsal(lock_timeout=0.05, statement_timeout=0.5)


@dataclass(frozen=True)
class Stage:
    """A table whose rows may end their transaction's connection; ``direct`` looks at it from outside,
    the engine through ``relay``."""

    database: Database
    snapshot: EngineSnapshot
    direct: asyncpg.Connection
    relay: Relay
    hasty: bool

    async def insert(self, number: int, text: str, rehearsal: Rehearsal | None = None) -> Answer:
        body = json.dumps({"id": number, "text": text}).encode()
        request = Request("POST", b"/note", ((b"Prefer", b"return=representation"),), body)
        return await answer(request, self.snapshot, self.database, rehearsal=rehearsal)

    async def rows(self) -> list[str]:
        return [row["text"] for row in await self.direct.fetch("SELECT text FROM ending.note ORDER BY id")]


@pytest.fixture(params=[False, True], ids=["patient", "hasty"])
async def stage(
    request: pytest.FixtureRequest, conformance_database: ConformanceDatabase
) -> AsyncIterator[Stage]:
    direct = await asyncpg.connect(conformance_database.url)
    await direct.execute(SCHEMA)
    where = urlsplit(conformance_database.url)
    try:
        async with relaying(where.hostname or "", where.port or 5432) as relay:
            place = where._replace(netloc=f"{where.username}@127.0.0.1:{relay.port}", query="sslmode=disable")
            options = EngineConfig(db_uri=urlunsplit(place), db_schemas=("ending",), db_anon_role="postgres")
            database = Database(options, connections=2, application_name="ending", hasty=request.param)
            snapshot = EngineSnapshot(options, await database.load_schema(options))
            yield Stage(database, snapshot, direct, relay, request.param)
            await database.close()
    finally:
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


async def test_what_the_server_ends_before_the_commit_has_not_happened(stage: Stage) -> None:
    answered = await failure_of(stage.insert(1, "end at once"))
    assert not isinstance(answered, OutcomeUnknown)
    assert (answered.error.status, answered.error.code) == (503, "57P01")
    assert await stage.rows() == []


async def test_a_hasty_write_whose_connection_breaks_may_have_happened(stage: Stage) -> None:
    task = asyncio.create_task(stage.insert(1, "wait"))
    await until_somebody_lingers(stage)
    await stage.relay.become("gone")
    assert isinstance(await failure_of(task), OutcomeUnknown) == stage.hasty


async def test_what_was_never_sent_has_not_happened(stage: Stage) -> None:
    pipeline = Pipeline(await asyncpg.connect(stage.snapshot.options.db_uri), prepares=True)
    pipeline.terminate()
    session = Session((), "", authenticated=False, read_only=False)
    transaction = Transaction(pipeline, session, read_only=False, ending=(), hasty=stage.hasty)
    with pytest.raises(NeverSent):
        await transaction.fetch_only("INSERT INTO ending.note VALUES (1, 'x')", encode_values(()))


async def failure_of(work: Awaitable[object]) -> EngineDown:
    with pytest.raises(EngineDown) as caught:
        await work
    return caught.value


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

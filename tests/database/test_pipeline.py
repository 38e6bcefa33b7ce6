"""Steps that are sent at once, on a connection that the driver uses as well."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from proxy.database.pipeline import AnswerTooLarge, NeverSent, Pipeline, Refused
from proxy.database.wire import Step, encode_values
from tests.faults.relay import relaying
from tests.support.database import ConformanceDatabase

BEGIN, COMMIT, ROLLBACK = Step("BEGIN"), Step("COMMIT"), Step("ROLLBACK")


@pytest.fixture(params=[True, False], ids=["prepared", "unprepared"])
async def pipeline(
    request: pytest.FixtureRequest, conformance_database: ConformanceDatabase
) -> AsyncIterator[Pipeline]:
    made = Pipeline(await asyncpg.connect(conformance_database.url), prepares=request.param)
    yield made
    made.terminate()


async def ask(pipeline: Pipeline, sql: str, *values: str) -> list[list[bytes | None]]:
    return await pipeline.run((Step(sql, encode_values(values)),), 0)


async def test_all_steps_are_one_transaction(pipeline: Pipeline) -> None:
    steps = (
        BEGIN,
        Step("SELECT set_config('a.b', $1, true)", encode_values(["x"])),
        Step("SELECT current_setting('a.b')"),
        COMMIT,
    )
    for _ in range(3):
        assert await pipeline.run(steps, 2) == [[b"x"]]
        assert not pipeline.in_transaction
    assert await ask(pipeline, "SELECT current_setting('a.b', true)") == [[b""]]


async def test_the_rows_of_the_wanted_step_are_given(pipeline: Pipeline) -> None:
    steps = (Step("SELECT 1"), Step("SELECT n, NULL FROM generate_series(1, 3) n"), Step("SELECT 2"))
    assert await pipeline.run(steps, 1) == [[b"1", None], [b"2", None], [b"3", None]]


async def test_a_column_comes_in_binary_if_it_is_to(pipeline: Pipeline) -> None:
    step = Step("SELECT 7, $1::bytea, 'é'", encode_values(["\\x00ff"], (False, True, True)))
    assert await pipeline.run((step,), 0) == [[b"7", b"\0\xff", "é".encode()]]


async def test_nothing_behind_a_refusal_is_done(pipeline: Pipeline) -> None:
    marker = Step("SELECT set_config('a.after', 'done', false)")
    with pytest.raises(Refused) as caught:
        await pipeline.run((BEGIN, Step("SELECT 1 / 0"), marker, COMMIT), 1)
    assert (caught.value.message.sqlstate, caught.value.message.severity_en) == ("22012", "ERROR")
    assert pipeline.in_transaction
    await pipeline.run((ROLLBACK,), 1)
    assert not pipeline.in_transaction
    assert await ask(pipeline, "SELECT current_setting('a.after', true)") == [[None]]


async def test_a_statement_that_could_not_be_prepared_is_prepared_again(pipeline: Pipeline) -> None:
    for _ in range(2):
        with pytest.raises(Refused) as caught:
            await pipeline.run((Step("SELECT 1"), Step("SELECT nothing"), Step("SELECT 3")), 0)
        assert caught.value.message.sqlstate == "42703"
    assert await ask(pipeline, "SELECT 3") == [[b"3"]]


async def test_the_driver_has_its_turns_between(pipeline: Pipeline) -> None:
    for number in range(3):
        assert await ask(pipeline, "SELECT $1", str(number)) == [[str(number).encode()]]
        assert await pipeline.driver.fetchval("SELECT $1::int + 1", number) == number + 1


async def test_what_is_prepared_is_prepared_anew_when_its_result_has_changed(pipeline: Pipeline) -> None:
    await pipeline.driver.execute("CREATE TEMP TABLE changing (a int)")
    select = "SELECT * FROM changing"
    assert await ask(pipeline, select) == []
    await pipeline.driver.execute("ALTER TABLE changing ALTER a TYPE text")
    if pipeline._prepares:
        with pytest.raises(Refused) as caught:
            await ask(pipeline, select)
        assert isinstance(caught.value.message, asyncpg.InvalidCachedStatementError)
    assert await ask(pipeline, select) == []


async def test_what_is_prepared_is_prepared_anew_when_it_is_gone(pipeline: Pipeline) -> None:
    await ask(pipeline, "SELECT 1")
    await pipeline.driver.execute("DEALLOCATE ALL")
    if pipeline._prepares:
        with pytest.raises(Refused):
            await ask(pipeline, "SELECT 1")
    assert await ask(pipeline, "SELECT 1") == [[b"1"]]


async def test_no_more_is_kept_prepared_than_fits(conformance_database: ConformanceDatabase) -> None:
    made = Pipeline(await asyncpg.connect(conformance_database.url), prepares=True)
    try:
        filler = "x" * 10_000
        for number in range(150):
            await ask(made, f"SELECT {number}, '{filler}'")
        assert (await ask(made, f"SELECT 0, '{filler}'"))[0][0] == b"0"
        characters = await made.driver.fetchval(
            "SELECT sum(length(statement)) FROM pg_prepared_statements WHERE name LIKE 'under%'"
        )
        assert 1_000_000 < characters < 1_100_000
    finally:
        made.terminate()


async def test_a_refusal_with_the_code_of_a_warning_is_a_refusal(pipeline: Pipeline) -> None:
    with pytest.raises(Refused) as caught:
        await ask(pipeline, "DO $$ BEGIN RAISE SQLSTATE '01000' USING MESSAGE = 'odd'; END $$")
    assert caught.value.message.sqlstate == "01000"


async def test_notices_are_no_answer(pipeline: Pipeline) -> None:
    notice = Step("DO $$ BEGIN RAISE WARNING 'careful'; SET LOCAL TimeZone = 'Asia/Tokyo'; END $$")
    assert await pipeline.run((BEGIN, notice, Step("SELECT 1"), COMMIT), 2) == [[b"1"]]


async def test_a_long_row_comes_whole(pipeline: Pipeline) -> None:
    assert await ask(pipeline, "SELECT repeat($1, 3000000), 'end'", "é") == [
        ["é".encode() * 3_000_000, b"end"]
    ]


async def test_who_waits_is_told_when_the_server_ends_the_connection(pipeline: Pipeline) -> None:
    with pytest.raises(Refused) as caught:
        await ask(pipeline, "SELECT pg_terminate_backend(pg_backend_pid())")
    assert (caught.value.message.sqlstate, caught.value.message.severity_en) == ("57P01", "FATAL")
    await asyncio.sleep(0)
    assert pipeline.is_closed()
    with pytest.raises(NeverSent):
        await ask(pipeline, "SELECT 1")


async def test_nobody_is_given_the_answer_to_what_somebody_else_gave_up(pipeline: Pipeline) -> None:
    given_up = asyncio.create_task(ask(pipeline, "SELECT 'theirs'"))
    await asyncio.sleep(0)
    given_up.cancel()
    with pytest.raises(NeverSent):
        await ask(pipeline, "SELECT 'ours'")
    assert pipeline.is_closed()


async def test_an_answer_that_is_too_large_ends_the_connection_before_it_has_come(
    conformance_database: ConformanceDatabase,
) -> None:
    driver = await asyncpg.connect(conformance_database.url)
    made = Pipeline(driver, prepares=True, largest=lambda: 1_000_000)
    assert await ask(made, "SELECT length(repeat('x', 2000000))") == [[b"2000000"]]
    with pytest.raises(AnswerTooLarge):
        await ask(made, "SELECT repeat('x', 2000000)")
    assert made.is_closed()


@pytest.mark.parametrize("idle", [True, False], ids=["to the driver", "to a step"])
async def test_garbage_ends_the_connection_instead_of_the_process(
    conformance_database: ConformanceDatabase, idle: bool
) -> None:
    where = urlsplit(conformance_database.url)
    async with relaying(where.hostname or "", where.port or 5432) as relay:
        url = urlunsplit(
            where._replace(netloc=f"{where.username}@127.0.0.1:{relay.port}", query="sslmode=disable")
        )
        for _ in range(20):
            made = Pipeline(await asyncpg.connect(url), prepares=True)
            await relay.become("garbage")
            with pytest.raises(
                (asyncpg.InternalClientError, asyncpg.ConnectionDoesNotExistError, TimeoutError)
            ):
                async with asyncio.timeout(1):
                    await (made.driver.fetchval("SELECT 1") if idle else ask(made, "SELECT 1"))
            made.terminate()
            await relay.become("well")


async def test_who_waits_is_told_when_the_connection_breaks(pipeline: Pipeline) -> None:
    waiting = asyncio.create_task(ask(pipeline, "SELECT pg_sleep(60)"))
    await asyncio.sleep(0)
    pipeline.terminate()
    with pytest.raises(asyncpg.ConnectionDoesNotExistError):
        await waiting

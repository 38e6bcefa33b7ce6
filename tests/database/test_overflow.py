"""An answer for which there is no room is told from a database that is not there."""

import asyncpg
import pytest

from proxy.config import EngineConfig
from proxy.database.answer import answer
from proxy.database.connection import Database
from proxy.database.snapshot import EngineSnapshot
from proxy.errors import EngineOverflows
from proxy.messages import Request
from tests.support.database import throwaway_database

SCHEMA = """
create schema api;
create view api.huge as select n, repeat('x', 2000000) as filler from generate_series(1, 2) n;
"""


async def test_an_answer_that_overflows_is_given_up_and_the_next_one_comes() -> None:
    with throwaway_database() as url:
        connection = await asyncpg.connect(url)
        await connection.execute(SCHEMA)
        await connection.close()
        options = EngineConfig(db_uri=url, db_schemas=("api",), db_anon_role="postgres")
        database = Database(options, connections=1, application_name="overflow", largest=lambda: 3_000_000)
        try:
            snapshot = EngineSnapshot(options, await database.load_schema(options))
            with pytest.raises(EngineOverflows) as caught:
                await answer(Request("GET", b"/huge"), snapshot, database)
            assert caught.value.error.status == 503
            assert (await answer(Request("GET", b"/huge?n=eq.1"), snapshot, database)).status == 200
        finally:
            await database.close()

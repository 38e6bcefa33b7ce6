"""What one role may do another must not, whatever the connection it gets was used for before."""

import json

from proxy.database.answer import answer
from proxy.database.connection import Database
from proxy.database.snapshot import EngineSnapshot
from proxy.messages import Answer, Request
from proxy.tape.request import sign
from tests.support.conformance import settings
from tests.support.database import ConformanceDatabase
from tests.support.engine import engine_options


async def test_a_plan_made_for_one_role_does_not_serve_another(
    conformance_database: ConformanceDatabase,
) -> None:
    """PostgreSQL puts the body of a function in SQL in place of its call, and asks nobody any more."""
    options = await engine_options(conformance_database)
    database = Database(options, connections=1, application_name="roles")
    token = sign('{"role": "dlm_operator"}', settings())

    async def call(*headers: tuple[bytes, bytes]) -> Answer:
        request = Request("POST", b"/rpc/secret_function", headers, b"{}")
        return await answer(request, snapshot, database)

    try:
        snapshot = EngineSnapshot(options, await database.load_schema(options))
        for _ in range(7):
            allowed = await call((b"Authorization", b"Bearer " + token))
            assert (allowed.status, allowed.body) == (200, b'"classified"')
            refused = await call()
            assert (refused.status, json.loads(refused.body)["code"]) == (401, "42501")
    finally:
        await database.close()

"""The engine in this process, under one of the recorded configurations."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

from proxy.config import Compat, EngineConfig
from proxy.config.engine import read_options
from proxy.database.answer import answer
from proxy.database.connection import Database
from proxy.database.snapshot import EngineSnapshot
from proxy.messages import Answer, Request
from proxy.tape.replay import Ask
from tests.support.conformance import login_role, variant_options
from tests.support.database import ConformanceDatabase


def engine_options(
    database: ConformanceDatabase, variant: str = "default", compat: Compat = "14"
) -> EngineConfig:
    """The options of a recorded variant, on ``database``."""
    environ = {**variant_options(variant), "PGRST_DB_URI": database.login_url(login_role(variant))}
    return replace(read_options({}, environ), compat=compat)


@contextlib.asynccontextmanager
async def engine(options: EngineConfig) -> AsyncIterator[Ask]:
    """The engine's one function, bound to a schema cache and a pool of its own."""
    database = Database(options, connections=4, application_name="understudy tests")
    try:
        snapshot = EngineSnapshot(options, await database.load_schema(options))

        async def ask(request: Request) -> Answer:
            return await answer(request, snapshot, database)

        yield ask
    finally:
        await database.close()

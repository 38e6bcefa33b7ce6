"""The engine in this process, under one of the recorded configurations."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg

from proxy.config import Compat, EngineConfig
from proxy.config.engine import read_standalone
from proxy.config.in_database import DATABASE_SETTINGS, read_database
from proxy.database.answer import answer
from proxy.database.connection import Database
from proxy.database.settings import read_settings
from proxy.database.snapshot import EngineSnapshot
from proxy.messages import Answer, Request
from proxy.tape.replay import Ask
from tests.support.conformance import login_role, variant_options
from tests.support.database import ConformanceDatabase


async def engine_options(
    database: ConformanceDatabase, variant: str = "default", compat: Compat = "14"
) -> EngineConfig:
    """The options of a recorded variant, with those that its database holds."""
    environ = {**variant_options(variant), "PGRST_DB_URI": database.login_url(login_role(variant))}
    options = read_standalone({}, environ)
    connection = await asyncpg.connect(options.db_uri)
    try:
        kept = await read_settings(connection, list(DATABASE_SETTINGS), options.db_pre_config)
    finally:
        await connection.close()
    return replace(read_standalone({}, environ, database=read_database(kept)), compat=compat)


@contextlib.asynccontextmanager
async def engine(options: EngineConfig) -> AsyncIterator[Ask]:
    """The engine's one function, bound to a schema cache and a pool of its own."""
    database = Database(options, connections=4, application_name="understudy tests")
    try:
        snapshot = EngineSnapshot(options, await database.load_schema(options))

        async def ask(request: Request) -> Answer:
            return await answer(_as_read_from_the_wire(request), snapshot, database)

        yield ask
    finally:
        await database.close()


def _as_read_from_the_wire(request: Request) -> Request:
    """Blanks around a header's value are no part of it (RFC 9112, section 5.1)."""
    return request._replace(headers=tuple((name, value.strip(b" \t")) for name, value in request.headers))

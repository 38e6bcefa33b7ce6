"""What the database says of how the engine is to run."""

from collections.abc import AsyncIterator
from contextlib import nullcontext
from typing import Any

import asyncpg
import pytest

from proxy.config.in_database import DATABASE_SETTINGS
from proxy.database.server import check_server
from proxy.database.settings import read_role_settings, read_server, read_settings
from proxy.errors import Unrecoverable
from tests.support.database import ConformanceDatabase

NAMES = tuple(DATABASE_SETTINGS)


@pytest.fixture
async def connection(conformance_database: ConformanceDatabase) -> AsyncIterator[Any]:
    """The role with settings of its own; what a test changes is undone."""
    superuser = await asyncpg.connect(conformance_database.url)
    connection = await asyncpg.connect(conformance_database.login_url("dlm_authenticator_cfg"))
    try:
        yield connection
    finally:
        await connection.close()
        database = await superuser.fetchval("select quote_ident(current_database())")
        await superuser.execute(f"alter role dlm_authenticator_cfg in database {database} reset all")
        await superuser.close()


async def test_the_settings_of_the_connecting_role_are_read(connection: Any) -> None:
    assert await read_settings(connection, NAMES, None) == {
        "pgrst.db_schemas": "other",
        "pgrst.db_anon_role": "dlm_anon",
        "pgrst.db_max_rows": "3",
        "pgrst.db_tx_end": "rollback",
        "pgrst.openapi_mode": "disabled",
    }


async def test_those_for_this_database_win_and_only_those_that_are_asked_for_count(
    connection: Any, conformance_database: ConformanceDatabase
) -> None:
    superuser = await asyncpg.connect(conformance_database.url)
    try:
        database = await superuser.fetchval("select quote_ident(current_database())")
        for setting in ("pgrst.db_max_rows = '9=9'", "pgrst.db_pool = '7'", "work_mem = '5MB'"):
            await superuser.execute(f"alter role dlm_authenticator_cfg in database {database} set {setting}")
        await superuser.execute(
            "alter role dlm_authenticator_cfg in database postgres set pgrst.jwt_aud = 'x'"
        )
        found = await read_settings(connection, NAMES, None)
    finally:
        await superuser.execute("alter role dlm_authenticator_cfg in database postgres reset all")
        await superuser.close()
    assert found["pgrst.db_max_rows"] == "9=9"
    assert found.keys() == {
        f"pgrst.{name}" for name in ("db_schemas", "db_anon_role", "db_max_rows", "db_tx_end", "openapi_mode")
    }


async def test_a_function_fills_the_gaps_that_the_role_leaves(connection: Any) -> None:
    found = await read_settings(connection, NAMES, "test_support.configure")
    assert found["pgrst.db_schemas"] == "other"
    assert found["pgrst.db_aggregates_enabled"] == "true"
    # What it set for its transaction is gone, and not taken for a setting to be empty.
    assert "pgrst.db_aggregates_enabled" not in await read_settings(connection, NAMES, "now")


@pytest.mark.parametrize("name", ["missing", "test_support.missing", 'odd"name', "select", "a.b.c"])
async def test_a_function_that_does_not_exist_is_postgresqls_error(connection: Any, name: str) -> None:
    with pytest.raises((asyncpg.UndefinedFunctionError, asyncpg.InvalidSchemaNameError)):
        await read_settings(connection, NAMES, name)
    assert await connection.fetchval("select 1") == 1


async def test_a_function_cannot_write(connection: Any, conformance_database: ConformanceDatabase) -> None:
    superuser = await asyncpg.connect(conformance_database.url)
    try:
        await superuser.execute(
            "create function public.configure_by_writing() returns void language sql"
            " as 'create table public.written ()'"
        )
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await read_settings(connection, NAMES, "public.configure_by_writing")
    finally:
        await superuser.execute("drop function if exists public.configure_by_writing()")
        await superuser.close()


async def test_settings_of_roles_are_those_the_connecting_role_may_make(
    conformance_database: ConformanceDatabase,
) -> None:
    connection = await asyncpg.connect(conformance_database.login_url())
    try:
        roles = await read_role_settings(connection)
    finally:
        await connection.close()
    assert set(roles["dlm_serial"]) == {
        ("default_transaction_isolation", "serializable"),
        ("statement_timeout", "7s"),
    }


async def test_the_server_describes_itself(connection: Any) -> None:
    server = await read_server(connection)
    assert server.number >= 130000
    assert server.description.startswith(f"PostgreSQL {server.version}")
    assert await check_server(connection) == server


async def test_a_server_that_is_too_old_is_no_server() -> None:
    class Old:
        def transaction(self, *, readonly: bool) -> nullcontext[None]:
            return nullcontext()

        async def fetchrow(self, sql: str) -> tuple[int, str, str]:
            return (120022, "12.22", "PostgreSQL 12.22")

    with pytest.raises(Unrecoverable, match=r"12\.22.*13 is the oldest"):
        await check_server(Old())

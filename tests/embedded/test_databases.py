"""Databases to throw away: created, filled from scripts, and dropped, on any server."""

import asyncio
import subprocess
from pathlib import Path

import asyncpg
import pytest

from proxy.embedded import (
    EmbeddedError,
    EmbeddedPostgres,
    create_database,
    databases,
    drop_database,
    load_sql,
)
from tests.support.conformance import SQL_FILES
from tests.support.database import ConformanceDatabase, fetch_value, throwaway_database


async def test_scripts_are_loaded_and_databases_dropped(running: EmbeddedPostgres, tmp_path: Path) -> None:
    url = await create_database(running.url, "scripts")
    first, second = tmp_path / "first.sql", tmp_path / "second.sql"
    first.write_text("create table ü (a int); begin; rollback;", encoding="utf-8")
    second.write_text('insert into "ü" values (1);', encoding="utf-8")
    await load_sql(url, [first, second])
    assert await fetch_value(url, "select a from ü") == 1
    session = await asyncpg.connect(url)
    await drop_database(running.url, "scripts")
    assert await fetch_value(running.url, "select count(*) from pg_database where datname = 'scripts'") == 0
    session.terminate()


@pytest.mark.parametrize("has_psql", [True, False])
async def test_a_script_that_fails_says_why(
    running: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_psql: bool
) -> None:
    if not has_psql:
        monkeypatch.setattr(databases, "find_psql", lambda: None)
    script = tmp_path / "broken.sql"
    script.write_text("select 1; select nothing;", encoding="utf-8")
    with pytest.raises(EmbeddedError, match='column "nothing" does not exist'):
        await load_sql(running.url, [script])


@pytest.mark.parametrize("has_psql", [True, False])
async def test_the_conformance_database_loads_and_loads_again(
    running: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch, has_psql: bool
) -> None:
    if not has_psql:
        monkeypatch.setattr(databases, "find_psql", lambda: None)
    url = await running.create_database(f"conformance_{has_psql}")
    await load_sql(url, SQL_FILES)
    await load_sql(url, SQL_FILES)
    assert await fetch_value(url, "select count(*) from dlm.sample") == 5000


async def test_servers_log_in_to_the_conformance_database_by_role(
    conformance_database: ConformanceDatabase,
) -> None:
    assert await fetch_value(conformance_database.login_url(), "select current_user") == "dlm_authenticator"
    other = conformance_database.login_url("dlm_authenticator_cfg")
    assert await fetch_value(other, "select session_user") == "dlm_authenticator_cfg"
    assert await fetch_value(conformance_database.url, "select count(*) from dlm.observation") == 250


async def test_another_server_lends_a_database_that_is_dropped_after_use(
    running: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_DATABASE_URL", running.url)
    with throwaway_database() as url:
        name = await fetch_value(url, "select current_database()")
        assert str(name).startswith("understudy_")
        assert f":{running.port}/" in url
    count = "select count(*) from pg_database where datname like 'understudy_%'"
    assert await fetch_value(running.url, count) == 0


def test_a_password_is_not_shown_among_the_arguments(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: dict[str, object] = {}

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[bytes]:
        seen.update(options, command=command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    asyncio.run(load_sql("postgresql://me:s%20cret@db:5433/x?sslmode=require", [tmp_path / "a.sql"]))
    assert "s%20cret" not in str(seen["command"])
    assert "postgresql://me@db:5433/x?sslmode=require" in str(seen["command"])
    environment = seen["env"]
    assert isinstance(environment, dict)
    assert environment["PGPASSWORD"] == "s cret"

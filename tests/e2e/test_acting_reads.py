"""A read that acts outside of the database is done once: no transaction binds what it does there."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
import requests

from proxy.cli import main
from proxy.config import EngineConfig, ReadMode, Rule
from tests.e2e import programs
from tests.e2e.support import LOCALHOST, count_all, make_config, playing, until
from tests.support.database import run_apart, throwaway_database

ROLE = "acting_anon"
SCHEMA = f"""
CREATE ROLE {ROLE} NOLOGIN;
CREATE SCHEMA acting;
CREATE TABLE acting.thing (id integer PRIMARY KEY);
INSERT INTO acting.thing VALUES (1);
CREATE FUNCTION acting.ring() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS
  $$ BEGIN COPY (SELECT 'rung') TO PROGRAM 'cat >> rung'; RETURN 1; END $$;
CREATE VIEW acting.bell AS SELECT acting.ring() AS id;
GRANT USAGE ON SCHEMA acting TO {ROLE};
GRANT SELECT ON ALL TABLES IN SCHEMA acting TO {ROLE};
"""


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with throwaway_database() as url:
        run_apart(execute(url, SCHEMA))
        yield url
        run_apart(execute(url, f"DROP SCHEMA acting CASCADE; DROP ROLE {ROLE}"))


async def execute(url: str, statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statements)
    finally:
        await connection.close()


async def count_rings(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        text = await connection.fetchval("SELECT pg_read_file('rung', true)")
        await connection.execute("COPY (SELECT 1 WHERE false) TO PROGRAM 'cat > rung'")
        return len((text or "").splitlines())
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def upstream(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("upstream")
    settings = {"PGRST_DB_URI": database, "PGRST_DB_SCHEMAS": "acting", "PGRST_DB_ANON_ROLE": ROLE}
    with programs.postgrest(programs.find_postgrest(), directory, settings) as running:
        yield running.url


@pytest.mark.parametrize("reads", ["shadow", "engine"])
async def test_is_answered_and_not_mirrored(database: str, upstream: str, reads: ReadMode) -> None:
    config = make_config(
        upstream,
        database,
        engine=EngineConfig(db_uri=database, db_schemas=("acting",), db_anon_role=ROLE),
        defaults=Rule(reads, verify=100.0),
    )
    async with playing(config) as running:
        for target in ("rpc/ring", "bell", "thing"):
            url = f"http://{LOCALHOST}:{running.port}/{target}"
            assert (await asyncio.to_thread(requests.get, url, timeout=30)).ok
        await until(lambda: count_all(running)["settled"] == 3)
        counts = count_all(running)
    assert counts["acts_outside"] == 2
    assert counts["match"] == 1, "what does not act is mirrored as ever"
    assert await count_rings(database) == 2


def test_is_named_by_the_check(
    database: str, upstream: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "checked.yaml"
    engine = f"{{db-uri: '{database}', db-schemas: acting, db-anon-role: {ROLE}}}"
    file.write_text(f"upstream: {{url: '{upstream}'}}\nengine: {engine}\n", encoding="utf-8")
    assert main(["check", "--config", str(file)]) == 0
    shown = capsys.readouterr().out
    for label in ("bell", "rpc/ring"):
        assert f"{label}: reads may act outside of the database, and are not mirrored\n" in shown
    assert "thing: reads may" not in shown

"""Who changes the schema tells PostgREST by a notification; the proxy hears it too (reference 11.2)."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from proxy.app import parse_config
from proxy.config import Config
from tests.e2e.support import LOCALHOST, playing, until, until_async
from tests.support.database import throwaway_database

FILE = """
listen: 127.0.0.1:0
admin: 127.0.0.1:0
ledger: sqlite://
upstream: {{url: "http://{host}:1"}}
engine: {{db-uri: "{database}", db-schemas: public, db-channel: told, db-channel-enabled: {enabled}}}
"""


async def test_the_schema_cache_follows_a_notification() -> None:
    with throwaway_database() as database:
        file = FILE.format(host=LOCALHOST, database=database, enabled="true")
        connection = await asyncpg.connect(database)
        try:
            async with playing(make(file)) as running:
                assert not running.state.current.names.relations

                async def listens() -> bool:
                    query = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'understudy listener'"
                    return bool(await connection.fetchval(query))

                await until_async(listens)
                await connection.execute("CREATE TABLE made (id int); NOTIFY told, 'reload schema'")
                await until(lambda: bool(running.state.current.names.relations))
        finally:
            await connection.close()


async def test_nobody_listens_where_that_is_not_wanted() -> None:
    with throwaway_database() as database:
        file = FILE.format(host=LOCALHOST, database=database, enabled="false")
        async with playing(make(file)):
            assert "listener" not in {task.get_name() for task in asyncio.all_tasks()}


async def test_reload_config_reads_the_file_anew(tmp_path: Path) -> None:
    with throwaway_database() as database:
        secret = tmp_path / "secret"
        secret.write_text("a" * 32, encoding="utf-8")
        text = FILE.format(host=LOCALHOST, database=database, enabled="true").replace(
            "db-channel:", f"jwt-secret: '@{secret}', db-channel:"
        )
        path = tmp_path / "understudy.yaml"
        path.write_text(text, encoding="utf-8")
        connection = await asyncpg.connect(database)
        try:
            async with playing(make(text), path=path, content=text.encode()) as running:
                secret.write_text("b" * 32, encoding="utf-8")

                async def is_read() -> bool:
                    await connection.execute("NOTIFY told, 'reload config'")
                    return running.state.current.config.engine.jwt_secret == "b" * 32

                await until_async(is_read)
        finally:
            await connection.close()


def make(text: str) -> Config:
    return parse_config(text.encode(), Path("understudy.yaml"), {}).config


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of PostgREST's is in the way."""
    for name in ("PGRST_DB_CHANNEL", "PGRST_DB_CHANNEL_ENABLED"):
        monkeypatch.delenv(name, raising=False)

"""PostgreSQL, upstream and proxy, each in a process of its own; the database can be restarted."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import asyncpg

from proxy.embedded import EmbeddedPostgres, load_sql
from tests.e2e.programs import Program, find_postgrest, postgrest, serving

SCHEMA = Path(__file__).with_name("schema.sql")
SECRET = "soak soak soak soak soak soak soak soak"
READER = "soak_reader"
ANONYMOUS = "soak_anon"

FILE = """\
listen: 127.0.0.1:0
admin: 127.0.0.1:0
ledger: "sqlite:///{ledger}"
upstream: {{url: "{upstream}", timeout: 10s}}
engine: {{db-uri: "{database}", db-schemas: soak, db-anon-role: soak_anon, jwt-secret: "{secret}"}}
shadow: {{timeout: 2s}}
rehearsal: {{timeout: 2s, lock_timeout: 500ms, statement_timeout: 1s}}
tables:
  fact_upstream: {{reads: upstream}}
  fact_shadow:   {{reads: shadow}}
  fact_canary:   {{reads: canary, share: 50}}
  fact_engine:   {{reads: engine, verify: 10}}
  note:          {{reads: shadow, writes: rehearse}}
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that runs. ``text`` is the configuration file as it is in the beginning."""

    server: EmbeddedPostgres
    database: str
    upstream: Program
    proxy: Program
    file: Path
    text: str
    ledger: str
    session: aiohttp.ClientSession

    async def execute(self, *statements: str) -> None:
        """Run statements as a superuser."""
        connection = await asyncpg.connect(self.database)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def fetch(self, query: str) -> list[tuple[Any, ...]]:
        """What a superuser's query gives."""
        connection = await asyncpg.connect(self.database)
        try:
            return [tuple(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    async def status(self) -> dict[str, Any]:
        """What the proxy says of itself."""
        async with self.session.get(f"{self.proxy.admin_url}/status") as answer:
            status: dict[str, Any] = await answer.json()
            return status

    async def rearm(self) -> int:
        """Let go of every table that the guard holds; how many there were."""
        held = [hold["table"] for hold in (await self.status())["holds"]]
        for table in held:
            url = f"{self.proxy.admin_url}/holds/{table}/rearm?who=soak&why=soak"
            async with self.session.post(url) as answer:
                await answer.read()
        return len(held)


@asynccontextmanager
async def set_stage(directory: Path) -> AsyncIterator[Stage]:
    """Start everything; stop it on leaving."""
    with ExitStack() as stack:
        server = EmbeddedPostgres()
        stack.callback(server.stop)
        await asyncio.to_thread(server.start)
        database = await server.create_database("soak")
        await load_sql(database, [SCHEMA])
        parts = urlsplit(database)
        login = urlunsplit(parts._replace(netloc=f"soak_login@{parts.netloc.rpartition('@')[2]}"))
        settings = {
            "PGRST_DB_URI": login,
            "PGRST_DB_SCHEMAS": "soak",
            "PGRST_DB_ANON_ROLE": ANONYMOUS,
            "PGRST_JWT_SECRET": SECRET,
        }
        upstream = stack.enter_context(postgrest(find_postgrest(), directory, settings))
        file, ledger = directory / "understudy.yaml", f"{directory}/ledger.db"
        text = FILE.format(upstream=upstream.url, database=login, secret=SECRET, ledger=ledger)
        file.write_text(text, encoding="utf-8")
        # Should it crash, its log says where.
        running = stack.enter_context(serving(file, directory, {"PYTHONFAULTHANDLER": "1"}))
        async with aiohttp.ClientSession() as session:
            yield Stage(server, database, upstream, running, file, text, f"sqlite:///{ledger}", session)


def make_token(role: str) -> str:
    """A token for ``role`` that never expires."""
    parts = [_encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, {"role": role})]
    signed = ".".join(parts)
    return f"{signed}.{_encode(hmac.digest(SECRET.encode(), signed.encode(), hashlib.sha256))}"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

"""Everything that is measured, each part in a process of its own, on one database."""

import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import asyncpg
from yarl import URL

from proxy.embedded import EmbeddedPostgres, create_database, drop_database, load_sql
from tests.bench.processes import BenchError, Running, free_port, running
from tests.bench.reads import BY_KEY, MIX, NOTES, WRITES, Read
from tests.bench.relay import Relay
from tests.bench.wire import Executed
from tests.support.conformance import SQL_FILES, TAPES, variant_options
from tests.support.database import ConformanceDatabase

BARE, DIRECT, OFF = "bare aiohttp", "direct to upstream", "mirroring off"
SHADOW, HUNG = "mirroring on", "engine hung"

POOL = 10
"""Connections to the database: what PostgREST and the engine take if nobody says otherwise."""

_PATIENCE = 120.0
_CONTROL = ("BEGIN", "COMMIT", "ROLLBACK", "SELECT SET_CONFIG(")


@dataclass(frozen=True, slots=True)
class Server:
    """A server to be measured. ``admin`` is the base URL of its admin port, if it is a proxy."""

    url: str
    running: Running
    admin: str | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """What is running. ``statements`` are what the engine runs for each request, by the request's name.

    ``builder`` starts more, which ends with the rest; ``server`` is the superuser's way to the server.
    ``real`` is what stands in front of PostgREST, and it itself, by what the tables call them; it is empty
    where there is none.
    """

    builder: "Builder"
    server: str
    database: str
    session: aiohttp.ClientSession
    bare: Server
    direct: Server
    off: Server
    shadow: Server
    hung: Server
    engine: Server
    real: Mapping[str, Server]
    floor: Running
    statements: Mapping[str, Executed]

    @property
    def front(self) -> dict[str, Server]:
        """The sides that answer ``BY_KEY`` with the same bytes, by what the tables call them."""
        return {
            BARE: self.bare,
            DIRECT: self.direct,
            OFF: self.off,
            SHADOW: self.shadow,
            HUNG: self.hung,
        }

    @property
    def postgrest(self) -> Server | None:
        """PostgREST itself, where there is one."""
        return self.real.get(DIRECT)


def _place(server: Server) -> str:
    return server.url.removeprefix("http://")


def find_postgrest() -> str | None:
    """The PostgREST to measure: POSTGREST_BIN, else the one on the PATH, else None."""
    return os.environ.get("POSTGREST_BIN") or shutil.which("postgrest")


@contextlib.asynccontextmanager
async def set_stage() -> AsyncIterator[Stage]:
    """Start everything, wait until it is ready, and stop it on leaving. Raises BenchError and OSError."""
    async with contextlib.AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="understudy-bench-")))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        database, server, where = await stack.enter_async_context(_database())
        builder = Builder(stack, directory, session, database.login_url())
        direct = await builder.stand_in()
        body = (await ask(session, direct, BY_KEY))[1]
        hung_relay = await stack.enter_async_context(_relay(database))
        hung = await builder.proxy("proxy, engine hung", direct, "shadow", hung_relay.port)
        hung_relay.hang()
        bare, off, shadow, engine, floor, statements = await asyncio.gather(
            builder.bare(body),
            builder.proxy("proxy, mirroring off", direct, "upstream"),
            builder.proxy("proxy, mirroring on", direct, "shadow"),
            builder.engine("engine"),
            builder.floor(),
            _listen_in(builder, database),
        )
        program = find_postgrest()
        real = {} if program is None else await _stand_before(builder, program)
        yield Stage(
            builder=builder,
            server=server,
            database=where,
            session=session,
            bare=bare,
            direct=direct,
            off=off,
            shadow=shadow,
            hung=hung,
            engine=engine,
            real=real,
            floor=floor,
            statements=statements,
        )


async def _stand_before(builder: "Builder", program: str) -> dict[str, Server]:
    """PostgREST, and proxies in front of it."""
    postgrest = await builder.postgrest(program)
    off, shadow = await asyncio.gather(
        builder.proxy("proxy before PostgREST, mirroring off", postgrest, "upstream"),
        builder.proxy("proxy before PostgREST, mirroring on", postgrest, "shadow"),
    )
    return {DIRECT: postgrest, OFF: off, SHADOW: shadow}


async def ask(session: aiohttp.ClientSession, server: Server, read: Read) -> tuple[int, bytes]:
    """Status and body of a server's answer. Raises aiohttp's errors."""
    headers = [(name.decode(), value.decode()) for name, value in read.headers]
    url = URL(server.url + read.target, encoded=True)
    async with session.request(read.method, url, headers=headers, data=read.body or None) as answer:
        return answer.status, await answer.read()


async def read_status(session: aiohttp.ClientSession, server: Server) -> dict[str, Any]:
    """What the admin port of a proxy tells. Raises aiohttp's errors."""
    async with session.get(f"{server.admin}/status") as answer:
        status: dict[str, Any] = json.loads(await answer.text())
        return status


@contextlib.asynccontextmanager
async def _database() -> AsyncIterator[tuple[ConformanceDatabase, str, str]]:
    """A throw-away database with the conformance data, its server, and in words where that is."""
    given = os.environ.get("DATABASE_URL") or os.environ.get("TEST_DATABASE_URL")
    async with contextlib.AsyncExitStack() as stack:
        if given:
            server, where = given, f"the server at {urlsplit(given).hostname}"
        else:
            embedded = EmbeddedPostgres()
            stack.push_async_callback(asyncio.to_thread, embedded.stop)
            await asyncio.to_thread(embedded.start)
            server, where = embedded.url, "embedded PostgreSQL 16"
        name = f"understudy_bench_{uuid.uuid4().hex[:8]}"
        url = await create_database(server, name)
        stack.push_async_callback(drop_database, server, name)
        await load_sql(url, SQL_FILES)
        await run_sql(url, NOTES)
        yield ConformanceDatabase(url), server, where


async def run_sql(url: str, sql: str) -> None:
    """Run statements as the superuser. Raises asyncpg's errors."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def _relay(database: ConformanceDatabase) -> AsyncIterator[Relay]:
    parts = urlsplit(database.url)
    if parts.hostname is None:
        raise BenchError("DATABASE_URL must name a host: the hung engine needs a relay in front of it")
    async with Relay(parts.hostname, parts.port or 5432) as relay:
        yield relay


async def _listen_in(builder: "Builder", database: ConformanceDatabase) -> dict[str, Executed]:
    """The statement that the engine runs for each read, taken from what it sends to the database."""
    found = {}
    async with _relay(database) as relay, contextlib.AsyncExitStack() as stack:
        engine = await builder.engine("engine, overheard", relay.port, stack)
        for read in (*MIX, *WRITES):
            before = relay.statements()
            await ask(builder.session, engine, read)
            after = relay.statements()
            news = [
                statement
                for number, statements in enumerate(after)
                for statement in statements[len(before[number]) if number < len(before) else 0 :]
                if not statement.sql.upper().startswith(_CONTROL)
            ]
            if len(news) != 1:
                raise BenchError(f"{read.name}: the engine ran {len(news)} statements where 1 was expected")
            found[read.name] = news[0]
    return found


@dataclass(frozen=True, slots=True)
class Builder:
    """Starts servers that end with ``stack``; ``login`` is the connection string they are given."""

    stack: contextlib.AsyncExitStack
    directory: Path
    session: aiohttp.ClientSession
    login: str

    async def bare(self, body: bytes) -> Server:
        file = self.directory / "body"
        file.write_bytes(body)
        port = free_port()
        command = [sys.executable, "-m", "tests.bench.bare", str(port), str(file)]
        return await self._serve("bare aiohttp", command, port)

    async def stand_in(self) -> Server:
        port = free_port()
        tape = str(TAPES / "postgrest-14.17")
        command = [sys.executable, "-m", "proxy", "stand-in", "--tape", tape, "--port", str(port)]
        return await self._serve("stand-in", command, port)

    async def postgrest(
        self,
        program: str,
        stack: contextlib.AsyncExitStack | None = None,
        database: ConformanceDatabase | None = None,
    ) -> Server:
        login = self.login if database is None else database.login_url()
        return await self._serve_standalone("PostgREST", [program], login, stack)

    async def proxy(
        self,
        name: str,
        upstream: Server,
        reads: str,
        relayed: int | None = None,
        *,
        workers: int = 1,
        stack: contextlib.AsyncExitStack | None = None,
    ) -> Server:
        port, admin = free_port(), free_port()
        config = self.directory / f"{port}.yaml"
        config.write_text(
            f"listen: 127.0.0.1:{port}\nadmin: 127.0.0.1:{admin}\nupstream: {{url: '{upstream.url}'}}\n"
            f"workers: {workers}\n"
            f"engine: {{}}\ndefaults: {{reads: {reads}}}\nledger: sqlite:///{config.with_suffix('.db')}\n",
            encoding="utf-8",
        )
        command = [sys.executable, "-m", "proxy", "serve", "--config", str(config)]
        return await self._serve(name, command, port, self._settings(self._login(relayed)), admin, stack)

    async def engine(
        self,
        name: str,
        relayed: int | None = None,
        stack: contextlib.AsyncExitStack | None = None,
        database: ConformanceDatabase | None = None,
    ) -> Server:
        """The engine alone, on another ``database`` if there is one."""
        command = [sys.executable, "-m", "proxy", "engine"]
        login = self._login(relayed) if database is None else database.login_url()
        return await self._serve_standalone(name, command, login, stack)

    async def nginx(self, program: str, upstream: Server, target: Server) -> Server:
        """nginx, which passes every request on to ``upstream`` and a copy of it to ``target``."""
        port = free_port()
        file = self.directory / "nginx.conf"
        # Both are asked over connections that are kept, as the proxy does.
        file.write_text(
            f"""
            daemon off; worker_processes 1; pid {self.directory}/nginx.pid; error_log stderr error;
            events {{ worker_connections 1024; }}
            http {{
              access_log off; client_body_temp_path {self.directory}; proxy_temp_path {self.directory};
              fastcgi_temp_path {self.directory}; uwsgi_temp_path {self.directory};
              scgi_temp_path {self.directory};
              upstream first {{ server {_place(upstream)}; keepalive 64; }}
              upstream second {{ server {_place(target)}; keepalive 64; }}
              proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
              server {{
                listen 127.0.0.1:{port};
                location / {{ mirror /mirror; proxy_pass http://first; }}
                location = /mirror {{ internal; proxy_pass http://second$request_uri; }}
              }}
            }}
            """,
            encoding="utf-8",
        )
        return await self._serve("nginx", [program, "-c", str(file), "-e", "stderr"], port)

    async def _serve_standalone(
        self, name: str, command: list[str], login: str, stack: contextlib.AsyncExitStack | None = None
    ) -> Server:
        """Start PostgREST, or what takes its place, by the variables that it reads."""
        port = free_port()
        settings = {
            **self._settings(login),
            "PGRST_SERVER_HOST": "127.0.0.1",
            "PGRST_SERVER_PORT": str(port),
        }
        return await self._serve(name, command, port, settings, stack=stack)

    async def floor(self) -> Running:
        command = [sys.executable, "-m", "tests.bench.floor", self.login, str(POOL)]
        return await self.stack.enter_async_context(
            running("bare asyncpg", command, self.directory, conversing=True)
        )

    def _login(self, relayed: int | None) -> str:
        """The connection string, by way of the relay at a port if there is one, which cannot read TLS."""
        if relayed is None:
            return self.login
        parts = urlsplit(self.login)
        netloc = f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{relayed}"
        return urlunsplit(parts._replace(netloc=netloc, query="sslmode=disable"))

    def _settings(self, login: str) -> dict[str, str]:
        return {**variant_options(), "PGRST_DB_URI": login, "PGRST_DB_POOL": str(POOL)}

    async def _serve(
        self,
        name: str,
        command: list[str],
        port: int,
        settings: Mapping[str, str] | None = None,
        admin: int | None = None,
        stack: contextlib.AsyncExitStack | None = None,
    ) -> Server:
        """Start a server and wait until it answers as it must and, if a proxy, has its schema cache."""
        started = await (stack or self.stack).enter_async_context(
            running(name, command, self.directory, settings)
        )
        server = Server(
            f"http://127.0.0.1:{port}", started, None if admin is None else f"http://127.0.0.1:{admin}"
        )
        try:
            async with asyncio.timeout(_PATIENCE):
                while not await self._is_ready(server):
                    started.check()
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise BenchError(f"{name} did not get ready:\n{started.log.read_text()[-2000:]}") from None
        return server

    async def _is_ready(self, server: Server) -> bool:
        try:
            if server.admin is not None and not (await read_status(self.session, server))["schema_loaded"]:
                return False
            return (await ask(self.session, server, BY_KEY))[0] == BY_KEY.status
        except aiohttp.ClientError:
            return False

"""What the demonstration is played on, each part in a process of its own.

An embedded PostgreSQL (or the one DATABASE_URL names) with the conformance schema and data; as upstream a
real PostgREST where POSTGREST_BIN or PATH has one, else the stand-in that replays what the real one
answered; and the proxy with every table in shadow.
"""

import asyncio
import contextlib
import json
import os
import shutil
import socket
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from yarl import URL

from proxy.config.options import PROXY_OPTIONS
from proxy.embedded import EmbeddedPostgres, create_database, drop_database, load_sql
from proxy.embedded.wheel import EmbeddedError
from proxy.errors import UnderstudyError
from proxy.tape.collection import Variants

PATIENCE = 1200
"""Tenths of a second in which a part has to be there; a machine may be busy."""


class DemoError(UnderstudyError):
    """Something that the demonstration stands on is not there."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What is running, and where."""

    proxy_url: str
    admin_url: str
    config: Path
    upstream: str


@contextlib.asynccontextmanager
async def set_stage(tapes: Path, variants: Variants, console: Console) -> AsyncIterator[Stage]:
    """Start everything; on leaving, stop it again."""
    variant = variants.variants["default"]
    async with contextlib.AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="understudy-demo-")))
        with console.status("starting PostgreSQL and loading the observatory's catalogue"):
            database, where = await stack.enter_async_context(_database(tapes))
        console.print(f"[bold]database[/bold]  {where}")
        login = URL(database).with_user(variant.login_role).with_password("conformance")
        settings = {**variant.options, "PGRST_DB_URI": str(login)}
        upstream, upstream_url = await stack.enter_async_context(_upstream(tapes, settings, directory))
        console.print(f"[bold]upstream[/bold]  {upstream}")
        port, admin = _free_port(), _free_port()
        config = directory / "understudy.yaml"
        config.write_text(_render_config(port, admin, upstream_url, directory, settings), encoding="utf-8")
        config.chmod(0o600)
        await stack.enter_async_context(_process("serve", ["serve", "--config", str(config)], {}, directory))
        stage = Stage(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin}", config, upstream)
        await _wait_ready(stage, directory)
        console.print(
            f"[bold]proxy[/bold]     {stage.proxy_url}, every table in shadow; admin {stage.admin_url}"
        )
        yield stage


def _render_config(port: int, admin: int, upstream: str, directory: Path, settings: Mapping[str, str]) -> str:
    """The whole configuration, so that every command can be tried with the file alone."""
    given = {name.removeprefix("PGRST_").lower().replace("_", "-"): text for name, text in settings.items()}
    known = {option.name for option in PROXY_OPTIONS}
    options = [f"  {name}: {json.dumps(text)}\n" for name, text in given.items() if name in known]
    return f"""\
# Written by `understudy demo`. Change a mode here while it runs: it takes effect within a second.
listen: 127.0.0.1:{port}
admin: 127.0.0.1:{admin}
ledger: sqlite:///{directory}/understudy.db
upstream:
  url: {upstream}
engine:                            # PostgREST's own settings
{"".join(options)}defaults: {{reads: shadow, writes: upstream, sample: 100}}
# All parts share one machine here, and the upstream is often as slow as the rest: compare nevertheless.
shadow: {{breaker: 1000, timeout: 1m, queue: 100000}}
"""


@contextlib.asynccontextmanager
async def _database(tapes: Path) -> AsyncIterator[tuple[str, str]]:
    files = (tapes / "schema.sql", tapes / "data.sql")
    given = os.environ.get("DATABASE_URL")
    if given:
        name = f"understudy_demo_{uuid.uuid4().hex[:8]}"
        url = await create_database(given, name)
        try:
            await load_sql(url, files)
            yield url, f"the server of DATABASE_URL, database {name}"
        finally:
            await drop_database(given, name)
        return
    try:
        server = EmbeddedPostgres()
        await asyncio.to_thread(server.start)
    except EmbeddedError as error:
        raise DemoError(str(error)) from error
    try:
        url = await server.create_database("observatory")
        await load_sql(url, files)
        yield url, f"embedded PostgreSQL 16 on port {server.port}"
    finally:
        await asyncio.to_thread(server.stop)


@contextlib.asynccontextmanager
async def _upstream(
    tapes: Path, settings: Mapping[str, str], directory: Path
) -> AsyncIterator[tuple[str, str]]:
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    binary = os.environ.get("POSTGREST_BIN") or shutil.which("postgrest")
    if binary:
        own = {**settings, "PGRST_SERVER_HOST": "127.0.0.1", "PGRST_SERVER_PORT": str(port)}
        command, name = [binary], f"a real PostgREST ({binary})"
    else:
        own = {}
        tape = str(tapes / "tapes" / "postgrest-14.17")
        command = [sys.executable, "-m", "proxy", "stand-in", "--tape", tape, "--port", str(port)]
        name = "the stand-in, which answers what PostgREST 14.17 was recorded to answer"
    async with _run("upstream", command, own, directory):
        await _wait_listening("upstream", port, directory)
        yield name, url


@contextlib.asynccontextmanager
async def _process(
    name: str, arguments: Sequence[str], settings: Mapping[str, str], directory: Path
) -> AsyncIterator[None]:
    async with _run(name, [sys.executable, "-m", "proxy", *arguments], settings, directory):
        yield


@contextlib.asynccontextmanager
async def _run(
    name: str, command: Sequence[str], settings: Mapping[str, str], directory: Path
) -> AsyncIterator[None]:
    log = (directory / f"{name}.log").open("wb")
    process = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, **settings}, stdout=log, stderr=log
    )
    try:
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        log.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _wait_listening(name: str, port: int, directory: Path) -> None:
    for _ in range(PATIENCE):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.1)
    raise DemoError(f"{name} did not start:\n{(directory / f'{name}.log').read_text()[-2000:]}")


async def _wait_ready(stage: Stage, directory: Path) -> None:
    async with aiohttp.ClientSession() as session:
        for _ in range(PATIENCE):
            with contextlib.suppress(aiohttp.ClientError):
                if (await read_status(stage.admin_url, session))["schema_loaded"]:
                    return
            await asyncio.sleep(0.1)
    raise DemoError(f"the proxy did not get ready:\n{(directory / 'serve.log').read_text()[-2000:]}")


async def read_status(admin_url: str, session: aiohttp.ClientSession) -> dict[str, Any]:
    """What the admin port tells of modes, tally and disagreements."""
    async with session.get(f"{admin_url}/status") as answer:
        status: dict[str, Any] = json.loads(await answer.text())
        return status

"""How each thing is broken, and mended when the block is left."""

import asyncio
import contextlib
import os
import resource
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import cycle
from pathlib import Path
from random import Random
from time import time

import asyncpg

from tests.chaos.cells import Broken, How
from tests.chaos.rude import behave_badly
from tests.chaos.stage import Stage
from tests.faults.relay import Condition, Relay

TEN_YEARS = 10 * 365 * 86400.0
YEAR_9999 = 253_370_764_800.0
FLAP = 0.15

_CONDITIONS: dict[How, Condition] = {
    "slow": "slow",
    "hung": "hung",
    "refusing": "refusing",
    "reset": "reset",
    "garbage": "garbage",
    "huge": "huge",
    "flapping": "flapping",
    "full": "full",
    "gone and back": "gone",
}


@asynccontextmanager
async def breaking(stage: Stage, broken: Broken, how: How) -> AsyncIterator[None]:
    """Inside the block this is broken."""
    work: contextlib.AbstractAsyncContextManager[None]
    match broken:
        case "upstream":
            work = _relayed(stage.upstream, how)
        case "database":
            work = _full_database(stage) if how == "full" else _relayed(stage.database, how)
        case "ledger":
            work = _flushing(stage, _relayed(stage.ledger, how))
        case "disk":
            work = _flushing(stage, _DISKS[how](stage.ledger_file))
        case "file":
            work = _file(stage, how)
        case "clock":
            work = _clock(stage, how)
        case "client":
            work = behave_badly(stage.proxy.port, how)
    async with work:
        yield


@asynccontextmanager
async def _relayed(relay: Relay, how: How) -> AsyncIterator[None]:
    await relay.become(_CONDITIONS[how])
    try:
        yield
    finally:
        await relay.become("well")


@asynccontextmanager
async def _full_database(stage: Stage) -> AsyncIterator[None]:
    """No connection is to be had any more, as when too many are open."""
    connection = await asyncpg.connect(stage.place.database)
    try:
        await connection.execute("ALTER ROLE chaos_engine CONNECTION LIMIT 0")
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'chaos_engine'"
        )
        try:
            yield
        finally:
            await connection.execute("ALTER ROLE chaos_engine CONNECTION LIMIT -1")
    finally:
        await connection.close()


@asynccontextmanager
async def _flushing(stage: Stage, work: contextlib.AbstractAsyncContextManager[None]) -> AsyncIterator[None]:
    """Have the ledger written all the time meanwhile, instead of every few seconds."""

    async def flush() -> None:
        while True:
            await stage.proxy.ledger.flush()
            await asyncio.sleep(0.05)

    async with work, _beside(flush):
        yield


@asynccontextmanager
async def _beside(work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def _full_disk(_: Path) -> AsyncIterator[None]:
    """No file of this process grows beyond one page: the system refuses it as a full disk does."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


@asynccontextmanager
async def _flapping_disk(file: Path) -> AsyncIterator[None]:
    async def flap() -> None:
        while True:
            async with _full_disk(file):
                await asyncio.sleep(FLAP)
            await asyncio.sleep(FLAP)

    async with _beside(flap):
        yield


@asynccontextmanager
async def _locked_disk(file: Path) -> AsyncIterator[None]:
    """Somebody else holds the file, as a backup or a stalled disk does: whoever writes waits."""
    other = sqlite3.connect(file, isolation_level=None)
    try:
        other.execute("BEGIN EXCLUSIVE")
        yield
    finally:
        other.close()


@asynccontextmanager
async def _replaced_disk(file: Path) -> AsyncIterator[None]:
    """The file is something else, until its backup is put back."""
    kept = _move_aside(file)
    await asyncio.to_thread(file.write_bytes, Random(2).randbytes(65536))
    try:
        yield
    finally:
        await asyncio.to_thread(os.replace, kept, file)


@asynccontextmanager
async def _missing_disk(file: Path) -> AsyncIterator[None]:
    """The file's place is not there, and the file comes back with it."""
    kept = _move_aside(file)
    await asyncio.to_thread(file.mkdir)
    try:
        yield
    finally:
        await asyncio.to_thread(file.rmdir)
        await asyncio.to_thread(os.replace, kept, file)


def _move_aside(file: Path) -> Path:
    """Take the database away, with all that is in its log; where it is then."""
    kept = file.with_suffix(".kept")
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    os.replace(file, kept)
    for suffix in ("-wal", "-shm"):
        Path(f"{file}{suffix}").unlink(missing_ok=True)
    return kept


_DISKS: dict[How, Callable[[Path], contextlib.AbstractAsyncContextManager[None]]] = {
    "hung": _locked_disk,
    "garbage": _replaced_disk,
    "flapping": _flapping_disk,
    "full": _full_disk,
    "gone and back": _missing_disk,
}


@asynccontextmanager
async def _file(stage: Stage, how: How) -> AsyncIterator[None]:
    """The configuration file is not what it should be; afterwards it is, with a change."""
    file, text = stage.file, stage.text
    work: contextlib.AbstractAsyncContextManager[None] = contextlib.nullcontext()
    file.unlink()
    match how:
        case "hung":
            os.mkfifo(file)
        case "refusing":
            file.mkdir()
        case "reset":
            file.write_text(text[: len(text) // 2 - 7], encoding="utf-8")
        case "garbage":
            file.write_bytes(Random(3).randbytes(20_000))
        case "huge":
            file.touch()
            os.truncate(file, 2**40)
        case "full":
            file.touch()
        case "flapping":
            work = _beside(lambda: _flap_file(file, text))
        case _:
            pass
    async with work:
        yield
    if file.is_dir():
        file.rmdir()
    else:
        file.unlink(missing_ok=True)
    file.write_text(f"{text}# mended\n", encoding="utf-8")


async def _flap_file(file: Path, text: str) -> None:
    for content in cycle((f"{text}tables: again\n", text)):
        await asyncio.to_thread(file.write_text, content, encoding="utf-8")
        await asyncio.sleep(4 * FLAP)


@asynccontextmanager
async def _clock(stage: Stage, how: How) -> AsyncIterator[None]:
    """The wall clock tells something else; whatever counts seconds is not to notice."""
    clock, now = stage.clock, time()
    flips = cycle((TEN_YEARS, -TEN_YEARS, 0.0))
    match how:
        case "slow":
            clock.tell = lambda: now + (time() - now) / 10
        case "hung":
            clock.tell = lambda: now
        case "garbage":
            clock.tell = lambda: -1e9
        case "huge":
            clock.tell = lambda: YEAR_9999
        case "flapping":
            clock.tell = lambda: time() + next(flips)
        case _:
            clock.tell = lambda: time() + TEN_YEARS
    try:
        yield
    finally:
        clock.tell = time

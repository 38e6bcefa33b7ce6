"""Clients that are themselves what is broken, at every table, while the others go on."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import TypeAlias

from tests.chaos.cells import How
from tests.chaos.stage import TABLES
from tests.faults.relay import LOCALHOST

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_HEAD = "GET /{}?select=filler&id=eq.-1 HTTP/1.1\r\nHost: chaos\r\n"
_LARGE = "GET /{}?select=filler&id=eq.0 HTTP/1.1\r\nHost: chaos\r\n"
_PAUSE = 0.1

Behave: TypeAlias = Callable[[int, str], Awaitable[None]]


@asynccontextmanager
async def behave_badly(port: int, how: How) -> AsyncIterator[None]:
    """Inside the block a bad client is at each table, again and again."""

    async def go_on(table: str) -> None:
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await _BEHAVIOURS[how](port, table)
            await asyncio.sleep(_PAUSE)

    tasks = [asyncio.create_task(go_on(table)) for table in TABLES]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def _connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(LOCALHOST, port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def _read_slowly(port: int, table: str) -> None:
    """A large answer, a little at a time."""
    async with _connected(port) as (reader, writer):
        writer.write(f"{_LARGE.format(table)}\r\n".encode())
        for _ in range(50):
            await reader.read(1000)
            await asyncio.sleep(0.02)


async def _hang(port: int, table: str) -> None:
    """A large answer that nobody reads, and a request of which nothing more comes."""
    async with _connected(port) as (_, one), _connected(port) as (_, other):
        one.write(f"{_LARGE.format(table)}\r\n".encode())
        other.write(f"POST /{table} HTTP/1.1\r\nHost: chaos\r\nContent-Length: 1000\r\n\r\n[".encode())
        await asyncio.sleep(1.0)


async def _reset(port: int, table: str) -> None:
    """Gone in the middle of the answer, by a reset."""
    async with _connected(port) as (reader, writer):
        writer.write(f"{_LARGE.format(table)}\r\n".encode())
        await reader.readexactly(100)
        _break_off(writer)


async def _send_garbage(port: int, table: str) -> None:
    """What is no request."""
    async with _connected(port) as (reader, writer):
        writer.write(Random(table).randbytes(2000) + b"\r\n\r\n")
        await reader.read()


async def _send_hugely(port: int, table: str) -> None:
    """A request with headers without end."""
    async with _connected(port) as (reader, writer):
        writer.write(_HEAD.format(table).encode())
        for number in range(200):
            writer.write(b"X-Filler-%d: %b\r\n" % (number, b"x" * 8000))
            await writer.drain()
        await reader.read()


async def _come_and_go(port: int, table: str) -> None:
    """Connected, and gone before there was anything to say."""
    async with _connected(port) as (_, writer):
        writer.write(_HEAD.format(table).encode()[:17])


async def _leave(port: int, table: str) -> None:
    """Gone as soon as the request is sent."""
    async with _connected(port) as (_, writer):
        writer.write(f"{_HEAD.format(table)}\r\n".encode())
        await writer.drain()
        _break_off(writer)


def _break_off(writer: asyncio.StreamWriter) -> None:
    end = writer.get_extra_info("socket")
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()


_BEHAVIOURS: dict[How, Behave] = {
    "slow": _read_slowly,
    "hung": _hang,
    "reset": _reset,
    "garbage": _send_garbage,
    "huge": _send_hugely,
    "flapping": _come_and_go,
    "gone and back": _leave,
}

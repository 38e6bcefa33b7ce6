"""A TCP relay in front of any server, which can be made to fail in every way that is seen from outside.

It knows nothing of what it passes on, so that it stands before a PostgreSQL as well as before a PostgREST.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Literal, TypeAlias

LOCALHOST = "127.0.0.1"

Condition: TypeAlias = Literal[
    "well", "slow", "hung", "refusing", "reset", "garbage", "huge", "flapping", "full", "gone"
]

DELAY = 0.05
"""Seconds by which each part of an answer comes late from who is slow."""

CUT = 5
"""Bytes that are missing at the end of what comes from who breaks off."""

FLAP = 0.15
"""Seconds between two changes of who comes and goes."""

HUGE = 1536 * 1024
"""Bytes of a huge answer."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_REQUEST = b" HTTP/1.1\r\n"


class Relay:
    """Listens on one port and passes every connection on to ``host`` and ``port``, as its condition is.

    slow      each part of an answer comes ``delay`` seconds late
    hung      nothing is answered until it is well again
    refusing  connections end in good order, and new ones are refused
    reset     answers break off before their end
    garbage   answers are random bytes
    huge      answers begin with ``huge`` and go on for long
    flapping  gone and well in quick turns
    full      new connections are neither taken nor refused
    gone      connections are reset, and new ones refused

    ``requests`` counts the requests of HTTP that were passed on.
    """

    def __init__(self, host: str, port: int, *, huge: bytes = b"", delay: float = DELAY) -> None:
        self._target = host, port
        self._huge = huge
        self._delay = delay
        self._dice = Random(1)
        self._condition: Condition = "well"
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flapping: asyncio.Task[None] | None = None
        self._crowd: list[socket.socket] = []
        self.port = 0
        self.requests = 0

    async def open(self) -> None:
        """Listen, on the port of the last time if there was one."""
        self._server = await asyncio.start_server(self._accept, LOCALHOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """End everything."""
        await self._stop_flapping()
        self._leave_crowd()
        self._stop_listening()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def become(self, condition: Condition) -> None:
        """Be in ``condition`` from now on."""
        await self._stop_flapping()
        await self._turn(condition)
        if condition == "flapping":
            self._flapping = asyncio.create_task(self._flap())

    async def _turn(self, condition: Condition) -> None:
        self._leave_crowd()
        self._condition = condition
        self._changed.set()
        self._changed = asyncio.Event()
        if condition in ("refusing", "gone", "full"):
            self._stop_listening()
            for client in tuple(self._clients):
                if condition == "gone":
                    _reset(client)
                client.close()
        elif self._server is None:
            await self.open()
        if condition == "full":
            self._gather_crowd()

    async def _flap(self) -> None:
        while True:
            await self._turn("gone")
            await asyncio.sleep(FLAP)
            await self._turn("well")
            await asyncio.sleep(FLAP)

    async def _stop_flapping(self) -> None:
        if self._flapping is not None:
            self._flapping.cancel()
            await asyncio.gather(self._flapping, return_exceptions=True)
            self._flapping = None

    def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _gather_crowd(self) -> None:
        """Have the kernel's queue of connections full, and nobody who takes any."""
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((LOCALHOST, self.port))
        listening.listen(0)
        self._crowd.append(listening)
        for _ in range(2):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex((LOCALHOST, self.port))
            self._crowd.append(client)

    def _leave_crowd(self) -> None:
        for one in self._crowd:
            one.close()
        self._crowd.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._clients.add(writer)
        try:
            await self._pass_on(reader, writer)
        except (OSError, asyncio.CancelledError):
            # Who is cancelled here is nobody's child, and ends with this anyhow.
            return
        finally:
            self._clients.discard(writer)
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._awake()
        behind, onward = await asyncio.open_connection(*self._target)
        pumps = [
            asyncio.create_task(self._pump_requests(reader, onward)),
            asyncio.create_task(self._pump_answers(behind, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            onward.close()

    async def _pump_requests(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        end = b""
        while data := await source.read(65536):
            await self._awake()
            self.requests += (end + data).count(_REQUEST)
            end = data[-len(_REQUEST) + 1 :]
            target.write(data)
            await target.drain()

    async def _pump_answers(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            await self._awake()
            match self._condition:
                case "slow":
                    await asyncio.sleep(self._delay)
                case "garbage":
                    data = self._dice.randbytes(len(data))
                case "reset":
                    target.write(data[:-CUT])
                    await _flush(target)
                    _reset(target)
                    return
                case "huge":
                    await self._answer_hugely(target)
                    return
                case _:
                    pass
            target.write(data)
            await target.drain()

    async def _answer_hugely(self, target: asyncio.StreamWriter) -> None:
        target.write(self._huge)
        part = b"x" * 65536
        for _ in range(HUGE // len(part)):
            target.write(part)
            await target.drain()

    async def _awake(self) -> None:
        while self._condition == "hung":
            await self._changed.wait()


async def _flush(writer: asyncio.StreamWriter) -> None:
    """Wait until all is with the kernel, which sends what it has before a reset as far as it can."""
    writer.transport.set_write_buffer_limits(0)
    with contextlib.suppress(OSError):
        await writer.drain()
    # The reset would overtake what the other end has not read yet.
    await asyncio.sleep(0.005)


def _reset(writer: asyncio.StreamWriter) -> None:
    end = writer.get_extra_info("socket")
    if end is not None:
        with contextlib.suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()


@asynccontextmanager
async def relaying(host: str, port: int, *, huge: bytes = b"", delay: float = DELAY) -> AsyncIterator[Relay]:
    """A relay to ``host`` and ``port``, well at first."""
    relay = Relay(host, port, huge=huge, delay=delay)
    await relay.open()
    try:
        yield relay
    finally:
        await relay.close()

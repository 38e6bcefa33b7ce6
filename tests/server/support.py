"""Two ends of a wire, made of raw bytes: an upstream that plays a script, and a client that reads answers.

They take HTTP apart by themselves, in the simplest way, so that a fault of the proxy's own reading cannot
hide itself.
"""

import asyncio
import re
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from proxy.config import Address, Config, UpstreamConfig
from proxy.database.snapshot import EngineSnapshot
from proxy.events import Event
from proxy.messages import Answer, Exchange, Request
from proxy.server.front import FrontDoor
from proxy.server.handler import Handler
from proxy.server.in_force import InForce, UpstreamInForce
from proxy.server.rehearsal import Rehearsals
from proxy.server.state import AskEngine, Snapshot, State
from proxy.server.upstream import Upstream
from proxy.server.writes import Writes
from proxy.shadow.policy import Decision, Names

LOCALHOST = "127.0.0.1"
NAMES = Names(("dlm",), frozenset({("dlm", "lone"), ("dlm", "storage")}), {("dlm", "answer"): True})
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass(frozen=True, slots=True)
class Raw:
    """One message as it stood on the wire; ``body`` has no framing."""

    head: bytes
    body: bytes

    @property
    def first_line(self) -> bytes:
        return self.head.split(b"\r\n")[0]

    @property
    def lines(self) -> list[bytes]:
        """The header lines."""
        return self.head.split(b"\r\n")[1:-2]

    @property
    def status(self) -> int:
        return int(self.first_line.split(b" ")[1])


class Wire:
    """One end of a connection, in raw bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def read_head(self) -> bytes:
        return await self.reader.readuntil(b"\r\n\r\n")

    async def read_body(self, head: bytes, *, until_close: bool) -> bytes:
        if re.search(rb"\r\ntransfer-encoding: *chunked\r\n", head, re.IGNORECASE):
            return await self._read_chunks()
        length = re.search(rb"\r\ncontent-length: *(\d+)\r\n", head, re.IGNORECASE)
        if length is not None:
            return await self.reader.readexactly(int(length.group(1)))
        return await self.reader.read() if until_close else b""

    async def read_request(self) -> Raw:
        head = await self.read_head()
        return Raw(head, await self.read_body(head, until_close=False))

    async def read_answer(self, method: str = "GET") -> Raw:
        head = await self.read_head()
        if method == "HEAD" or head[9:12] in (b"204", b"304") or head[9:10] == b"1":
            return Raw(head, b"")
        return Raw(head, await self.read_body(head, until_close=True))

    async def ask(self, request: bytes, method: str = "GET") -> Raw:
        await self.send(request)
        return await self.read_answer(method)

    async def wait_closed_by_peer(self) -> None:
        """Read until the other end closes, which it may do rudely."""
        with suppress(ConnectionError):
            while await self.reader.read(65536):
                pass

    def reset(self) -> None:
        """Close with a TCP reset."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()

    async def _read_chunks(self) -> bytes:
        parts = []
        while size := int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16):
            parts.append(await self.reader.readexactly(size))
            assert await self.reader.readexactly(2) == b"\r\n"
        while await self.reader.readuntil(b"\r\n") != b"\r\n":
            pass
        return b"".join(parts)


Script: TypeAlias = Callable[[Wire], Awaitable[None]]


@dataclass(slots=True)
class ScriptedUpstream:
    """An upstream whose connections each run a script; ``connections`` counts them."""

    script: Script
    port: int = 0
    connections: int = 0
    requests: list[Raw] = field(default_factory=list)
    faults: list[BaseException] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        wire = Wire(reader, writer)
        try:
            await self.script(wire)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except asyncio.CancelledError:
            pass
        except Exception as error:
            self.faults.append(error)
        finally:
            await wire.close()


@asynccontextmanager
async def scripted_upstream(script: Script | None = None) -> AsyncIterator[ScriptedUpstream]:
    """An upstream that runs ``script`` on each connection; without one it answers 200 to everything."""
    upstream = ScriptedUpstream(script or _unset)

    async def answer_ok(wire: Wire) -> None:
        while True:
            upstream.requests.append(await wire.read_request())
            await wire.send(OK)

    if script is None:
        upstream.script = answer_ok
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        await upstream.serve(reader, writer)

    server = await asyncio.start_server(serve, LOCALHOST, 0, limit=2**20)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
    if upstream.faults:
        raise upstream.faults[0]


async def _unset(wire: Wire) -> None:
    raise AssertionError("no script")


@dataclass(slots=True)
class KeepingMirror:
    """Keeps what it is offered."""

    offers: list[tuple[Decision, Exchange]] = field(default_factory=list)

    def offer(self, decision: Decision, exchange: Exchange, snapshot: Snapshot) -> None:
        self.offers.append((decision, exchange))


async def no_engine(request: Request, snapshot: Snapshot) -> Answer:
    raise AssertionError("the engine was asked")


@dataclass(slots=True)
class Stack:
    """A whole front door on a port of its own, with everything around it kept for inspection."""

    port: int
    state: State
    upstream: InForce[Upstream]
    mirror: KeepingMirror
    writes: Writes
    events: list[Event]
    handler: Handler | None = None
    wires: list[Wire] = field(default_factory=list)
    settled: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def connect(self, limit: int = 2**20) -> Wire:
        wire = Wire(*await asyncio.open_connection(LOCALHOST, self.port, limit=limit))
        self.wires.append(wire)
        return wire

    def found(self, kind: type[Any]) -> list[Any]:
        """The events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    async def wait_for(self, kind: type[Any], count: int = 1) -> list[Any]:
        """The events of one kind, as soon as there are ``count`` of them."""
        async with self.settled:
            await self.settled.wait_for(lambda: len(self.found(kind)) >= count)
        return self.found(kind)


def shadow_config(upstream_port: int | None, **changes: Any) -> Config:
    """A configuration with everything in shadow; ``changes`` go into the upstream's part."""
    if upstream_port is None:
        return Config()
    changes.setdefault("url", f"http://{LOCALHOST}:{upstream_port}")
    return Config(upstream=UpstreamConfig(**changes))


@asynccontextmanager
async def front_door(
    config: Config,
    *,
    ask_engine: AskEngine = no_engine,
    rehearse: AskEngine = no_engine,
    engine: EngineSnapshot | None = None,
    names: Names = NAMES,
    **parts: Any,
) -> AsyncIterator[Stack]:
    """A front door, open on a free port; ``parts`` are given to ``Handler``."""
    loop = asyncio.get_running_loop()
    state, mirror, writes = State(Snapshot(config, names, engine)), KeepingMirror(), Writes(loop.time)
    upstream = InForce(state, lambda config: Upstream(config, loop.time))
    notices: set[asyncio.Task[None]] = set()

    async def notify() -> None:
        async with stack.settled:
            stack.settled.notify_all()

    def emit(event: Event) -> None:
        stack.events.append(event)
        notice = loop.create_task(notify())
        notices.add(notice)
        notice.add_done_callback(notices.discard)

    rehearsals = Rehearsals(rehearse, emit, concurrency=config.rehearsal.concurrency, clock=loop.time)
    stack = Stack(0, state, upstream, mirror, writes, [])
    given: dict[str, Any] = {
        "state": stack.state,
        "upstream": UpstreamInForce(upstream),
        "ask_engine": ask_engine,
        "mirror": stack.mirror,
        "rehearsals": rehearsals,
        "writes": stack.writes,
        "emit": emit,
        "clock": loop.time,
        "roll": lambda: 0.0,
    }
    stack.handler = handler = Handler(**(given | parts))
    door = FrontDoor(handler, config.limits, emit, grace=1.0)
    stack.port = await door.open(Address(LOCALHOST, 0))
    try:
        yield stack
    finally:
        for wire in stack.wires:
            await wire.close()
        await door.close()
        await handler.close()
        await rehearsals.close()
        await upstream.close()
        await asyncio.gather(*notices)


def unused_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as sock:
        sock.bind((LOCALHOST, 0))
        port: int = sock.getsockname()[1]
        return port

"""Requests to an engine that stands alone, through a front door of its own."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from proxy.config import Limits
from proxy.errors import ApiError
from proxy.events import Crashed, Event
from proxy.messages import Answer, Request
from proxy.server.alone import LoneHandler, Visit
from proxy.server.front import FrontDoor
from proxy.server.listening import bind_path, bind_port
from tests.server.support import Wire

HOST = b"Host: a\r\n"
GET = b"GET /items?id=eq.1 HTTP/1.1\r\n" + HOST + b"\r\n"


async def echo(request: Request) -> Answer:
    return Answer(200, ((b"Content-Type", b"text/plain"),), request.body or b"empty")


@dataclass
class Stage:
    """A front door with what became known of its requests."""

    place: str | int = 0
    visits: list[Visit] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    async def connect(self) -> Wire:
        if isinstance(self.place, str):
            return Wire(*await asyncio.open_unix_connection(self.place))
        return Wire(*await asyncio.open_connection("127.0.0.1", self.place))


@asynccontextmanager
async def door(
    ask: Callable[[Request], Awaitable[Answer]] = echo, server: bytes = b"me/1", path: str = ""
) -> AsyncIterator[Stage]:
    stage = Stage()
    handler = LoneHandler(
        ask, stage.events.append, server=server, wants=lambda _: True, note=stage.visits.append
    )
    front = FrontDoor(handler, Limits(), stage.events.append, grace=1.0)
    listening = bind_path(path, 0o660) if path else bind_port("127.0.0.1", 0)
    await front.open_on(listening)
    stage.place = path or listening.getsockname()[1]
    try:
        yield stage
    finally:
        await front.close()


async def test_every_answer_names_the_server_after_the_date_and_is_noted() -> None:
    async with door() as stage:
        client = await stage.connect()
        got = await client.ask(GET)
        assert got.lines[0].startswith(b"Date: ")
        assert got.lines[1:] == [b"Server: me/1", b"Content-Type: text/plain", b"Content-Length: 5"]
        (visit,) = stage.visits
        assert (visit.request.target, visit.answer.status) == (b"/items?id=eq.1", 200)
        assert (visit.minor, visit.peer) == (1, "127.0.0.1")
        await client.close()


async def test_there_need_be_no_server_header() -> None:
    async with door(server=b"") as stage:
        client = await stage.connect()
        assert not [line for line in (await client.ask(GET)).lines if line.startswith(b"Server")]
        await client.close()


async def test_a_client_at_a_unix_socket_has_no_address(tmp_path: Path) -> None:
    async with door(path=str(tmp_path / "s")) as stage:
        client = await stage.connect()
        assert (await client.ask(GET)).status == 200
        assert stage.visits[0].peer == ""
        await client.close()


async def test_the_engine_gets_a_body_where_the_method_gives_it_a_meaning() -> None:
    async with door() as stage:
        client = await stage.connect()
        head = b" /rpc/f HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\n"
        await client.send(b"POST" + head + b"Expect: 100-continue\r\n\r\n")
        assert (await client.read_head()).startswith(b"HTTP/1.1 100 ")
        await client.send(b"body")
        assert (await client.read_answer()).body == b"body"
        assert (await client.ask(b"GET" + head + b"\r\nbody")).body == b"empty"
        await client.close()


@pytest.mark.parametrize(
    ("request_head", "status", "code"),
    [
        (b"CONNECT a:1 HTTP/1.1\r\n" + HOST + b"\r\n", 405, "PGRST117"),
        (b"GET /items HTTP/3.0\r\n" + HOST + b"\r\n", 505, "PROXY505"),
        (b"nonsense\r\n\r\n", 400, "PROXY400"),
    ],
)
async def test_what_no_engine_can_answer_is_refused(request_head: bytes, status: int, code: str) -> None:
    async with door() as stage:
        client = await stage.connect()
        got = await client.ask(request_head)
        assert (got.status, json.loads(got.body)["code"]) == (status, code)
        assert b"Server: me/1" in got.lines
        await client.close()


async def test_a_fault_of_the_engine_is_told_without_its_text() -> None:
    async def fail(request: Request) -> Answer:
        raise ValueError("hunter2")

    async with door(fail) as stage:
        client = await stage.connect()
        got = await client.ask(GET)
        assert (got.status, json.loads(got.body)["code"]) == (500, "PGRSTX00")
        assert stage.events == [Crashed("engine", "ValueError")]
        # The connection is as good as before.
        assert (await client.ask(GET)).status == 500
        await client.close()


async def test_an_error_of_the_engine_is_an_answer() -> None:
    async def refuse(request: Request) -> Answer:
        raise ApiError(404, "PGRST205", "Could not find it")

    async with door(refuse) as stage:
        client = await stage.connect()
        assert (await client.ask(GET)).status == 404
        assert stage.events == []
        await client.close()


async def test_requests_in_progress_end_before_the_door_is_closed() -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def wait(request: Request) -> Answer:
        asked.set()
        await go_on.wait()
        return Answer(200, (), b"done")

    async with door(wait) as stage:
        client = await stage.connect()
        await client.send(GET)
        await asyncio.wait_for(asked.wait(), 5)
        answer = asyncio.create_task(client.read_answer())
        asyncio.get_running_loop().call_soon(go_on.set)
    assert (await asyncio.wait_for(answer, 5)).body == b"done"
    await client.close()


async def test_a_client_that_leaves_is_not_noted() -> None:
    asked, stopped = asyncio.Event(), asyncio.Event()

    async def wait(request: Request) -> Answer:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        raise AssertionError

    async with door(wait) as stage:
        client = await stage.connect()
        await client.send(GET)
        await asyncio.wait_for(asked.wait(), 5)
        client.reset()
        await asyncio.wait_for(stopped.wait(), 5)
        assert stage.visits == []
        assert stage.events == []

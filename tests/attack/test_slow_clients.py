"""Clients that hold on to what they have: each is given its time, by a clock that jumps, and no more."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from proxy.config import Config, EngineConfig, Limits
from proxy.database.snapshot import EngineSnapshot
from proxy.engine.schema import Schema
from proxy.events import Served
from proxy.messages import Answer, Request
from proxy.server.request_body import LARGEST_HELD
from proxy.server.state import Snapshot
from tests.server.support import Raw, Stack, Wire, front_door, scripted_upstream, shadow_config
from tests.server.virtual_time import now, run

HOST = b"Host: a\r\n"
GET = b"GET /lone HTTP/1.1\r\n" + HOST + b"\r\n"
POST = b"POST /lone HTTP/1.1\r\n" + HOST
LIMITS = Limits()
ENGINE = EngineSnapshot(EngineConfig(db_schemas=("dlm",), db_anon_role="anon"), Schema())
LARGE = 24 * 1024 * 1024
"""More bytes than the kernel keeps for somebody who does not read them."""

Scene = Callable[[Stack], Awaitable[None]]


def in_front(scene: Scene, limits: Limits = LIMITS, script: Any = None, **upstream: Any) -> None:
    """Play ``scene`` before an upstream, on virtual time."""

    async def play() -> None:
        async with scripted_upstream(script) as standing:
            config = replace(shadow_config(standing.port, **upstream), limits=limits)
            async with front_door(config) as stack:
                await scene(stack)

    run(play())


def alone(scene: Scene, answer: Answer, limits: Limits = LIMITS) -> None:
    """Play ``scene`` before an engine that stands alone, on virtual time."""

    async def ask(request: Request, snapshot: Snapshot) -> Answer:
        return answer

    async def play() -> None:
        async with front_door(Config(limits=limits), ask_engine=ask, engine=ENGINE) as stack:
            await scene(stack)

    run(play())


async def drip(client: Wire, data: bytes, every: float) -> None:
    """Send ``data`` byte by byte, until the other end has had enough."""
    for byte in data:
        await asyncio.sleep(every)
        if client.writer.transport.is_closing():
            return
        client.writer.write(bytes([byte]))


async def read_beside(stack: Stack, start: bytes, data: bytes, every: float) -> tuple[Raw, float]:
    """The answer to ``start`` and then ``data``, byte by byte, and when it came; the end is waited for."""
    client = await stack.connect()
    await client.send(start)
    dripping = asyncio.create_task(drip(client, data, every))
    answer = await client.read_answer()
    seconds = now()
    await client.wait_closed_by_peer()
    dripping.cancel()
    return answer, seconds


def told(answer: Raw) -> tuple[int, str, str]:
    body = json.loads(answer.body)
    assert b"Connection: close" in answer.lines
    return answer.status, body["code"], body["message"]


def test_a_head_that_never_ends_is_ended() -> None:
    async def scene(stack: Stack) -> None:
        answer, seconds = await read_beside(stack, b"GET / HTTP/1.1\r\n", b"X: " + b"y" * 1000, 1.0)
        assert told(answer) == (408, "PROXY408", "Request head not received in time")
        assert seconds == pytest.approx(LIMITS.head_timeout, abs=1)
        assert [(event.answered_by, event.code) for event in stack.found(Served)] == [("proxy", 408)]

    in_front(scene)


def test_a_head_that_never_ends_behind_a_request_is_ended_when_that_is_answered() -> None:
    async def scene(stack: Stack) -> None:
        client = await stack.connect()
        assert (await client.ask(GET + GET[:5])).body == b"ok"
        assert told(await client.read_answer())[0] == 408

    in_front(scene)


def test_who_is_always_within_some_head_is_not_taken_to_be_within_one() -> None:
    async def scene(stack: Stack) -> None:
        client = await stack.connect()
        await client.send(GET[:10])
        for _ in range(20):
            await asyncio.sleep(LIMITS.head_timeout / 2)
            assert (await client.ask(GET[10:] + GET[:10])).status == 200

    in_front(scene)


def test_empty_lines_keep_no_connection_open() -> None:
    async def scene(stack: Stack) -> None:
        client = await stack.connect()
        dripping = asyncio.create_task(drip(client, b"\r\n" * 1000, 1.0))
        assert await client.reader.read() == b""
        assert now() <= LIMITS.idle_timeout + 1
        dripping.cancel()

    in_front(scene)


@pytest.mark.parametrize(
    "fields", [b"Content-Length: 1000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n"]
)
@pytest.mark.parametrize("every", [LIMITS.body_timeout + 1, LIMITS.body_timeout - 1, 1.0])
def test_a_body_that_comes_too_slowly_is_refused(fields: bytes, every: float) -> None:
    async def scene(stack: Stack) -> None:
        answer, seconds = await read_beside(stack, POST + fields, b"y" * 1000, every)
        assert told(answer) == (408, "PROXY408", "Request body not received in time")
        assert LIMITS.body_timeout <= seconds <= 2 * LIMITS.body_timeout

    # By the upstream's own patience, each byte would do.
    in_front(scene, timeout=100.0)
    alone(scene, Answer(201))


def test_a_slow_client_that_keeps_a_fair_pace_is_waited_for() -> None:
    async def scene(stack: Stack) -> None:
        client = await stack.connect()
        await client.send(POST + b"Content-Length: 102400\r\n\r\n")
        for _ in range(100):
            await asyncio.sleep(1.9)
            await client.send(b"y" * 1024)
        assert (await client.read_answer()).status == 200

    in_front(scene)


def test_a_client_that_does_not_take_its_answer_gives_the_upstreams_connection_back() -> None:
    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE)
        await wire.send(bytes(LARGE))

    async def scene(stack: Stack) -> None:
        client = await stack.connect(limit=1024)
        await client.send(GET)
        await stack.wait_for(Served)
        assert [event.code for event in stack.found(Served)] == [499]
        assert LIMITS.answer_timeout <= now() <= 1.5 * LIMITS.answer_timeout
        assert stack.upstream is not None
        assert stack.upstream.connections == 0

    in_front(scene, script=script)


def test_a_client_that_does_not_take_the_end_of_its_answer_is_cut_off() -> None:
    async def scene(stack: Stack) -> None:
        client = await stack.connect(limit=1024)
        await client.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        await stack.wait_for(Served)
        await asyncio.sleep(2 * LIMITS.answer_timeout)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await client.reader.readexactly(LARGE)

    alone(scene, Answer(200, body=bytes(LARGE)))


def test_a_client_that_takes_its_answer_slowly_gets_it_whole() -> None:
    async def scene(stack: Stack) -> None:
        client = await stack.connect(limit=2**20)
        await client.send(GET)
        head = await client.read_head()
        for _ in range(LARGE // 2**21):
            await asyncio.sleep(LIMITS.answer_timeout / 2)
            await client.reader.readexactly(2**21)
        assert head.startswith(b"HTTP/1.1 200 OK")

    alone(scene, Answer(200, body=bytes(LARGE)))


def test_more_connections_than_allowed_are_told_so_and_one_that_ends_makes_room() -> None:
    async def scene(stack: Stack) -> None:
        first, _ = await stack.connect(), await stack.connect()
        third = await stack.connect()
        assert told(await third.read_answer()) == (503, "PROXY503", "Too many connections")
        assert (await first.ask(GET)).status == 200
        await first.close()
        await asyncio.sleep(0.1)
        assert (await (await stack.connect()).ask(GET)).status == 200

    in_front(scene, limits=Limits(connections=2))


def test_an_idle_connection_is_closed() -> None:
    async def scene(stack: Stack) -> None:
        client = await stack.connect()
        assert (await client.ask(GET)).status == 200
        assert await client.reader.read() == b""
        assert now() == pytest.approx(7.0, abs=1)

    in_front(scene, limits=Limits(idle_timeout=7.0))


def test_an_engine_that_stands_alone_holds_no_body_of_any_size() -> None:
    async def scene(stack: Stack) -> None:
        for fields in (
            b"Content-Length: %d\r\n\r\n" % (LARGEST_HELD + 1),
            b"Transfer-Encoding: chunked\r\n\r\n",
        ):
            client = await stack.connect()
            await client.send(POST + fields)
            if b"chunked" in fields:
                for _ in range(LARGEST_HELD // 2**20 + 1):
                    client.writer.write(b"100000\r\n" + bytes(2**20) + b"\r\n")
            assert told(await client.read_answer())[:2] == (413, "PROXY413")

    alone(scene, Answer(201))


def test_pipelining_without_end_is_not_read_without_end() -> None:
    """While requests wait, nothing more is taken from the socket, so that the sender has to wait too."""

    async def silent(wire: Wire) -> None:
        await wire.wait_closed_by_peer()

    async def scene(stack: Stack) -> None:
        client = await stack.connect()
        flood = asyncio.create_task(client.send(GET * 2**20))
        done, _ = await asyncio.wait([flood], timeout=10.0)
        assert not done, "tens of megabytes were taken in"
        flood.cancel()
        client.reset()

    in_front(scene, script=silent)

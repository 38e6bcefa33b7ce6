"""The upstream's connections: kept, bounded, given up, and never asked the same write twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import EMPTY_PAYLOAD

from proxy.config import UpstreamConfig
from proxy.errors import UpstreamRefused, UpstreamTimeout
from proxy.server.connection import UpstreamAnswer
from proxy.server.heads import RequestHead, ResponseHead, parse_request_head
from proxy.server.request_body import RequestBody
from proxy.server.upstream import Upstream
from tests.server.support import LOCALHOST, OK, ScriptedUpstream, Wire, scripted_upstream, unused_port


def head(method: str = "GET", section: bytes = b"") -> RequestHead:
    return parse_request_head(method.encode() + b" /lone HTTP/1.1", b"Host: a\r\n" + section)


def ignore(interim: ResponseHead) -> None:
    """Nobody wants 1xx answers here."""


async def send(upstream: Upstream, request: RequestHead | None = None) -> UpstreamAnswer:
    return await asyncio.wait_for(upstream.send(request or head(), RequestBody(EMPTY_PAYLOAD), ignore), 5)


async def read_into(parts: list[bytes], answer: UpstreamAnswer) -> None:
    """Read the body to its end."""
    while not answer.complete:
        await asyncio.wait_for(answer.wait_more(), 5)
        parts.append(answer.take())
    parts.append(answer.take())


async def ask(upstream: Upstream, request: RequestHead | None = None) -> tuple[int, bytes]:
    """Status and whole body of the answer."""
    answer = await send(upstream, request)
    parts: list[bytes] = []
    try:
        await read_into(parts, answer)
        return (await answer.wait_head()).status, b"".join(parts)
    finally:
        answer.close()


@asynccontextmanager
async def connected(server: ScriptedUpstream, **options: Any) -> AsyncIterator[Upstream]:
    config = UpstreamConfig(f"http://{LOCALHOST}:{server.port}", **options)
    upstream = Upstream(config, asyncio.get_running_loop().time)
    try:
        yield upstream
    finally:
        await upstream.close()


async def test_a_connection_is_kept_for_the_next_request() -> None:
    async with scripted_upstream() as server, connected(server) as upstream:
        for _ in range(3):
            assert await ask(upstream) == (200, b"ok")
        assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok-and-more",
    ],
)
async def test_a_connection_is_not_kept_when_the_upstream_will_not_or_says_more_than_asked(
    answer: bytes,
) -> None:
    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.send(answer)
        await wire.wait_closed_by_peer()

    async with scripted_upstream(script) as server, connected(server) as upstream:
        assert await ask(upstream) == (200, b"ok")
        assert await ask(upstream) == (200, b"ok")
        assert server.connections == 2


async def test_bytes_on_an_idle_connection_are_never_taken_for_an_answer() -> None:
    said = asyncio.Event()
    speak = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.send(OK)
        await speak.wait()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        await wire.wait_closed_by_peer()
        said.set()

    async with scripted_upstream(script) as server, connected(server) as upstream:
        assert await ask(upstream) == (200, b"ok")
        speak.set()
        await asyncio.wait_for(said.wait(), 5)
        assert await ask(upstream) == (200, b"ok")
        assert server.connections == 2


async def test_an_idle_connection_is_closed_in_time() -> None:
    closed = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.send(OK)
        await wire.wait_closed_by_peer()
        closed.set()

    async with scripted_upstream(script) as server, connected(server, idle_timeout=0.02) as upstream:
        assert await ask(upstream) == (200, b"ok")
        await asyncio.wait_for(closed.wait(), 5)
        assert upstream.connections == 0


def closing_on_the_second_request(server_seen: list[bytes]) -> Any:
    """A script that answers one request per connection, and closes when it has read another."""

    async def script(wire: Wire) -> None:
        server_seen.append((await wire.read_request()).first_line)
        await wire.send(OK)
        server_seen.append((await wire.read_request()).first_line)

    return script


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_a_safe_request_on_a_stale_connection_is_sent_once_more_on_a_fresh_one(method: str) -> None:
    seen: list[bytes] = []
    async with (
        scripted_upstream(closing_on_the_second_request(seen)) as server,
        connected(server) as upstream,
    ):
        await ask(upstream)
        assert (await ask(upstream, head(method)))[0] == 200
        assert server.connections == 2
        line = f"{method} /lone HTTP/1.1".encode()
        assert seen == [b"GET /lone HTTP/1.1", line, line]


async def test_when_all_kept_connections_are_stale_the_second_try_is_not_wasted_on_another_of_them() -> None:
    both = asyncio.Barrier(2)
    seen: list[bytes] = []

    async def script(wire: Wire) -> None:
        await wire.read_request()
        if server.connections <= 2:
            await both.wait()
        await wire.send(OK)
        seen.append((await wire.read_request()).first_line)

    async with scripted_upstream(script) as server, connected(server) as upstream:
        await asyncio.wait_for(asyncio.gather(ask(upstream), ask(upstream)), 5)
        assert server.connections == 2
        assert await ask(upstream) == (200, b"ok")
        assert server.connections == 3
    assert len(seen) == 1


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE", "TRACE", "FOO"])
async def test_any_other_request_is_never_sent_twice(method: str) -> None:
    seen: list[bytes] = []
    async with (
        scripted_upstream(closing_on_the_second_request(seen)) as server,
        connected(server) as upstream,
    ):
        await ask(upstream)
        with pytest.raises(UpstreamRefused) as refused:
            await ask(upstream, head(method))
        assert refused.value.sent, "the upstream may have done it"
        assert server.connections == 1
        assert seen == [b"GET /lone HTTP/1.1", f"{method} /lone HTTP/1.1".encode()]


async def test_a_safe_request_is_not_repeated_once_a_byte_of_answer_came() -> None:
    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.send(OK)
        await wire.read_request()
        await wire.send(b"H")

    async with scripted_upstream(script) as server, connected(server) as upstream:
        await ask(upstream)
        with pytest.raises(UpstreamRefused):
            await ask(upstream)
        assert server.connections == 1


async def test_a_fresh_connection_that_is_closed_unanswered_is_not_tried_again() -> None:
    async def script(wire: Wire) -> None:
        await wire.read_request()

    async with scripted_upstream(script) as server, connected(server) as upstream:
        with pytest.raises(UpstreamRefused):
            await ask(upstream)
        assert server.connections == 1


async def test_no_more_connections_are_opened_than_allowed_and_nobody_is_forgotten() -> None:
    together = most = 0

    async def script(wire: Wire) -> None:
        nonlocal together, most
        while True:
            await wire.read_request()
            together += 1
            most = max(most, together)
            await asyncio.sleep(0)
            together -= 1
            await wire.send(OK)

    async with scripted_upstream(script) as server, connected(server, connections=3) as upstream:
        answers = await asyncio.gather(*(ask(upstream) for _ in range(50)))
        assert answers == [(200, b"ok")] * 50
        assert server.connections == 3
        assert most <= 3


async def test_who_waits_for_a_connection_too_long_is_told() -> None:
    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        await wire.wait_closed_by_peer()

    async with (
        scripted_upstream(script) as server,
        connected(server, connections=1, timeout=0.05) as upstream,
    ):
        answer = await send(upstream)
        with pytest.raises(UpstreamTimeout):
            await send(upstream)
        answer.close()


async def test_a_broken_connection_makes_room_for_who_waits() -> None:
    async def script(wire: Wire) -> None:
        request = await wire.read_request()
        if b"X-Hang" in request.head:
            await wire.wait_closed_by_peer()
        await wire.send(OK)
        await wire.wait_closed_by_peer()

    async with scripted_upstream(script) as server, connected(server, connections=1) as upstream:
        hanging = asyncio.create_task(send(upstream, head(section=b"X-Hang: 1\r\n")))
        await asyncio.sleep(0)
        waiting = asyncio.create_task(ask(upstream))
        await asyncio.sleep(0)
        hanging.cancel()
        assert await asyncio.wait_for(waiting, 5) == (200, b"ok")
        assert hanging.cancelled() or hanging.done()


async def test_an_unreachable_upstream_is_refused() -> None:
    config = UpstreamConfig(f"http://{LOCALHOST}:{unused_port()}")
    upstream = Upstream(config, asyncio.get_running_loop().time)
    with pytest.raises(UpstreamRefused):
        await send(upstream)
    assert upstream.connections == 0


async def test_a_head_must_be_complete_within_one_timeout_however_it_trickles() -> None:
    async def drip(wire: Wire) -> None:
        await wire.read_request()
        await wire.send(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            await wire.send(b"x")
            await asyncio.sleep(0.01)

    async with scripted_upstream(drip) as server, connected(server, timeout=0.1) as upstream:
        with pytest.raises(UpstreamTimeout):
            await send(upstream)


async def test_a_body_may_take_its_time_but_not_stand_still() -> None:
    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        for _ in range(20):
            await asyncio.sleep(0.01)
            await wire.send(b"x")
        await wire.wait_closed_by_peer()

    async with scripted_upstream(script) as server, connected(server, timeout=0.1) as upstream:
        answer = await send(upstream)
        received: list[bytes] = []
        with pytest.raises(UpstreamTimeout):
            await read_into(received, answer)
        assert b"".join(received) == b"x" * 20
        answer.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"SPDY/3 200 OK\r\n\r\n",
        # The end of what began like this might never come.
        b"\x16\x03\x01",
        b"HTTP/2",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nNo colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nBad Name: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\nY: b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    ],
)
async def test_an_answer_that_is_not_http_counts_as_none(answer: bytes) -> None:
    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.send(answer)
        await wire.wait_closed_by_peer()

    async with scripted_upstream(script) as server, connected(server) as upstream:
        with pytest.raises(UpstreamRefused):
            await send(upstream)


async def test_a_broken_chunk_breaks_the_answer_off() -> None:
    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")
        await wire.send(b"zz\r\n")
        await wire.wait_closed_by_peer()

    async with scripted_upstream(script) as server, connected(server) as upstream:
        answer = await send(upstream)
        with pytest.raises(UpstreamRefused):
            await read_into([], answer)
        answer.close()


async def test_closing_fails_requests_in_flight() -> None:
    asked = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.read_request()
        asked.set()
        await wire.wait_closed_by_peer()

    async with scripted_upstream(script) as server, connected(server) as upstream:
        waiting = asyncio.create_task(send(upstream))
        await asyncio.wait_for(asked.wait(), 5)
        await upstream.close()
        with pytest.raises(UpstreamRefused):
            await asyncio.wait_for(waiting, 5)
        assert server.connections == 1

"""Asking the upstream again: the client's own headers, connections apart, and no answer without end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from proxy.config import UpstreamConfig
from proxy.errors import UpstreamError, UpstreamRefused
from proxy.messages import Request
from proxy.server.again import UpstreamAgain
from tests.server.support import LOCALHOST, ScriptedUpstream, Wire, scripted_upstream, unused_port

HOST = (b"Host", b"api.test")
ROOM = 1000


@asynccontextmanager
async def asking_again(upstream: ScriptedUpstream, connections: int = 2) -> AsyncIterator[UpstreamAgain]:
    config = UpstreamConfig(f"http://{LOCALHOST}:{upstream.port}", timeout=5.0)
    again = UpstreamAgain(config, asyncio.get_running_loop().time, connections=connections)
    try:
        yield again
    finally:
        await again.close()


async def test_the_answer_is_whole() -> None:
    async with scripted_upstream() as upstream, asking_again(upstream) as again:
        answer = await again.ask(Request("GET", b"/a?b=c", (HOST,)), ROOM)
        assert (answer.status, answer.header(b"content-length"), answer.body) == (200, b"2", b"ok")


async def test_the_clients_headers_are_sent_in_their_order() -> None:
    headers = (HOST, (b"Authorization", b"Bearer t"), (b"accept", b"text/csv"), (b"X", b"1"), (b"X", b"2"))
    async with scripted_upstream() as upstream, asking_again(upstream) as again:
        await again.ask(Request("GET", b"/a?b=%63", headers), ROOM)
    assert upstream.requests[0].first_line == b"GET /a?b=%63 HTTP/1.1"
    assert upstream.requests[0].lines == [b"%b: %b" % header for header in headers]


async def test_a_body_is_sent_with_its_length_and_without_waiting_to_be_asked_for_it() -> None:
    headers = (HOST, (b"Content-Length", b"7"), (b"Expect", b"100-continue"))
    async with scripted_upstream() as upstream, asking_again(upstream) as again:
        await again.ask(Request("POST", b"/rpc/f", headers, b'{"a":1}'), ROOM)
    assert upstream.requests[0].body == b'{"a":1}'
    assert upstream.requests[0].lines == [b"Host: api.test", b"Content-Length: 7"]


async def test_a_request_of_an_old_client_has_the_upstreams_host() -> None:
    async with scripted_upstream() as upstream, asking_again(upstream) as again:
        await again.ask(Request("GET", b"/"), ROOM)
    assert upstream.requests[0].lines == [b"Host: %b:%d" % (LOCALHOST.encode(), upstream.port)]


async def test_an_answer_that_is_too_large_is_given_up() -> None:
    async def endless(wire: Wire) -> None:
        await wire.read_request()
        await wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await wire.send(b"400\r\n" + b"x" * 1024 + b"\r\n")

    async with scripted_upstream(endless) as upstream, asking_again(upstream) as again:
        with pytest.raises(UpstreamRefused, match="too large"):
            await again.ask(Request("GET", b"/", (HOST,)), ROOM)


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_an_upstream_that_cannot_answer_now_has_not_answered(status: int) -> None:
    async def unavailable(wire: Wire) -> None:
        await wire.read_request()
        await wire.send(b"HTTP/1.1 %d No\r\nContent-Length: 2\r\n\r\n{}" % status)
        await wire.wait_closed_by_peer()

    async with scripted_upstream(unavailable) as upstream, asking_again(upstream) as again:
        with pytest.raises(UpstreamRefused, match="cannot answer now"):
            await again.ask(Request("GET", b"/", (HOST,)), ROOM)


async def test_there_are_never_more_connections_than_said() -> None:
    async with scripted_upstream() as upstream, asking_again(upstream, connections=2) as again:
        await asyncio.gather(*(again.ask(Request("GET", b"/", (HOST,)), ROOM) for _ in range(20)))
        assert upstream.connections == 2


async def test_nobody_there_is_an_error_of_the_upstream() -> None:
    again = UpstreamAgain(
        UpstreamConfig(f"http://{LOCALHOST}:{unused_port()}"), asyncio.get_running_loop().time, connections=1
    )
    with pytest.raises(UpstreamError):
        await again.ask(Request("GET", b"/", (HOST,)), ROOM)
    await again.close()


async def test_what_cannot_be_said_in_http_is_not_sent() -> None:
    async with scripted_upstream() as upstream, asking_again(upstream) as again:
        with pytest.raises(UpstreamRefused):
            await again.ask(Request("GET", b"/", (HOST, (b"bad name", b"x"))), ROOM)
        assert upstream.requests == []

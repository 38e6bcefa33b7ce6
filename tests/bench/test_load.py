"""The load generator of our own: what it sends, when, and where an answer ends."""

import asyncio
import contextlib
from dataclasses import replace

import pytest

from tests.bench.load import Order, body_length, generate, make_request

SIZED = b"HTTP/1.1 200 OK\r\nDate: today\r\ncontent-length: 5\r\nX-Length: 9\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
BODILESS = b"HTTP/1.1 204 No Content\r\nServer: s\r\n\r\n"


@pytest.mark.parametrize(("answer", "length"), [(SIZED, 5), (CHUNKED, 5), (BODILESS, 0)])
def test_a_complete_answer_has_a_length(answer: bytes, length: int) -> None:
    assert body_length(answer) == length


@pytest.mark.parametrize("answer", [SIZED, CHUNKED, BODILESS])
def test_an_incomplete_answer_has_none_yet(answer: bytes) -> None:
    assert {body_length(answer[:end]) for end in range(len(answer))} == {None}


def order(**changes: object) -> Order:
    first = Order("http://h:1/t?id=eq.7777777", (("Prefer", "a=b"),), 2, 0.2, 200, 5)
    return replace(first, **changes)  # type: ignore[arg-type]


def test_every_client_has_a_number_of_its_own_in_target_and_body() -> None:
    sent = make_request(order(method="PATCH", body='{"id": 7777777}'), 12)
    assert sent == (
        b"PATCH /t?id=eq.12 HTTP/1.1\r\nHost: h:1\r\nPrefer: a=b\r\nContent-Length: 10\r\n\r\n"
        + b'{"id": 12}'
    )


async def test_no_more_is_sent_than_is_due() -> None:
    left = asyncio.Event()
    open_connections = 2

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_connections
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(SIZED)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        open_connections -= 1
        if not open_connections:
            left.set()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        kept = await generate(order(url=f"http://127.0.0.1:{port}/", rate=50.0))
        await left.wait()
    # However busy the machine is: ten are due in a fifth of a second, and one for each connection at once.
    assert 1 <= kept.requests <= 12
    assert kept.failures == 0

"""Proxy and upstream never disagree on where a request ends, whatever a client sends."""

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

import pytest

from proxy.config import Config
from proxy.events import Served
from proxy.messages import Answer, Header, Request
from proxy.server.state import Snapshot
from tests.attack.lenient import SERVERS, Seen
from tests.attack.streams import make_stream
from tests.server.support import OK, Stack, Wire, front_door, scripted_upstream, shadow_config
from tests.server.virtual_time import run

HOST = b"Host: a\r\n"
GET = b"GET /lone HTTP/1.1\r\n" + HOST + b"\r\n"
HEAD_OK = OK[:-2]
POST = b"POST /lone HTTP/1.1\r\n" + HOST


@dataclass(slots=True)
class Recorder:
    """An upstream that keeps every byte of each connection, and answers each whole request."""

    connections: list[bytearray] = field(default_factory=list)

    async def serve(self, wire: Wire) -> None:
        received = bytearray()
        self.connections.append(received)
        answered = 0
        while data := await wire.reader.read(65536):
            received += data
            whole, _ = SERVERS[0].read(bytes(received))
            for seen in whole[answered:]:
                await wire.send(HEAD_OK if seen.line.startswith(b"HEAD ") else OK)
            answered = len(whole)

    def requests(self) -> list[Seen]:
        """The whole requests that have come, as all the lenient servers agree."""
        found: list[Seen] = []
        for received in self.connections:
            first, *others = (server.read(bytes(received)) for server in SERVERS)
            assert all(other == first for other in others), bytes(received)
            found += first[0]
        return found


async def talk(stack: Stack, data: bytes) -> bytes:
    """Everything the proxy says to ``data`` until it has waited long enough for more, and closes."""
    client = await stack.connect()
    said = b""
    with suppress(ConnectionError):
        await client.send(data)
        while part := await client.reader.read(65536):
            said += part
    return said


async def attack(data: bytes, recorder: Recorder) -> tuple[bytes, list[Served]]:
    """What the proxy says to ``data``, and what it takes itself to have served."""
    async with (
        scripted_upstream(recorder.serve) as upstream,
        front_door(shadow_config(upstream.port)) as stack,
    ):
        said = await talk(stack, data)
        return said, stack.found(Served)


def count_answers(said: bytes, served: list[Served]) -> None:
    """Each answer is one that the proxy knows of, in order; the last may have been broken off."""
    statuses = [int(status) for status in re.findall(rb"HTTP/1\.1 ([2-5]\d\d) ", said)]
    assert statuses == [event.code for event in served if event.code != 499]


@pytest.mark.parametrize("seed", range(10))
def test_whatever_a_client_sends_the_upstream_sees_what_the_proxy_sees(seed: int) -> None:
    dice = Random(seed)
    for _ in range(60):
        data, recorder = make_stream(dice), Recorder()
        said, served = run(attack(data, recorder))
        passed_on = [event.method for event in served if event.answered_by == "upstream"]
        assert [one.line.split(b" ")[0].decode() for one in recorder.requests()] == passed_on, data
        count_answers(said, served)


@pytest.mark.parametrize(
    "header",
    [
        (b"Transfer-Encoding", b"chunked"),
        (b"transfer_encoding", b"chunked"),
        (b"content-length", b"0"),
        (b"Content-Length", b"400"),
        (b"Connection", b"close"),
        (b"Upgrade", b"h2c"),
    ],
)
async def test_a_function_that_sets_headers_cannot_say_where_the_answer_ends(header: Header) -> None:
    async def ask(request: Request, snapshot: Snapshot) -> Answer:
        return Answer(200, ((b"X-A", b"1"), header, (b"X-B", b"2\r\nX-C: 3")), b"[1]")

    async with front_door(Config(), ask_engine=ask) as stack:
        client = await stack.connect()
        for _ in range(2):
            answer = await asyncio.wait_for(client.ask(GET), 5)
            assert answer.lines[1:] == [b"X-A: 1", b"X-B: 2 X-C: 3", b"Content-Length: 3"]
            assert answer.body == b"[1]"

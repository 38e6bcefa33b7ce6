"""Messages on their way through the front door: interim answers, early ends, back-pressure."""

import asyncio
import hashlib
import tracemalloc

import pytest

from proxy.events import Served, Skipped
from tests.server.support import (
    OK,
    Raw,
    Wire,
    front_door,
    scripted_upstream,
    shadow_config,
)

HOST = b"Host: a\r\n"
GET = b"GET /lone HTTP/1.1\r\n" + HOST + b"\r\n"


async def test_expect_100_continue_is_asked_of_the_upstream_and_its_consent_passed_on() -> None:
    head = b"POST /lone HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\nExpect: 100-continue\r\n\r\n"

    async def script(wire: Wire) -> None:
        assert await wire.read_head() == head
        await wire.send(b"HTTP/1.1 100 Go On\r\nX-Interim: 1\r\n\r\n")
        assert await wire.reader.readexactly(4) == b"body"
        await wire.send(OK)

    async with scripted_upstream(script) as upstream, front_door(shadow_config(upstream.port)) as stack:
        client = await stack.connect()
        interim = await asyncio.wait_for(client.ask(head), 5)
        assert interim == Raw(b"HTTP/1.1 100 Go On\r\nX-Interim: 1\r\n\r\n", b"")
        answer = await asyncio.wait_for(client.ask(b"body"), 5)
        assert answer == Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"ok")


async def test_a_final_answer_instead_of_100_continue_ends_the_exchange_without_the_body() -> None:
    answer = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno"

    async def script(wire: Wire) -> None:
        await wire.read_head()
        await wire.send(answer)
        await wire.wait_closed_by_peer()

    async with scripted_upstream(script) as upstream, front_door(shadow_config(upstream.port)) as stack:
        client = await stack.connect()
        head = b"POST /lone HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\nExpect: 100-continue\r\n\r\n"
        got = await asyncio.wait_for(client.ask(head), 5)
        assert (got.status, got.body) == (401, b"no")
        assert b"Connection: close" in got.lines


async def test_interim_answers_are_passed_on_but_not_to_http_1_0() -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"

    async def script(wire: Wire) -> None:
        while True:
            await wire.read_request()
            await wire.send(hints + hints + OK)

    async with scripted_upstream(script) as upstream, front_door(shadow_config(upstream.port)) as stack:
        client = await stack.connect()
        await client.send(GET)
        heads = [(await asyncio.wait_for(client.read_answer(), 5)).head for _ in range(3)]
        assert heads == [hints, hints, OK[:-2]]
        old = await stack.connect()
        assert (await asyncio.wait_for(old.ask(b"GET / HTTP/1.0\r\n\r\n"), 5)).status == 200


async def test_an_early_answer_does_not_wait_for_a_body_that_nobody_reads() -> None:
    """The upload fills every buffer on the way; the answer must come through all the same."""

    async def script(wire: Wire) -> None:
        await wire.read_head()
        await wire.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
        await wire.wait_closed_by_peer()

    async def upload(client: Wire) -> None:
        try:
            for _ in range(400):
                await client.send(b"x" * 65536)
        except ConnectionError:
            return

    async with scripted_upstream(script) as upstream, front_door(shadow_config(upstream.port)) as stack:
        client = await stack.connect()
        await client.send(b"POST /lone HTTP/1.1\r\n" + HOST + b"Content-Length: 26214400\r\n\r\n")
        sending = asyncio.create_task(upload(client))
        answer = await asyncio.wait_for(client.read_answer(), 5)
        assert (answer.status, answer.body) == (413, b"big")
        assert b"Connection: close" in answer.lines
        await asyncio.wait_for(sending, 5)


async def test_a_client_that_leaves_while_it_waits_closes_the_upstream_connection() -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.read_request()
        asked.set()
        await wire.wait_closed_by_peer()
        gone.set()

    async with scripted_upstream(script) as upstream, front_door(shadow_config(upstream.port)) as stack:
        client = await stack.connect()
        await client.send(GET)
        await asyncio.wait_for(asked.wait(), 5)
        await client.close()
        await asyncio.wait_for(gone.wait(), 5)
        (served,) = await stack.wait_for(Served)
        assert served.code == 499
        assert stack.found(Skipped) == [Skipped("lone", "client_gone")]


async def test_a_client_that_leaves_in_the_middle_of_its_upload_closes_the_upstream_connection() -> None:
    begun, gone = asyncio.Event(), asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.read_head()
        assert await wire.reader.readexactly(3) == b"abc"
        begun.set()
        await wire.wait_closed_by_peer()
        gone.set()

    async with scripted_upstream(script) as upstream, front_door(shadow_config(upstream.port)) as stack:
        client = await stack.connect()
        await client.send(b"POST /lone HTTP/1.1\r\n" + HOST + b"Content-Length: 10\r\n\r\nabc")
        await asyncio.wait_for(begun.wait(), 5)
        await client.close()
        await asyncio.wait_for(gone.wait(), 5)
        (served,) = await stack.wait_for(Served)
        assert (served.code, served.read) == (499, False)


async def test_a_client_that_leaves_in_the_middle_of_the_answer_closes_the_upstream_connection() -> None:
    gone = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        await wire.wait_closed_by_peer()
        gone.set()

    async with scripted_upstream(script) as upstream, front_door(shadow_config(upstream.port)) as stack:
        client = await stack.connect()
        await client.send(GET)
        await client.read_head()
        assert await client.reader.readexactly(3) == b"abc"
        await client.close()
        await asyncio.wait_for(gone.wait(), 5)
        (served,) = await stack.wait_for(Served)
        assert (served.code, served.answered_by) == (499, "upstream")
        assert stack.found(Skipped) == [Skipped("lone", "client_gone")]


@pytest.mark.parametrize(
    "begin",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nabc",
    ],
)
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
async def test_an_answer_that_breaks_off_is_never_made_to_look_complete(begin: bytes, version: bytes) -> None:
    passed_on = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.send(begin)
        await passed_on.wait()
        wire.reset()

    async with scripted_upstream(script) as upstream, front_door(shadow_config(upstream.port)) as stack:
        client = await stack.connect()
        await client.send(b"GET /lone HTTP/" + version + b"\r\n" + HOST + b"\r\n")
        await client.reader.readuntil(b"abc")
        passed_on.set()
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(client.reader.read(), 5)
        assert await stack.wait_for(Skipped) == [Skipped("lone", "upstream_error")]


async def test_a_slow_client_makes_the_upstream_wait_and_costs_little_memory() -> None:
    part, parts = b"0123456789abcdef" * 4096, 800
    sent = 0
    stuck = asyncio.Event()

    async def script(wire: Wire) -> None:
        nonlocal sent
        await wire.read_request()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(part) * parts))
        for _ in range(parts):
            wire.writer.write(part)
            sent += len(part)
            while True:
                try:
                    await asyncio.wait_for(wire.writer.drain(), 0.5)
                except TimeoutError:
                    stuck.set()
                else:
                    break
        await wire.wait_closed_by_peer()

    async with scripted_upstream(script) as upstream, front_door(shadow_config(upstream.port)) as stack:
        client = await stack.connect(limit=65536)
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            await client.send(GET)
            await asyncio.wait_for(stuck.wait(), 20)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert sent < len(part) * parts, "nothing made the upstream wait"
        assert peak - before < 4 * 2**20
        await client.read_head()
        digest = hashlib.sha256()
        left = len(part) * parts
        while left:
            data = await asyncio.wait_for(client.reader.read(65536), 5)
            digest.update(data)
            left -= len(data)
        assert digest.digest() == hashlib.sha256(part * parts).digest()


async def test_a_slow_upstream_makes_the_client_wait_and_a_large_chunked_upload_arrives_whole() -> None:
    part, parts = b"0123456789abcdef" * 4096, 800
    read_on = asyncio.Event()
    arrived: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def script(wire: Wire) -> None:
        head = await wire.read_head()
        await read_on.wait()
        body = await wire.read_body(head, until_close=False)
        arrived.set_result(hashlib.sha256(body).digest())
        await wire.send(OK)

    async with scripted_upstream(script) as upstream, front_door(shadow_config(upstream.port)) as stack:
        client = await stack.connect()
        tracemalloc.start()
        try:
            before, peak = tracemalloc.get_traced_memory()
            await client.send(b"POST /lone HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n")
            for _ in range(parts):
                client.writer.write(b"%x\r\n%b\r\n" % (len(part), part))
                while True:
                    try:
                        await asyncio.wait_for(client.writer.drain(), 0.5)
                    except TimeoutError:
                        if not read_on.is_set():
                            _, peak = tracemalloc.get_traced_memory()
                            read_on.set()
                    else:
                        break
        finally:
            tracemalloc.stop()
        assert read_on.is_set(), "nothing made the client wait"
        assert peak - before < 4 * 2**20
        assert (await asyncio.wait_for(client.ask(b"0\r\n\r\n"), 20)).status == 200
        assert await arrived == hashlib.sha256(part * parts).digest()

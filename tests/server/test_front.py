"""The front door as a client meets it: limits, refusals, streaming, leaving early, closing."""

import asyncio
import json
from dataclasses import replace

import pytest

from proxy.config import Address, Limits
from proxy.events import Event, Served, Skipped
from proxy.messages import Answer
from proxy.server.client import ClientRequest, Reply
from proxy.server.front import FrontDoor
from proxy.server.listening import bind_port, find_port
from proxy.server.seats import SLACK, Seat, Seats
from tests.server.support import (
    LOCALHOST,
    OK,
    Raw,
    Wire,
    front_door,
    scripted_upstream,
    shadow_config,
    unused_port,
)

HOST = b"Host: a\r\n"
GET = b"GET /lone HTTP/1.1\r\n" + HOST + b"\r\n"


def error(answer: Raw) -> tuple[int, str]:
    """Status and code of an answer in PostgREST's error shape."""
    body = json.loads(answer.body)
    assert list(body) == ["code", "details", "hint", "message"]
    assert b"Content-Type: application/json; charset=utf-8" in answer.lines
    return answer.status, body["code"]


async def refused(request: bytes, limits: Limits | None = None) -> tuple[int, str]:
    """How ``request`` is refused; the connection must be closed then, and the upstream left alone."""
    async with scripted_upstream() as upstream:
        config = replace(shadow_config(upstream.port), limits=limits or Limits())
        async with front_door(config) as stack:
            client = await stack.connect()
            answer = await asyncio.wait_for(client.ask(request), 5)
            assert b"Connection: close" in answer.lines
            await asyncio.wait_for(client.wait_closed_by_peer(), 5)
            assert stack.found(Served)[0].answered_by == "proxy"
            assert not stack.found(Skipped)
    assert upstream.connections == 0
    return error(answer)


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /lone\r\n" + HOST + b"\r\n",
        b"GET  /lone HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /a\x00b HTTP/1.1\r\n" + HOST + b"\r\n",
        b"G\xc3\x84T /lone HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /lone HTTP/1.1\r\n\r\n",
        b"GET /lone HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
        b"GET /lone HTTP/1.1\r\n" + HOST + b"Bad Name: 1\r\n\r\n",
        b"GET /lone HTTP/1.1\r\n" + HOST + b"NoColon\r\n\r\n",
        b"GET /lone HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n",
        b"GET /lone HTTP/1.1\r\n" + HOST + b"X: a\nY: b\r\n\r\n",
        b"GET /lone HTTP/1.1\r\n" + HOST + b"X: a\rY: b\r\n\r\n",
        b"GET /lone HTTP/1.1\r\n" + HOST + b"X: a\r\n folded\r\n\r\n",
        b"GET /lone HTTP/1.1\n" + HOST[:-2] + b"\n\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
)
async def test_a_malformed_head_is_refused(request_: bytes) -> None:
    assert await refused(request_) == (400, "PROXY400")


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: 5\r\nContent-Length: 5\r\n",
        b"Content-Length: 5, 5\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: -5\r\n",
        b"Content-Length: 0x5\r\n",
        b"Content-Length: 5_0\r\n",
        b"Content-Length:\r\n",
        b"Content-Length: 99999999999999999999\r\n",
        b"Content-Length : 5\r\n",
        b" Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding : chunked\r\n",
    ],
)
async def test_a_head_that_two_servers_could_frame_differently_is_refused(framing: bytes) -> None:
    head = b"POST /lone HTTP/1.1\r\n" + HOST + framing + b"\r\n"
    assert await refused(head + b"0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n") == (400, "PROXY400")


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"identity", b"chunked, chunked", b"xchunked", b""])
async def test_a_transfer_coding_other_than_chunked_is_refused(coding: bytes) -> None:
    head = b"POST /lone HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: " + coding + b"\r\n\r\n"
    assert await refused(head) == (501, "PROXY501")


async def test_chunks_in_http_1_0_are_refused() -> None:
    assert await refused(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n") == (400, "PROXY400")


async def test_another_version_of_http_is_refused() -> None:
    assert await refused(b"PRI * HTTP/2.0\r\n\r\n") == (505, "PROXY505")


async def test_a_tunnel_is_refused_as_postgrest_refuses_unknown_methods() -> None:
    async with scripted_upstream() as upstream, front_door(shadow_config(upstream.port)) as stack:
        client = await stack.connect()
        answer = await client.ask(b"CONNECT a:443 HTTP/1.1\r\n" + HOST + b"\r\n")
        assert error(answer) == (405, "PGRST117")
    assert upstream.connections == 0


async def test_a_request_line_above_the_limit_is_refused_before_it_ends() -> None:
    limits = Limits(line=100)
    assert await refused(b"GET /" + b"x" * 200, limits) == (414, "PROXY414")
    assert await refused(b"GET /" + b"x" * 87 + b" HTTP/1.1\r\n" + HOST + b"\r\n", limits) == (
        414,
        "PROXY414",
    )


async def test_headers_above_the_limit_are_refused_before_they_end() -> None:
    limits = Limits(headers=1000)
    assert await refused(b"GET / HTTP/1.1\r\n" + b"X: 12345\r\n" * 200, limits) == (431, "PROXY431")
    assert await refused(b"GET / HTTP/1.1\r\nX: " + b"x" * 2000 + b"\r\n\r\n", limits) == (431, "PROXY431")


async def test_too_many_headers_are_refused() -> None:
    limits = Limits(header_count=10)
    assert await refused(b"GET / HTTP/1.1\r\n" + b"X: 1\r\n" * 11 + b"\r\n", limits) == (431, "PROXY431")


async def test_what_is_exactly_at_the_limits_passes() -> None:
    line = b"GET /" + b"x" * 86 + b" HTTP/1.1"
    assert len(line) == 100
    section = HOST + b"X: " + b"x" * 86 + b"\r\n"
    assert len(section) == 100
    limits = Limits(line=100, headers=100, header_count=2)
    async with (
        scripted_upstream() as upstream,
        front_door(replace(shadow_config(upstream.port), limits=limits)) as stack,
    ):
        client = await stack.connect()
        assert (await client.ask(line + b"\r\n" + section + b"\r\n")).body == b"ok"


async def test_valid_requests_pipelined_before_a_broken_one_are_answered() -> None:
    async with scripted_upstream() as upstream, front_door(shadow_config(upstream.port)) as stack:
        client = await stack.connect()
        await client.send(GET + GET + b"BROKEN\r\n\r\n" + GET)
        statuses = [(await asyncio.wait_for(client.read_answer(), 5)).status for _ in range(3)]
        assert statuses == [200, 200, 400]
        assert await asyncio.wait_for(client.reader.read(), 5) == b""


async def test_empty_lines_before_a_request_are_skipped() -> None:
    async with scripted_upstream() as upstream, front_door(shadow_config(upstream.port)) as stack:
        client = await stack.connect()
        assert (await asyncio.wait_for(client.ask(b"\r\n\r\n" + GET), 5)).status == 200
    assert upstream.requests[0].head == GET


async def test_a_head_that_arrives_byte_by_byte_is_one_request() -> None:
    request = b"POST /lone HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc"
    async with scripted_upstream() as upstream, front_door(shadow_config(upstream.port)) as stack:
        client = await stack.connect()
        for byte in request:
            await client.send(bytes([byte]))
            await asyncio.sleep(0)
        assert (await asyncio.wait_for(client.read_answer(), 5)).status == 200
    assert upstream.requests == [Raw(request[:-3], b"abc")]


async def test_an_announced_body_above_the_limit_is_refused_unseen() -> None:
    request = b"POST /lone HTTP/1.1\r\n" + HOST + b"Content-Length: 11\r\nExpect: 100-continue\r\n\r\n"
    async with (
        scripted_upstream() as upstream,
        front_door(replace(shadow_config(upstream.port), limits=Limits(body=10))) as stack,
    ):
        client = await stack.connect()
        answer = await asyncio.wait_for(client.ask(request), 5)
        assert error(answer) == (413, "PROXY413")
        assert b"Connection: close" in answer.lines
    assert upstream.connections == 0


async def test_a_chunked_body_that_grows_above_the_limit_is_cut_off() -> None:
    upstream_cut = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.wait_closed_by_peer()
        upstream_cut.set()

    async with (
        scripted_upstream(script) as upstream,
        front_door(replace(shadow_config(upstream.port), limits=Limits(body=10))) as stack,
    ):
        client = await stack.connect()
        await client.send(b"POST /lone HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n")
        await client.send(b"6\r\nfirst \r\n")
        await client.send(b"6\r\nsecond\r\n")
        assert error(await asyncio.wait_for(client.read_answer(), 5)) == (413, "PROXY413")
        await asyncio.wait_for(upstream_cut.wait(), 5)


async def test_refused_bodies_do_not_use_up_the_upstreams_connections() -> None:
    request = b"POST /lone HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    async with scripted_upstream() as upstream:
        config = replace(shadow_config(upstream.port, connections=1), limits=Limits(body=3))
        async with front_door(config) as stack:
            for _ in range(3):
                client = await stack.connect()
                answer = await asyncio.wait_for(client.ask(request + b"4\r\nlong\r\n0\r\n\r\n"), 5)
                assert error(answer) == (413, "PROXY413")
                assert (await asyncio.wait_for(client.ask(GET), 5)).body == b"ok"


@pytest.mark.parametrize("chunks", [b"zz\r\nhi\r\n", b"2\r\nhi!\r\n", b"2\nhi\r\n", b"-1\r\nhi\r\n", b"\r\n"])
async def test_a_body_with_broken_chunks_is_refused_and_never_completed_upstream(chunks: bytes) -> None:
    received: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def script(wire: Wire) -> None:
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await wire.read_request()
        received.set_result(b"incomplete")

    async with scripted_upstream(script) as upstream, front_door(shadow_config(upstream.port)) as stack:
        client = await stack.connect()
        await client.send(b"POST /lone HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        await asyncio.sleep(0)
        answer = await asyncio.wait_for(client.ask(chunks), 5)
        assert error(answer) == (400, "PROXY400")
        assert await asyncio.wait_for(client.reader.read(), 5) == b""
        if upstream.connections:
            assert await asyncio.wait_for(received, 5) == b"incomplete"


async def test_no_listener_upstream_is_told_as_503() -> None:
    async with front_door(shadow_config(unused_port())) as stack:
        client = await stack.connect()
        answer = await client.ask(GET)
        assert error(answer) == (503, "PGRST000")
        assert b"Proxy-Status: PostgREST; error=PGRST000" in answer.lines
        assert b"Retry-After: 0" in answer.lines
        assert answer.lines[0].startswith(b"Date: ")
        assert stack.found(Skipped) == [Skipped("lone", "upstream_error")]
        assert (await client.ask(GET)).status == 503


async def test_a_silent_upstream_is_told_as_504() -> None:
    async with (
        scripted_upstream(lambda wire: wire.wait_closed_by_peer()) as upstream,
        front_door(shadow_config(upstream.port, timeout=0.05)) as stack,
    ):
        client = await stack.connect()
        assert error(await asyncio.wait_for(client.ask(GET), 5)) == (504, "PGRST003")
        assert stack.found(Skipped) == [Skipped("lone", "upstream_error")]


async def test_an_error_to_a_head_request_has_the_length_but_not_the_body() -> None:
    async with front_door(shadow_config(unused_port())) as stack:
        client = await stack.connect()
        answer = await client.ask(b"HEAD /lone HTTP/1.1\r\n" + HOST + b"\r\n", "HEAD")
        assert answer.status == 503
        assert (await client.ask(GET)).status == 503


async def test_a_client_that_stops_in_its_upload_is_told_so_and_the_upstream_not_blamed() -> None:
    async with (
        scripted_upstream(lambda wire: wire.wait_closed_by_peer()) as upstream,
        front_door(shadow_config(upstream.port, timeout=0.05)) as stack,
    ):
        client = await stack.connect()
        request = b"POST /lone HTTP/1.1\r\n" + HOST + b"Content-Length: 10\r\n\r\nabc"
        assert error(await asyncio.wait_for(client.ask(request), 5)) == (408, "PROXY408")


async def test_closing_the_door_lets_a_request_in_progress_end() -> None:
    asked, answer_now = asyncio.Event(), asyncio.Event()

    async def slow(client: ClientRequest) -> Reply:
        asked.set()
        await answer_now.wait()
        reply = client.reply
        await reply._send(OK)
        return reply

    door = FrontDoor(slow, Limits(), lambda event: None, grace=5)
    port = await door.open(Address(LOCALHOST, 0))
    wire = Wire(*await asyncio.open_connection(LOCALHOST, port))
    idle = Wire(*await asyncio.open_connection(LOCALHOST, port))
    await wire.send(GET)
    await asked.wait()
    closing = asyncio.create_task(door.close())
    assert await asyncio.wait_for(idle.reader.read(), 5) == b""
    answer_now.set()
    assert (await asyncio.wait_for(wire.read_answer(), 5)).body == b"ok"
    await asyncio.wait_for(closing, 5)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(LOCALHOST, port)
    for end in (wire, idle):
        await end.close()


async def answer_ok(client: ClientRequest) -> Reply:
    """A handler that answers in our own name, and so says whether the connection is kept."""
    await client.reply.answer(Answer(200, (), b"ok"))
    return client.reply


async def test_who_leaves_answers_on_kept_connections_once_more_and_says_that_it_was_the_last_time() -> None:
    door = FrontDoor(answer_ok, Limits(), lambda event: None, grace=5)
    port = await door.open(Address(LOCALHOST, 0))
    wires = [Wire(*await asyncio.open_connection(LOCALHOST, port)) for _ in range(3)]
    for wire in wires:
        assert b"Connection: close" not in (await asyncio.wait_for(wire.ask(GET), 5)).lines
    leaving = asyncio.create_task(door.leave(30))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(LOCALHOST, port)
    for wire in wires:
        answer = await asyncio.wait_for(wire.ask(GET), 5)
        assert (answer.status, answer.body) == (200, b"ok")
        assert b"Connection: close" in answer.lines
        await asyncio.wait_for(wire.wait_closed_by_peer(), 5)
        await wire.close()
    await asyncio.wait_for(leaving, 5)
    await door.close()


async def test_a_door_says_at_its_seat_how_many_clients_it_has_and_that_it_takes_no_more() -> None:
    seats = Seats(2)
    other = Seat(seats.file, 1)
    listening = bind_port(LOCALHOST, 0)
    door = FrontDoor(answer_ok, Limits(), lambda event: None, grace=5)
    await door.open_on(listening, Seat(seats.file, 0))
    port = find_port(listening)
    wires = [Wire(*await asyncio.open_connection(LOCALHOST, port)) for _ in range(3)]
    for wire in wires:
        await asyncio.wait_for(wire.ask(GET), 5)
    room = []
    for clients in (3 + SLACK, 4 + SLACK):
        other.note(clients)
        room.append(other.has_room)
    assert room == [True, False]
    # One is taken, and not connected yet, when the door is left.
    wires.append(Wire(*await asyncio.open_connection(LOCALHOST, port)))
    leaving = asyncio.create_task(door.leave(30))
    for wire in wires:
        assert (await asyncio.wait_for(wire.ask(GET), 5)).status == 200
        await wire.close()
    await asyncio.wait_for(leaving, 5)
    assert other.has_room
    await door.close()
    seats.close()


async def test_an_answer_that_is_not_begun_when_the_door_closes_is_the_last_one_on_its_connection() -> None:
    asked, answer_now = asyncio.Event(), asyncio.Event()

    async def slow(client: ClientRequest) -> Reply:
        asked.set()
        await answer_now.wait()
        return await answer_ok(client)

    door = FrontDoor(slow, Limits(), lambda event: None, grace=5)
    wire = Wire(*await asyncio.open_connection(LOCALHOST, await door.open(Address(LOCALHOST, 0))))
    await wire.send(GET)
    await asked.wait()
    leaving = asyncio.create_task(door.leave(30))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    answer_now.set()
    answer = await asyncio.wait_for(wire.read_answer(), 5)
    assert b"Connection: close" in answer.lines
    await asyncio.wait_for(leaving, 5)
    await wire.close()
    await door.close()


async def test_clients_that_do_not_leave_are_waited_for_no_longer_than_a_farewell_takes() -> None:
    door = FrontDoor(answer_ok, Limits(), lambda event: None, grace=5)
    wire = Wire(*await asyncio.open_connection(LOCALHOST, await door.open(Address(LOCALHOST, 0))))
    await asyncio.wait_for(wire.ask(GET), 5)
    await asyncio.wait_for(door.leave(0.05), 5)
    await asyncio.wait_for(door.close(), 5)
    assert await asyncio.wait_for(wire.reader.read(), 5) == b""
    await wire.close()


async def test_a_handler_that_raises_is_told_as_500_without_particulars() -> None:
    events: list[Event] = []

    async def broken(client: ClientRequest) -> Reply:
        raise ValueError("a secret")

    door = FrontDoor(broken, Limits(), events.append, grace=1)
    wire = Wire(*await asyncio.open_connection(LOCALHOST, await door.open(Address(LOCALHOST, 0))))
    answer = await asyncio.wait_for(wire.ask(GET), 5)
    assert error(answer) == (500, "PGRSTX00")
    assert b"secret" not in answer.body
    assert [type(event).__name__ for event in events] == ["Crashed"]
    assert "secret" not in str(events)
    await wire.close()
    await door.close()

"""Promise 1: what the client sends reaches the upstream byte for byte, and its answer the client likewise."""

import asyncio
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from proxy.tape.collection import load, read_variants
from proxy.tape.format import RecordedExchange
from proxy.tape.request import build_request
from tests.server.support import OK, Raw, Stack, Wire, front_door, scripted_upstream, shadow_config

CONFORMANCE = Path(__file__).parent.parent / "conformance"
HOST = b"Host: archive.observatory.example\r\n"


def recorded_areas() -> Iterator[tuple[str, list[RecordedExchange]]]:
    exchanges = load(CONFORMANCE / "tapes" / "postgrest-14.17")
    for area, group in groupby(exchanges, key=lambda exchange: exchange.area):
        yield area, list(group)


AREAS = dict(recorded_areas())


def wire_request(exchange: RecordedExchange) -> bytes:
    """The recorded request as its client sent it."""
    request = build_request(exchange.request, read_variants(CONFORMANCE / "variants.json").settings)
    head = b"%b %b HTTP/1.1\r\n" % (request.method.encode(), request.target)
    lines = b"".join(b"%b: %b\r\n" % header for header in request.headers)
    return head + lines + b"\r\n" + request.body


def wire_answer(exchange: RecordedExchange) -> tuple[bytes, bytes]:
    """The recorded answer as PostgREST's web server sends it: its head, and its body with its framing.

    The tape leaves out Date and Transfer-Encoding; the first stands before all, the second before that.
    """
    answer = exchange.answer
    body = answer.body if exchange.body_omitted is None else b"x" * int(answer.header(b"content-length") or 0)
    bodiless = exchange.request.method == "HEAD" or answer.status == 204
    chunked = answer.header(b"content-length") is None and not bodiless
    head = b"HTTP/1.1 %d %b\r\n" % (answer.status, answer.reason)
    head += b"Transfer-Encoding: chunked\r\n" if chunked else b""
    head += b"Date: Sat, 14 Feb 2026 09:26:53 GMT\r\n"
    head += b"".join(b"%b: %b\r\n" % header for header in answer.headers) + b"\r\n"
    if bodiless:
        return head, b""
    if chunked:
        return head, (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
    return head, body


def test_the_tapes_hold_all_6138_exchanges() -> None:
    assert sum(map(len, AREAS.values())) == 6138


@pytest.mark.parametrize("area", AREAS)
async def test_every_recorded_exchange_passes_unchanged_both_ways(area: str) -> None:
    expected: asyncio.Queue[tuple[bytes, bytes]] = asyncio.Queue()
    received: list[bytes] = []

    async def play(wire: Wire) -> None:
        while True:
            request, answer = await expected.get()
            received.append(await wire.reader.readexactly(len(request)))
            await wire.send(answer)

    async with scripted_upstream(play) as upstream, front_door(shadow_config(upstream.port)) as stack:
        client = await stack.connect()
        for exchange in AREAS[area]:
            request = wire_request(exchange)
            head, body = wire_answer(exchange)
            expected.put_nowait((request, head + body))
            await client.send(request)
            got = await asyncio.wait_for(client.reader.readexactly(len(head + body)), 5)
            assert received.pop() == request, exchange.id
            assert got == head + body, exchange.id
        assert upstream.connections == 1


async def exchange(stack: Stack, request: bytes, method: str = "GET") -> Raw:
    wire = await stack.connect()
    return await asyncio.wait_for(wire.ask(request, method), 5)


@pytest.mark.parametrize(
    "target",
    [
        b"/?",
        b"/lone?",
        b"//",
        b"//lone//x",
        b"/a/../b/./c",
        b"/%2e%2e/%2F?x=%zz&&=&;",
        b"/lone?a=b?c=d",
        b"/lone#fragment",
        b"/lone?select=*&order=id.desc#x",
        b'/rpc/f?arr={1,2}&json={"a":[1]}&x=<>|\\^`',
        b"/caf\xc3\xa9?\xff\xfe=\x80",
        b"http://archive.observatory.example/lone?x=1",
        b"http://archive.observatory.example",
        b"lone",
        b"/lone?id=in.(" + b",".join(b"%d" % number for number in range(10_000)) + b")",
    ],
    ids=lambda target: repr(target[:30]),
)
async def test_the_request_target_is_never_rewritten(target: bytes) -> None:
    request = b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n"
    async with scripted_upstream() as upstream, front_door(shadow_config(upstream.port)) as stack:
        assert (await exchange(stack, request)).body == b"ok"
    assert upstream.requests == [Raw(request, b"")]


async def test_a_request_line_of_60_kilobytes_passes() -> None:
    request = b"GET /lone?x=" + b"y" * 60_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n"
    async with scripted_upstream() as upstream, front_door(shadow_config(upstream.port)) as stack:
        assert (await exchange(stack, request)).status == 200
    assert upstream.requests[0].head == request


async def test_an_asterisk_target_passes() -> None:
    request = b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n"
    async with scripted_upstream() as upstream, front_door(shadow_config(upstream.port)) as stack:
        assert (await exchange(stack, request)).status == 200
    assert upstream.requests[0].head == request


async def test_request_headers_keep_order_case_duplicates_spacing_and_bytes() -> None:
    request = (
        b"GET /lone HTTP/1.1\r\n"
        b"x-ODD-case: 1\r\n" + HOST + b"Prefer: count=exact\r\n"
        b"X-Empty:\r\n"
        b"Content-Type: application/json\r\n"
        b"PREFER: return=minimal\r\n"
        b"X-Latin: caf\xe9 \xff\xfe\r\n"
        b"X-Spaces:\t two  blanks \t\r\n"
        b"X-None:glued\r\n"
        b"Content-Type: text/csv\r\n"
        b"User-Agent: one\r\nUser-Agent: two\r\n"
        b"Cookie: a=1; b=2\r\n\r\n"
    )
    async with scripted_upstream() as upstream, front_door(shadow_config(upstream.port)) as stack:
        await exchange(stack, request)
    assert upstream.requests[0].head == request


async def test_hop_by_hop_request_headers_stay_here() -> None:
    request = (
        b"GET /lone HTTP/1.1\r\n" + HOST + b"Connection: keep-alive, X-Private , te\r\n"
        b"Keep-Alive: timeout=5\r\nX-Private: 1\r\nProxy-Connection: keep-alive\r\nTE: trailers\r\n"
        b"Upgrade: h2c\r\nProxy-Authorization: Basic x\r\nX-Public: 2\r\n\r\n"
    )
    async with scripted_upstream() as upstream, front_door(shadow_config(upstream.port)) as stack:
        await exchange(stack, request)
    assert upstream.requests[0].lines == [HOST.strip(), b"Proxy-Authorization: Basic x", b"X-Public: 2"]


async def test_what_connection_names_cannot_take_the_framing_away() -> None:
    request = (
        b"POST /lone HTTP/1.1\r\n" + HOST + b"Connection: content-length, host\r\nContent-Length: 2\r\n\r\nhi"
    )
    async with scripted_upstream() as upstream, front_door(shadow_config(upstream.port)) as stack:
        await exchange(stack, request)
    assert upstream.requests[0] == Raw(
        b"POST /lone HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\n", b"hi"
    )


async def test_a_chunked_request_stays_chunked_in_place_and_loses_its_trailers() -> None:
    request = (
        b"POST /lone HTTP/1.1\r\nA: 1\r\ntransfer-ENCODING: Chunked\r\n" + HOST + b"Trailer: X-Sum\r\n\r\n"
        b"4;ext=1\r\nWiki\r\n6\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n0\r\nX-Sum: 9\r\n\r\n"
    )
    async with scripted_upstream() as upstream, front_door(shadow_config(upstream.port)) as stack:
        await exchange(stack, request)
    assert upstream.requests == [
        Raw(
            b"POST /lone HTTP/1.1\r\nA: 1\r\ntransfer-ENCODING: Chunked\r\n" + HOST + b"\r\n",
            b"Wikipedia in \r\n\r\nchunks.",
        )
    ]


async def test_the_path_of_the_upstreams_url_goes_before_the_target() -> None:
    async with scripted_upstream() as upstream:
        config = shadow_config(upstream.port, url=f"http://127.0.0.1:{upstream.port}/api/v1/")
        async with front_door(config) as stack:
            await exchange(stack, b"GET /lone?x=%20 HTTP/1.1\r\n" + HOST + b"\r\n")
    assert upstream.requests[0].first_line == b"GET /api/v1/lone?x=%20 HTTP/1.1"


async def answered(answer: bytes, request: bytes, method: str = "GET", *, close: bool = False) -> Raw:
    """What the client gets when the upstream says ``answer``."""

    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.send(answer)
        if not close:
            await wire.wait_closed_by_peer()

    async with scripted_upstream(script) as upstream, front_door(shadow_config(upstream.port)) as stack:
        return await exchange(stack, request, method)


GET = b"GET /lone HTTP/1.1\r\n" + HOST + b"\r\n"
HEAD = b"HEAD /lone HTTP/1.1\r\n" + HOST + b"\r\n"


@pytest.mark.parametrize(
    "first_line",
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 402 Payment Required for \xc3\xbcber",
        b"HTTP/1.1 299 Odd but successful",
        b"HTTP/1.1 423 ",
        b"HTTP/1.1 499 Observer Went Home",
        b"HTTP/1.1 799 ",
        b"HTTP/1.1 999 failure",
    ],
)
async def test_status_and_reason_pass_as_they_are(first_line: bytes) -> None:
    head = first_line + b"\r\nContent-Length: 2\r\n\r\n"
    assert await answered(head + b"no", GET) == Raw(head, b"no")


async def test_answer_headers_keep_order_case_duplicates_and_bytes() -> None:
    head = (
        b"HTTP/1.1 200 OK\r\nServer: postgrest\r\nset-cookie: a=1\r\nX-\xc3\x9c: \xc3\xbc\r\n"
        b"Content-length: 0\r\nSET-COOKIE: b=2\r\nX-Latin:caf\xe9 \r\nX-Empty:\r\nServer: again\r\n\r\n"
    )
    assert await answered(head, GET) == Raw(head, b"")


async def test_hop_by_hop_answer_headers_stay_here() -> None:
    head = (
        b"HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n"
        b"Upgrade: h2c\r\nX-End: 2\r\nContent-Length: 0\r\n\r\n"
    )
    expected = b"HTTP/1.1 200 OK\r\nX-End: 2\r\nContent-Length: 0\r\n\r\n"
    assert await answered(head, GET) == Raw(expected, b"")


async def test_a_folded_answer_header_is_unfolded() -> None:
    head = b"HTTP/1.1 200 OK\r\nX-Long: one\r\n  two\r\n\tthree\r\nContent-Length: 0\r\n\r\n"
    expected = b"HTTP/1.1 200 OK\r\nX-Long: one two three\r\nContent-Length: 0\r\n\r\n"
    assert await answered(head, GET) == Raw(expected, b"")


async def test_a_chunked_answer_stays_chunked_in_place_and_loses_its_trailers() -> None:
    head = b"HTTP/1.1 200 OK\r\nA: 1\r\nTransfer-encoding: chunked\r\nTrailer: X-Sum\r\nB: 2\r\n\r\n"
    body = b"3\r\n[1,\r\n2\r\n2]\r\n0\r\nX-Sum: 1\r\n\r\n"
    expected = b"HTTP/1.1 200 OK\r\nA: 1\r\nTransfer-encoding: chunked\r\nB: 2\r\n\r\n"
    assert await answered(head + body, GET) == Raw(expected, b"[1,2]")


async def test_a_compressed_body_passes_untouched() -> None:
    body = bytes.fromhex("1f8b08000000000000ff8b8e050029bb4c0d02000000")
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    assert await answered(head + body, GET) == Raw(head, body)


@pytest.mark.parametrize(
    ("request_", "method", "head"),
    [
        (HEAD, "HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 4711\r\nContent-Type: a/b\r\n\r\n"),
        (HEAD, "HEAD", b"HTTP/1.1 200 OK\r\nContent-Range: 0-0/*\r\n\r\n"),
        (HEAD, "HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nA: 1\r\n\r\n"),
        (GET, "GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 17\r\nContent-Type: a/b\r\n\r\n"),
        (GET, "GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        (GET, "GET", b'HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: "x"\r\n\r\n'),
    ],
)
async def test_answers_without_body_leave_both_connections_usable(
    request_: bytes, method: str, head: bytes
) -> None:
    async def script(wire: Wire) -> None:
        for answer in (head, OK):
            await wire.read_request()
            await wire.send(answer)
        await wire.wait_closed_by_peer()

    async with scripted_upstream(script) as upstream, front_door(shadow_config(upstream.port)) as stack:
        client = await stack.connect()
        assert await asyncio.wait_for(client.ask(request_, method), 5) == Raw(head, b"")
        assert (await asyncio.wait_for(client.ask(GET), 5)).body == b"ok"
        assert upstream.connections == 1


async def test_a_body_that_ends_with_the_connection_reaches_the_client_chunked() -> None:
    answer = await answered(b"HTTP/1.1 200 OK\r\nA: 1\r\n\r\nall of it", GET, close=True)
    assert answer == Raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nA: 1\r\n\r\n", b"all of it")


async def test_a_client_of_http_1_0_gets_no_chunks_and_a_closed_connection() -> None:
    request = b"GET /lone HTTP/1.0\r\n\r\n"
    answer = await answered(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nA: 1\r\n\r\n2\r\nok\r\n0\r\n\r\n", request
    )
    assert answer == Raw(b"HTTP/1.1 200 OK\r\nA: 1\r\nConnection: close\r\n\r\n", b"ok")


async def test_a_client_of_http_1_0_without_host_is_asked_on_with_the_upstreams() -> None:
    async with scripted_upstream() as upstream, front_door(shadow_config(upstream.port)) as stack:
        await exchange(stack, b"GET /lone HTTP/1.0\r\nA: 1\r\n\r\n")
    host = b"Host: 127.0.0.1:%d" % upstream.port
    assert upstream.requests[0].head == b"GET /lone HTTP/1.1\r\n" + host + b"\r\nA: 1\r\n\r\n"


async def test_a_client_of_http_1_0_may_keep_its_connection() -> None:
    request = b"GET /lone HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"
    async with scripted_upstream() as upstream, front_door(shadow_config(upstream.port)) as stack:
        client = await stack.connect()
        for _ in range(2):
            answer = await asyncio.wait_for(client.ask(request), 5)
            assert answer.lines == [b"Content-Length: 2", b"Connection: keep-alive"]


async def test_a_client_that_asks_for_it_finds_its_connection_closed() -> None:
    async with scripted_upstream() as upstream, front_door(shadow_config(upstream.port)) as stack:
        client = await stack.connect()
        answer = await client.ask(b"GET /lone HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        assert answer.lines == [b"Content-Length: 2", b"Connection: close"]
        assert await asyncio.wait_for(client.reader.read(), 5) == b""


async def test_pipelined_requests_are_answered_in_order() -> None:
    async def echo(wire: Wire) -> None:
        while True:
            request = await wire.read_request()
            body = request.first_line + request.body
            await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    def request(number: int) -> bytes:
        line = b"POST /lone?n=%d HTTP/1.1\r\n" % number
        return line + HOST + b"Content-Length: 1\r\n\r\n%d" % (number % 10)

    async with scripted_upstream(echo) as upstream, front_door(shadow_config(upstream.port)) as stack:
        client = await stack.connect()
        await client.send(b"".join(map(request, range(100))))
        for number in range(100):
            answer = await asyncio.wait_for(client.read_answer(), 5)
            assert answer.body == b"POST /lone?n=%d HTTP/1.1%d" % (number, number % 10)

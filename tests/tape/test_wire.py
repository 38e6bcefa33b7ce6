"""HTTP/1.1 by hand: bytes go out as they stand and come in by their framing alone."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.messages import Answer, Request
from proxy.tape.wire import (
    WireClient,
    WireError,
    content_length,
    decode_chunked,
    format_request,
    is_chunked,
    split_head,
)


class ScriptedServer:
    """Answers the n-th request of a connection with the n-th script; None closes the connection."""

    def __init__(self, scripts: Sequence[bytes | None]) -> None:
        self.scripts = scripts
        self.heads: list[bytes] = []
        self.connections = 0
        self.url = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            for script in self.scripts:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                if script is None:
                    break
                writer.write(script)
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def scripted(
    *scripts: bytes | None, path: str = ""
) -> AsyncIterator[tuple[ScriptedServer, WireClient]]:
    script = ScriptedServer(scripts)
    server = await asyncio.start_server(script.handle, "127.0.0.1", 0)
    script.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{path}"
    async with server, WireClient(script.url, timeout=10) as client:
        yield script, client


def request(target: bytes = b"/", method: str = "GET") -> Request:
    return Request(method, target, ((b"Host", b"h"), (b"host", "ü".encode())))


def test_a_request_is_written_as_it_stands() -> None:
    odd = Request("get", "x?ü=%zz".encode(), ((b"A", b"1"), (b"a", b" 2")), b"body")
    assert format_request(odd, b"/api") == "get /apix?ü=%zz HTTP/1.1\r\nA: 1\r\na:  2\r\n\r\nbody".encode()


def test_a_head_is_split_and_values_are_stripped() -> None:
    head = "HTTP/1.1 200 OK\r\nX-Ü: \tü \r\nx-ü:a:b\r\n\r\n".encode()
    assert split_head(head) == (
        b"HTTP/1.1 200 OK",
        (("X-Ü".encode(), "ü".encode()), ("x-ü".encode(), b"a:b")),
    )


@pytest.mark.parametrize("line", [b"no colon", b": no name"])
def test_a_line_that_is_no_header_is_refused(line: bytes) -> None:
    with pytest.raises(WireError, match="not a header line"):
        split_head(b"HTTP/1.1 200 OK\r\n" + line + b"\r\n\r\n")


def test_framing_is_read_from_the_headers() -> None:
    assert is_chunked(((b"Transfer-Encoding", b"gzip, Chunked"),))
    assert not is_chunked(((b"Transfer-Encoding", b"chunked, gzip"),))
    assert content_length(((b"content-length", b"5"), (b"Content-Length", b"5"))) == 5
    assert content_length(()) is None


@pytest.mark.parametrize("values", [[b"-1"], [b"x"], [b""], [b"1", b"2"]])
def test_a_length_that_is_no_number_is_refused(values: list[bytes]) -> None:
    with pytest.raises(WireError, match="not a content length"):
        content_length(tuple((b"Content-Length", value) for value in values))


@given(st.lists(st.binary(min_size=1)), st.binary())
def test_chunks_are_joined_and_every_prefix_of_them_is_incomplete(chunks: list[bytes], rest: bytes) -> None:
    coded = b"".join(b"%X;x=y\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\nT: v\r\n\r\n"
    assert decode_chunked(b"??" + coded + rest, 2) == (b"".join(chunks), 2 + len(coded))
    assert all(decode_chunked(coded[:end], 0) is None for end in range(len(coded)))


@pytest.mark.parametrize("size", [b"", b"-1", b"0x1", b"1_0", b"g"])
def test_a_chunk_size_that_is_not_hexadecimal_is_refused(size: bytes) -> None:
    with pytest.raises(WireError, match="not a chunk size"):
        decode_chunked(size + b"\r\n\r\n", 0)


@pytest.mark.parametrize(
    ("written", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", b"abc"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: x\r\n\r\n", b""),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 17\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 17\r\n\r\n", b""),
    ],
)
async def test_a_framed_body_is_read_and_the_connection_is_used_again(written: bytes, body: bytes) -> None:
    async with scripted(written, written) as (server, client):
        for _ in range(2):
            assert (await client.ask(request())).body == body
        assert server.connections == 1


async def test_an_answer_keeps_its_headers_but_for_those_of_the_connection() -> None:
    written = (
        "HTTP/1.1 200 Très bien\r\nX-Ü: a\r\nx-ü: b\r\nKeep-Alive: 1\r\nContent-Length: 0\r\n\r\n".encode()
    )
    async with scripted(written) as (_, client):
        assert await client.ask(request()) == Answer(
            200,
            (("X-Ü".encode(), b"a"), ("x-ü".encode(), b"b"), (b"Content-Length", b"0")),
            b"",
            "Très bien".encode(),
        )


async def test_the_server_sees_the_raw_target_behind_the_path_of_the_url() -> None:
    async with scripted(b"HTTP/1.1 204 No Content\r\n\r\n", path="/api/") as (server, client):
        await client.ask(request("/ü?%zz".encode(), "FOO"))
        assert server.heads == ["FOO /api/ü?%zz HTTP/1.1\r\nHost: h\r\nhost: ü\r\n\r\n".encode()]


async def test_an_answer_to_head_has_no_body_whatever_its_length_says() -> None:
    async with scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n") as (_, client):
        assert (await client.ask(request(method="HEAD"))).body == b""


async def test_interim_answers_are_passed_over() -> None:
    written = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
    async with scripted(written) as (_, client):
        assert (await client.ask(request())).body == b"x"


async def test_a_body_without_framing_ends_with_the_connection() -> None:
    async with scripted(b"HTTP/1.0 200 OK\r\n\r\nabc") as (server, client):
        assert (await client.ask(request())).body == b"abc"
        assert (await client.ask(request())).body == b"abc"
        assert server.connections == 2


async def test_connection_close_is_honoured() -> None:
    written = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    async with scripted(written, written) as (server, client):
        await client.ask(request())
        await client.ask(request())
        assert server.connections == 2


async def test_a_kept_connection_that_has_gone_stale_is_replaced() -> None:
    async with scripted(b"HTTP/1.1 204 No Content\r\n\r\n") as (server, client):
        await client.ask(request())
        assert (await client.ask(request())).status == 204
        assert server.connections == 2


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Le", "before an answer came"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "in the middle of a body"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc", "in the middle of a body"),
        (b"SMTP 200 OK\r\n\r\n", "not a status line"),
        (b"HTTP/1.1 OK\r\n\r\n", "not a status line"),
    ],
)
async def test_half_an_answer_is_an_error(written: bytes, problem: str) -> None:
    async with scripted(written) as (_, client):
        with pytest.raises(WireError, match=problem):
            await client.ask(request())


async def test_a_server_that_closes_at_once_is_an_error() -> None:
    async with scripted(None) as (_, client):
        with pytest.raises(WireError, match="before an answer came"):
            await client.ask(request())


async def test_silence_ends_in_a_timeout() -> None:
    async with scripted(b"", b"") as (server, _), WireClient(server.url, timeout=0.01) as client:
        with pytest.raises(TimeoutError):
            await client.ask(request())


@pytest.mark.parametrize("url", ["127.0.0.1:3000", "ftp://x", "http://", "http://x:port"])
def test_only_http_urls_are_taken(url: str) -> None:
    with pytest.raises(ValueError, match=r"url|[Pp]ort"):
        WireClient(url)

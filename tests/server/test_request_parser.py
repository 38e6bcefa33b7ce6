"""The bytes of a connection become the same requests however they arrive."""

import asyncio
import itertools

from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from hypothesis import given
from hypothesis import strategies as st

from proxy.config import Limits
from proxy.server.heads import RequestHead
from proxy.server.refusals import Refusal
from proxy.server.request_parser import Message, RequestParser

SIZED = st.binary(min_size=1, max_size=20).map(
    lambda body: (b"POST /s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body), body)
)
CHUNKED = st.binary(min_size=1, max_size=20).map(
    lambda body: (
        b"PUT /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
        % (len(body), body),
        body,
    )
)
PLAIN = st.just((b"GET /p?x=1 HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n", b""))
REQUESTS = st.lists(st.one_of(PLAIN, SIZED, CHUNKED), min_size=1, max_size=5)


def parse(pieces: list[bytes], limits: Limits | None = None) -> list[tuple[Message, bytes]]:
    """What comes out of a parser that is fed ``pieces``, each request with its whole body."""
    loop = asyncio.new_event_loop()
    try:
        parser = RequestParser(BaseProtocol(loop), loop, limits or Limits())
        found: list[tuple[Message, StreamReader]] = []
        for piece in pieces:
            messages, upgraded, tail = parser.feed_data(piece)
            assert (upgraded, tail) == (False, b"")
            found += messages
        return [(message, payload.read_nowait()) for message, payload in found]
    finally:
        loop.close()


@given(REQUESTS, st.lists(st.integers(0, 500), max_size=10))
def test_requests_are_the_same_however_they_are_cut(
    requests: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    data = b"".join(request for request, _ in requests)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(edges)]
    cut = parse(pieces)
    assert cut == parse([data])
    assert [body for _, body in cut] == [body for _, body in requests]
    assert all(isinstance(message, RequestHead) for message, _ in cut)


@given(REQUESTS)
def test_a_request_is_handed_out_with_its_last_byte_of_head(requests: list[tuple[bytes, bytes]]) -> None:
    data = b"".join(request for request, _ in requests)
    first_head = data.index(b"\r\n\r\n") + 4
    assert parse([data[: first_head - 1]]) == []
    assert len(parse([data[:first_head]])) == 1


@given(st.integers(0, 300), st.integers(1, 40))
def test_limits_hold_wherever_the_bytes_are_cut(length: int, step: int) -> None:
    limits = Limits(line=100, headers=60)
    data = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"x" * length)
    pieces = [data[start : start + step] for start in range(0, len(data), step)]
    ((message, _),) = parse(pieces, limits)
    assert isinstance(message, Refusal) == (length > 86)
    if isinstance(message, Refusal):
        assert message.status == 414


@given(st.integers(0, 150), st.integers(1, 40))
def test_the_limit_of_all_headers_together_holds_wherever_the_bytes_are_cut(length: int, step: int) -> None:
    limits = Limits(line=100, headers=60)
    data = b"GET / HTTP/1.1\r\nHost: a\r\nX: %b\r\n\r\n" % (b"x" * length)
    section = len(data) - len(b"GET / HTTP/1.1\r\n\r\n")
    pieces = [data[start : start + step] for start in range(0, len(data), step)]
    ((message, _),) = parse(pieces, limits)
    assert isinstance(message, Refusal) == (section > 60)
    if isinstance(message, Refusal):
        assert message.status == 431


def test_only_so_many_requests_are_handed_out_at_a_time() -> None:
    loop = asyncio.new_event_loop()
    parser = RequestParser(BaseProtocol(loop), loop, Limits())
    data = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 50
    assert len(parser.feed_data(data)[0]) == 32
    assert parser.feed_data(b"")[0] == []
    for _ in range(32):
        parser.message_consumed()
    assert len(parser.feed_data(b"")[0]) == 18
    loop.close()


def test_nothing_is_read_after_a_refusal() -> None:
    found = parse([b"BROKEN\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"])
    assert [type(message) for message, _ in found] == [Refusal]

"""Bodies lose their framing and get a new one, however the bytes arrive."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.server.bodies import LAST_CHUNK, BodyReader, ChunkedBody, SizedBody, frame_chunk
from proxy.server.heads import BadMessage

PARTS = st.lists(st.binary(min_size=1, max_size=40), max_size=6)
CUTS = st.lists(st.integers(0, 400), max_size=12)
TRAILERS = st.sampled_from([b"", b"X-Sum: 1\r\n", b"A: 1\r\nB: 2\r\n"])
EXTENSION = st.sampled_from([b"", b";a=1", b" ;a", b'; a="b;c"'])


def feed_in_pieces(body: BodyReader, data: bytes, cuts: list[int]) -> tuple[bytes, bytes, bool]:
    """All of the body, what follows it, and whether it was complete."""
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    received = b""
    for start, end in itertools.pairwise(edges):
        part, rest, complete = body.feed(data[start:end])
        received += part
        if complete:
            return received, rest + data[end:], True
        assert rest == b""
    return received, b"", False


@given(PARTS, TRAILERS, EXTENSION, st.binary(max_size=10), CUTS)
def test_a_chunked_body_is_read_the_same_however_it_is_cut(
    parts: list[bytes], trailers: bytes, extension: bytes, following: bytes, cuts: list[int]
) -> None:
    chunks = b"".join(b"%X%b\r\n%b\r\n" % (len(part), extension, part) for part in parts)
    data = chunks + b"0" + extension + b"\r\n" + trailers + b"\r\n" + following
    assert feed_in_pieces(ChunkedBody(), data, cuts) == (b"".join(parts), following, True)


@given(PARTS, CUTS)
def test_what_is_framed_is_read_again(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(map(frame_chunk, parts)) + LAST_CHUNK
    assert feed_in_pieces(ChunkedBody(), data, cuts) == (b"".join(parts), b"", True)


@given(st.binary(max_size=60), st.binary(max_size=10), CUTS)
def test_a_sized_body_ends_at_its_size(body: bytes, following: bytes, cuts: list[int]) -> None:
    if body:
        reader = SizedBody(len(body))
        assert feed_in_pieces(reader, body + following, cuts) == (body, following, True)


@given(PARTS, CUTS, st.data())
def test_a_chunked_body_that_is_cut_short_is_never_complete(
    parts: list[bytes], cuts: list[int], data: st.DataObject
) -> None:
    whole = b"".join(map(frame_chunk, parts)) + LAST_CHUNK
    short = whole[: data.draw(st.integers(0, len(whole) - 1))]
    assert not feed_in_pieces(ChunkedBody(), short, cuts)[2]


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n",
        b"g\r\n",
        b"-1\r\n",
        b"+1\r\n",
        b"0x1\r\n",
        b"1_0\r\n",
        b" 1\r\n",
        b"1\n",
        b"1\r\nab\r\n",
        b"1\r\na\n\n",
        b"1\r\na\r\r",
        b"2\r\na\r\n0\r\n\r\n",
        b"1111111111111111\r\n",
        b"1;\r\r\n",
        b"0\r\nX: 1\n\r\n",
        b"0;" + b"x" * 5000,
        b"0;" + b"x" * 5000 + b"\r\n",
        b"0\r\n" + b"X: 12345678\r\n" * 10_000,
    ],
)
def test_broken_chunks_are_refused(data: bytes) -> None:
    with pytest.raises(BadMessage):
        ChunkedBody().feed(data)


@given(st.binary(max_size=80))
def test_no_bytes_make_the_reader_fail_in_an_unforeseen_way(data: bytes) -> None:
    try:
        ChunkedBody().feed(data)
    except BadMessage:
        return

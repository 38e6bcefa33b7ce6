"""Undoing content codings."""

import gzip

from hypothesis import given
from hypothesis import strategies as st

from proxy.messages import Answer
from proxy.shadow.coding import decode_body, read_codings


def coded(body: bytes, *codings: bytes) -> Answer:
    return Answer(200, tuple((b"content-encoding", coding) for coding in codings), body)


@given(st.binary())
def test_what_was_compressed_comes_back(body: bytes) -> None:
    assert decode_body(coded(gzip.compress(body), b"gzip")) == body
    assert decode_body(coded(gzip.compress(gzip.compress(body)), b"GZIP", b"gzip")) == body
    assert decode_body(coded(body, b"identity")) == body
    assert decode_body(coded(body)) == body


@given(st.binary(min_size=1))
def test_any_bytes_may_claim_to_be_compressed(body: bytes) -> None:
    decode_body(coded(body, b"gzip"))
    decode_body(coded(body, b"deflate"))


def test_what_would_grow_beyond_the_limit_is_refused() -> None:
    packed = gzip.compress(bytes(1000))
    assert decode_body(coded(packed, b"gzip"), limit=1000) == bytes(1000)
    assert decode_body(coded(packed, b"gzip"), limit=999) is None
    assert decode_body(coded(packed + packed, b"gzip"), limit=1999) is None


def test_the_codings_are_read_in_the_order_of_their_application() -> None:
    assert read_codings(coded(b"", b"Deflate , gzip", b"identity", b"br")) == (b"deflate", b"gzip", b"br")


def test_too_many_codings_are_refused() -> None:
    assert decode_body(coded(b"x", b"gzip,gzip,gzip,gzip,gzip")) is None

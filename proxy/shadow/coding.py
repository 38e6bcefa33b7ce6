"""Undo content codings, so that a compressed answer can be compared with one that is not."""

import zlib

from proxy.messages import Answer, find_headers

DECODED_LIMIT = 16 * 1024 * 1024
"""The most bytes a body may have after decoding, so that a few bytes cannot fill the memory."""

MAX_CODINGS = 4
EITHER_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
RAW_DEFLATE = -zlib.MAX_WBITS


def read_codings(answer: Answer) -> tuple[bytes, ...]:
    """The content codings of ``answer`` in the order in which they were applied, lower case."""
    lines = find_headers(answer.headers, b"content-encoding")
    if not lines:
        return ()
    listed = b",".join(lines).lower().split(b",")
    return tuple(coding.strip() for coding in listed if coding.strip() not in (b"", b"identity"))


def decode_body(answer: Answer, limit: int = DECODED_LIMIT) -> bytes | None:
    """The body of ``answer`` without its content codings.

    None when a coding is unknown or does not fit the bytes, or when more than ``limit`` bytes would come
    out. Source: RFC 9110, section 8.4.1; some senders leave out deflate's zlib wrapper.
    """
    codings = read_codings(answer)
    body = answer.body
    # No body, no coding: the answer to HEAD names the coding of a body that is not there.
    if not body:
        return body
    if len(codings) > MAX_CODINGS:
        return None
    for coding in reversed(codings):
        if coding in (b"gzip", b"x-gzip"):
            decoded = _inflate(body, EITHER_GZIP_OR_ZLIB, limit)
        elif coding == b"deflate":
            decoded = _inflate(body, EITHER_GZIP_OR_ZLIB, limit)
            if decoded is None:
                decoded = _inflate(body, RAW_DEFLATE, limit)
        else:
            return None
        if decoded is None:
            return None
        body = decoded
    return body


def _inflate(body: bytes, window: int, limit: int) -> bytes | None:
    """All members of ``body`` decompressed, or None."""
    parts: list[bytes] = []
    left = limit
    while body:
        stream = zlib.decompressobj(window)
        try:
            part = stream.decompress(body, left + 1)
        except zlib.error:
            return None
        if len(part) > left or not stream.eof:
            return None
        parts.append(part)
        left -= len(part)
        body = stream.unused_data
    return b"".join(parts)

"""The bodies of HTTP/1.1 messages, without I/O: take the framing off, and put a new one on.

A body is framed anew on the other side of the proxy, so that client, proxy and upstream can never disagree
about where a message ends.
"""

import re
from typing import Protocol

from proxy.server.heads import BadMessage, ResponseHead, never_has_body

LAST_CHUNK = b"0\r\n\r\n"
_LONGEST_LINE = 4096
_LONGEST_TRAILERS = 65536
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n\x00]*)?")


class BodyReader(Protocol):
    """Takes the framing off one body."""

    def feed(self, data: bytes) -> tuple[bytes, bytes, bool]:
        """The part of the body in ``data``, what follows the body, and whether the body is complete.

        Raises ``BadMessage`` if the framing is broken.
        """


class SizedBody:
    """A body of ``length`` bytes (RFC 9112, section 6.2)."""

    __slots__ = ("_left",)

    def __init__(self, length: int) -> None:
        self._left = length

    def feed(self, data: bytes) -> tuple[bytes, bytes, bool]:
        left = self._left
        if len(data) <= left:
            self._left = left - len(data)
            return data, b"", not self._left
        self._left = 0
        return data[:left], data[left:], True


class BodyUntilClose:
    """A body that ends with the connection (RFC 9112, section 6.3, rule 8)."""

    __slots__ = ()

    def feed(self, data: bytes) -> tuple[bytes, bytes, bool]:
        return data, b"", False


class ChunkedBody:
    """A chunked body; chunk extensions and trailers are dropped (RFC 9112, sections 7.1.1 and 7.1.2)."""

    __slots__ = ("_at_trailers", "_left", "_line", "_trailers")

    def __init__(self) -> None:
        self._line = b""
        self._left = 0
        self._at_trailers = False
        self._trailers = 0

    def feed(self, data: bytes) -> tuple[bytes, bytes, bool]:
        if self._line:
            data, self._line = self._line + data, b""
        parts = []
        position = 0
        while position < len(data):
            # A chunk's closing CRLF is counted with its data: the last two of ``left`` are not the body's.
            if self._left > 2:
                part = data[position : position + self._left - 2]
                parts.append(part)
                position += len(part)
                self._left -= len(part)
            elif self._left:
                if data[position] != b"\n\r"[self._left - 1]:
                    raise BadMessage("malformed chunk")
                position += 1
                self._left -= 1
            else:
                end = data.find(b"\n", position)
                if end < 0:
                    self._line = data[position:]
                    if len(self._line) > _LONGEST_LINE:
                        raise BadMessage("chunk line too long")
                    break
                line, position = data[position:end], end + 1
                if self._take_line(line):
                    return b"".join(parts), data[position:], True
        return b"".join(parts), b"", False

    def _take_line(self, line: bytes) -> bool:
        if line[-1:] != b"\r" or len(line) > _LONGEST_LINE:
            raise BadMessage("malformed chunk line")
        if self._at_trailers:
            self._trailers += len(line)
            if self._trailers > _LONGEST_TRAILERS:
                raise BadMessage("trailers too long")
            return len(line) == 1
        match = _CHUNK_LINE.fullmatch(line[:-1])
        if match is None:
            raise BadMessage("malformed chunk line")
        size = int(match.group(1), 16)
        if size:
            self._left = size + 2
        else:
            self._at_trailers = True
        return False


def frame_chunk(part: bytes) -> bytes:
    """``part``, which is not empty, as one chunk."""
    return b"%x\r\n%b\r\n" % (len(part), part)


def response_body(method: str, head: ResponseHead) -> BodyReader | None:
    """How to read the body of the answer ``head`` to a ``method`` request; None if there is none.

    Source: RFC 9112, section 6.3.
    """
    if never_has_body(method, head.status):
        return None
    if head.fields.coding is not None:
        return ChunkedBody()
    if head.fields.length is not None:
        return SizedBody(head.fields.length) if head.fields.length else None
    return BodyUntilClose()

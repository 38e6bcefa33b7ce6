"""The bytes of one client connection, cut into requests, without I/O of its own."""

import asyncio
from typing import TypeAlias

from aiohttp import EMPTY_PAYLOAD, StreamReader
from aiohttp.base_protocol import BaseProtocol

from proxy.config import Limits
from proxy.server import refusals
from proxy.server.bodies import BodyReader, ChunkedBody, SizedBody
from proxy.server.heads import BadMessage, RequestHead, parse_request_head

Message: TypeAlias = RequestHead | refusals.Refusal
"""A request, or why what came is none. After a refusal nothing more is read from the connection."""

_MOST_WAITING = 32
_PAYLOAD_BUFFER = 64 * 1024


class RequestParser:
    """Stands where aiohttp's own parser stands, and has the methods that its connections call."""

    def __init__(self, protocol: BaseProtocol, loop: asyncio.AbstractEventLoop, limits: Limits) -> None:
        self._protocol = protocol
        self._loop = loop
        self._limits = limits
        self._pending = b""
        self._searched = 0
        self._body: BodyReader | None = None
        self._payload: StreamReader = EMPTY_PAYLOAD
        self._waiting = 0
        self._refused = False

    def feed_data(self, data: bytes) -> tuple[list[tuple[Message, StreamReader]], bool, bytes]:
        """The requests whose heads are complete with ``data``; the other two values are aiohttp's.

        Bodies are fed to the payloads handed out with the heads. At most 32 requests are handed out
        before ``message_consumed`` is called; what is pipelined behind them waits unread.
        """
        messages: list[tuple[Message, StreamReader]] = []
        if self._refused:
            return messages, False, b""
        if self._pending:
            data, self._pending = self._pending + data, b""
        while data:
            if self._body is not None:
                data = self._feed_body(self._body, data)
                continue
            if self._waiting >= _MOST_WAITING:
                self._pending = data
                break
            message: Message | None
            try:
                message, data = self._take_head(data)
            except BadMessage as fault:
                message = refusals.bad_request(fault)
            except refusals.Refusal as refusal:
                message = refusal
            if message is None:
                self._pending = data
                break
            if isinstance(message, refusals.Refusal):
                messages.append(self.refuse(message))
                break
            self._waiting += 1
            messages.append((message, self._expect_body(message)))
        return messages, False, b""

    @property
    def within_head(self) -> bool:
        """Whether a head has begun and is not complete."""
        return bool(self._pending) and self._body is None and self._waiting < _MOST_WAITING

    def refuse(self, refusal: refusals.Refusal) -> tuple[Message, StreamReader]:
        """Read nothing more of the connection; what is to be said instead."""
        self._refused = True
        self._pending = b""
        self._waiting += 1
        return refusal, EMPTY_PAYLOAD

    def message_consumed(self) -> None:
        """One of the requests handed out is being answered."""
        self._waiting -= 1

    def pause_reading(self) -> None:
        """Nothing: aiohttp stops reading from the socket, and what was read before is bounded."""

    def set_upgraded(self, upgraded: bool) -> None:
        """Nothing: no connection is ever upgraded."""

    def _take_head(self, data: bytes) -> tuple[RequestHead | None, bytes]:
        """The head at the start of ``data`` and what follows it; None while it is incomplete."""
        start = 0
        while data.startswith(b"\r\n", start):
            start += 2
        end = data.find(b"\r\n\r\n", max(start, self._searched))
        line_end = data.find(b"\r\n", start, start + self._limits.line + 2)
        if line_end < 0:
            if len(data) - start > self._limits.line + 1:
                raise refusals.line_too_long(self._limits.line)
        elif (end if end >= 0 else len(data) - 3) - line_end > self._limits.headers:
            raise refusals.headers_too_large(f"The limit is {self._limits.headers} bytes")
        if end < 0:
            if b"\n\n" in data:
                raise BadMessage("bare line feed")
            self._searched = max(0, len(data) - start - 3)
            return None, data[start:]
        self._searched = 0
        section = data[line_end + 2 : end + 2]
        if section.count(b"\r\n") > self._limits.header_count:
            raise refusals.headers_too_large(f"The limit is {self._limits.header_count} fields")
        return parse_request_head(data[start:line_end], section), data[end + 4 :]

    def _expect_body(self, head: RequestHead) -> StreamReader:
        if not head.has_body:
            return EMPTY_PAYLOAD
        self._body = ChunkedBody() if head.chunked else SizedBody(head.fields.length or 0)
        self._payload = StreamReader(self._protocol, _PAYLOAD_BUFFER, loop=self._loop)
        return self._payload

    def _feed_body(self, body: BodyReader, data: bytes) -> bytes:
        try:
            part, rest, complete = body.feed(data)
        except BadMessage as fault:
            self._refused = True
            self._payload.set_exception(refusals.bad_request(fault))
            # Without an end aiohttp would wait for the rest before it closes the connection.
            self._payload.feed_eof()
            return b""
        if part:
            self._payload.feed_data(part, len(part))
        if complete:
            self._body = None
            self._payload.feed_eof()
        return rest

"""One request as the handler meets it, and the reply to it, written as raw bytes.

``ClientRequest`` and ``Reply`` stand where aiohttp has ``BaseRequest`` and ``StreamResponse``, which add
headers of their own and encode all others anew. aiohttp's connection asks little of them: ``_finish``,
``_cancel`` and ``_task`` of a request; ``prepare``, ``write_eof`` and ``keep_alive`` of a response.
"""

import asyncio
import socket
import struct

from aiohttp import StreamReader
from aiohttp.abc import AbstractStreamWriter

from proxy.messages import Answer
from proxy.server.bodies import LAST_CHUNK, frame_chunk
from proxy.server.dates import http_date
from proxy.server.heads import (
    RequestHead,
    ResponseHead,
    never_has_body,
    standard_reason,
    status_line,
    write_section,
)
from proxy.server.refusals import Refusal
from proxy.server.request_body import RequestBody
from proxy.server.request_parser import Message

_JOIN_UP_TO = 64 * 1024
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class ClientGone(ConnectionResetError):
    """The client closed its connection. aiohttp takes it quietly, as it does every ConnectionError."""


class Reply:
    """What the client is told, written as raw bytes. ``status`` is 0 until a final head was written.

    It answers the request with the head ``request``, None if that was refused, and with that ``body``. It
    does not know the ``ClientRequest``, which knows it: two that know each other are left to the collector of
    cycles, which stops everything for milliseconds.
    """

    __slots__ = ("_body", "_chunked", "_head", "_request", "_writer", "keep_alive", "status")

    def __init__(self, request: RequestHead | None, body: RequestBody, writer: AbstractStreamWriter) -> None:
        self._request = request
        self._body = body
        self._writer = writer
        self._head = b""
        self._chunked = False
        self.keep_alive = request is not None and request.keep_alive
        self.status = 0

    def interim(self, head: ResponseHead) -> None:
        """Pass on a 1xx answer, which HTTP/1.0 does not know (RFC 9110, section 15.2). Never raises."""
        request = self._request
        transport = self._writer.transport
        if request is None or not request.minor or self.status:
            return
        if transport is not None and not transport.is_closing():
            section = head.fields.section(chunked=False)
            transport.write(b"%b%b\r\n" % (status_line(head.status, head.reason), section))

    def begin(self, head: ResponseHead) -> None:
        """Prepare the final head of an upstream's answer; it leaves together with the first bytes of body.

        A body whose length the head does not tell is chunked, or ends with the connection if the client
        speaks HTTP/1.0.
        """
        request = self._request
        assert request is not None
        bodiless = never_has_body(request.method, head.status)
        unsized = head.fields.length is None and not bodiless
        self._chunked = unsized and request.minor > 0
        if (unsized and not self._chunked) or not self._body.complete:
            self.keep_alive = False
        coded = self._chunked or (bodiless and head.fields.coding is not None and request.minor > 0)
        self._head = b"%b%b%b\r\n" % (
            status_line(head.status, head.reason),
            head.fields.section(chunked=coded),
            self._connection_line(request),
        )
        self.status = head.status

    async def write(self, part: bytes) -> None:
        """Send a part of the body, and wait while the client reads more slowly than we write.

        Raises ``ClientGone``.
        """
        if self._chunked and part:
            part = frame_chunk(part)
        await self._send(part)

    async def finish(self, last: bytes = b"") -> None:
        """Send the ``last`` part and end the answer. Raises like ``write``."""
        if self._chunked:
            last = frame_chunk(last) + LAST_CHUNK if last else LAST_CHUNK
        await self._send(last)

    def abort(self) -> None:
        """Break the connection, so that the client cannot take what it got for a complete answer.

        With a TCP reset: where an answer ends with the connection, an orderly end would look like its own.
        """
        self.keep_alive = False
        transport = self._writer.transport
        if transport is None or transport.is_closing():
            return
        if (sock := transport.get_extra_info("socket")) is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()

    async def answer(self, answer: Answer, lead: bytes = b"") -> None:
        """Send an answer of our own, complete, with ``Date`` first, where PostgREST's web server has it.

        ``lead`` are header lines that come next. Raises ``ClientGone``.
        """
        request = self._request
        if not self._body.complete:
            self.keep_alive = False
        bodiless = never_has_body("" if request is None else request.method, answer.status)
        self._head = b"%bDate: %b\r\n%b%b%b\r\n" % (
            status_line(answer.status, answer.reason or standard_reason(answer.status)),
            http_date(),
            lead,
            write_section(answer.headers, None if bodiless else len(answer.body)),
            self._connection_line(request),
        )
        self._chunked = False
        self.status = answer.status
        await self.finish(b"" if bodiless else answer.body)

    async def prepare(self, request: object) -> None:
        """Nothing: whoever returns a reply to aiohttp has written it."""

    async def write_eof(self) -> None:
        """Nothing, as ``prepare``."""

    def _connection_line(self, request: RequestHead | None) -> bytes:
        if not self.keep_alive:
            return b"Connection: close\r\n"
        if request is not None and not request.minor:
            return b"Connection: keep-alive\r\n"
        return b""

    async def _send(self, data: bytes) -> None:
        head, self._head = self._head, b""
        transport = self._writer.transport
        if transport is None or transport.is_closing():
            raise ClientGone
        if len(data) <= _JOIN_UP_TO:
            data = head + data
        elif head:
            transport.write(head)
        transport.write(data)
        try:
            await self._writer.drain()
        except ConnectionError as error:
            raise ClientGone from error


class ClientRequest:
    """One request: ``head`` is None if what came was refused, and ``refusal`` then says why."""

    __slots__ = ("_payload", "_task", "_writer", "body", "head", "refusal", "reply")

    def __init__(
        self,
        message: Message,
        payload: StreamReader,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> None:
        self.head = message if isinstance(message, RequestHead) else None
        self.refusal = message if isinstance(message, Refusal) else None
        self.body = RequestBody(payload)
        self.reply = Reply(self.head, self.body, writer)
        self._payload = payload
        self._task = task
        self._writer = writer

    @property
    def peer(self) -> str:
        """The client's address; empty where it has none (a unix socket), or has left."""
        transport = self._writer.transport
        name = None if transport is None else transport.get_extra_info("peername")
        return str(name[0]) if isinstance(name, tuple) else ""

    def _finish(self) -> None:
        """Called by aiohttp when the handler is done."""

    def _cancel(self, error: BaseException) -> None:
        """Called by aiohttp when the client is gone."""
        self._payload.set_exception(ClientGone(), error)

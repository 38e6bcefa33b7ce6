"""The front door: aiohttp's low-level server, listening, with requests read and replies written as bytes.

Of aiohttp stay the connections: keep-alive, pipelining, back-pressure, cancellation when a client leaves,
graceful shutdown. Its parser is replaced (see ``proxy.server.heads`` for why), and its request and
response objects too (see ``proxy.server.client``).
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, cast

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter

from proxy.config import Address, Limits
from proxy.errors import render_error
from proxy.events import Crashed, Emit
from proxy.server import refusals
from proxy.server.client import ClientRequest, Reply
from proxy.server.request_parser import Message, RequestParser
from proxy.server.seats import Seat
from proxy.server.taker import Taker

Handle: TypeAlias = Callable[[ClientRequest], Awaitable[Reply]]

_BACKLOG = 1024

_LOOKS = 4
"""How often, within the time that a client may take nothing of its answer, connections are looked at."""


class FrontDoor:
    """Listens for clients and gives each request to ``handle``.

    ``grace`` is how long, in seconds, requests in progress may take when the door closes.
    """

    def __init__(self, handle: Handle, limits: Limits, emit: Emit, *, grace: float = 30.0) -> None:
        self._handle = handle
        self._limits = limits
        self._emit = emit
        self._grace = grace
        self._runner: web.ServerRunner | None = None
        self._server: _Server | None = None
        self._taker: Taker | None = None

    async def open(self, address: Address, *, reuse_port: bool = False) -> int:
        """Start to listen; the port is returned, which the system chooses if ``address`` has port 0.

        With ``reuse_port`` several processes may listen on one port. Raises ``OSError``.
        """
        runner = await self._set_up()
        site = web.TCPSite(
            runner, address.host, address.port, backlog=_BACKLOG, reuse_port=reuse_port or None
        )
        await site.start()
        return site.port

    async def open_on(self, listening: socket.socket, seat: Seat | None = None) -> None:
        """Start to take connections from ``listening``, which is closed with the door.

        With a ``seat`` other processes take them from it, too, and each gets its share.
        """
        await self._set_up(seat)
        assert self._server is not None
        self._taker = Taker(listening, self._server, self._emit, seat)

    async def _set_up(self, seat: Seat | None = None) -> web.ServerRunner:
        self._server = server = _Server(self._handle, self._limits, self._emit, seat)
        self._runner = web.ServerRunner(server, shutdown_timeout=self._grace)
        await self._runner.setup()
        return self._runner

    async def leave(self, farewell: float) -> None:
        """Stop listening, and let every client leave by itself, for ``farewell`` seconds at most.

        Each is told with its next answer that it is the last one on its connection. To close a kept
        connection while a request may be on its way to it would make that request fail.
        """
        if self._runner is None or self._server is None:
            return
        for site in tuple(self._runner.sites):
            await site.stop()
        await self._take_no_more()
        await self._server.leave(farewell)

    async def close(self) -> None:
        """Stop listening, let requests in progress end, close every connection."""
        await self._take_no_more()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._server is not None:
            self._server.look_no_more()
            self._server = None

    async def _take_no_more(self) -> None:
        if self._taker is not None:
            await self._taker.close()
            self._taker = None


class _Server(web.Server):
    def __init__(self, handle: Handle, limits: Limits, emit: Emit, seat: Seat | None) -> None:
        super().__init__(
            cast(Any, handle), request_factory=cast(Any, _make_request), handler_cancellation=True
        )
        self._limits = limits
        self._emit = emit
        self._clients: set[_ClientConnection] = set()
        self._seat = seat
        self._alone = asyncio.Event()
        self._next_look: asyncio.TimerHandle | None = None
        self.leaving = False
        self._note()

    async def leave(self, farewell: float) -> None:
        """From now on every answer is the last one on its connection; wait until all connections are gone."""
        self.leaving = True
        if self._seat is not None:
            self._seat.leave()
        # Whoever has been accepted by now is to be among them.
        await asyncio.sleep(0)
        for client in self._clients:
            client.say_farewell()
        if self._clients:
            self._alone.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(farewell):
                    await self._alone.wait()

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        client = cast(_ClientConnection, handler)
        self._clients.add(client)
        self._note()
        if len(self._clients) > self._limits.connections:
            client.refuse(refusals.too_many_connections())
        if self._next_look is None:
            self._look_later()

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        self._clients.discard(cast(_ClientConnection, handler))
        self._note()
        if not self._clients:
            self._alone.set()

    def _note(self) -> None:
        if self._seat is not None and not self.leaving:
            self._seat.note(len(self._clients))

    def __call__(self) -> web.RequestHandler:
        return _ClientConnection(self, self._limits, self._emit)

    def look_no_more(self) -> None:
        """Leave what is still open to the end of the process."""
        if self._next_look is not None:
            self._next_look.cancel()

    def _look_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._next_look = loop.call_later(self._limits.answer_timeout / _LOOKS, self._look)

    def _look(self) -> None:
        self._next_look = None
        for client in tuple(self._clients):
            client.look()
        if self._clients:
            self._look_later()


class _ClientConnection(web.RequestHandler):
    """One client's connection, which does not wait for that client for ever.

    aiohttp ends a connection that has been without a request for too long, but in the order of things: what
    the client does not take of its last answer is waited for, and so is the end of a head.
    """

    def __init__(self, server: _Server, limits: Limits, emit: Emit) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=limits.idle_timeout,
            access_log=cast(Any, None),
            max_line_size=limits.line,
            max_field_size=limits.headers,
            max_headers=limits.header_count,
            auto_decompress=False,
        )
        self._requests = RequestParser(self, loop, limits)
        self._parser = cast(Any, self._requests)
        self._server = server
        self._limits = limits
        self._tell = emit
        self._socket: asyncio.Transport | None = None
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_number = 0
        self._not_taken = 0
        self._looks = 0

    @property
    def leaving(self) -> bool:
        """Whether the next answer is the last one on this connection."""
        return self._server.leaving

    def say_farewell(self) -> None:
        """Let the answer to the request in progress, if it is not begun, be the last one."""
        request = cast(ClientRequest | None, self._current_request)
        if request is not None:
            request.reply.keep_alive = False

    def refuse(self, refusal: refusals.Refusal) -> None:
        """Answer what has come so far, then ``refusal``, and close."""
        self._messages.append(cast(Any, self._requests.refuse(refusal)))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def look(self) -> None:
        """Break the connection off if its client has taken nothing of what was sent for too long."""
        assert self._socket is not None
        size = self._socket.get_write_buffer_size()
        self._looks = self._looks + 1 if size and size == self._not_taken else 0
        self._not_taken = size
        if self._looks >= _LOOKS:
            self._socket.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Kept apart: aiohttp forgets a transport that it has closed, though bytes still wait there.
        # Not every event loop's transports are subclasses of asyncio's.
        self._socket = cast(asyncio.Transport, transport)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._forget_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head_timer is not None and self._head_number != self._request_count:
            self._forget_head()
        if not self._requests.within_head:
            self._forget_head()
        elif self._head_timer is None:
            self._head_number = self._request_count
            self._head_timer = self._loop.call_later(self._limits.head_timeout, self._end_head)

    def _end_head(self) -> None:
        self._head_timer = None
        self.refuse(refusals.head_timeout())

    def _forget_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer for a handler that raised: in PostgREST's shape, and without a word about the reason."""
        self.log_exception("handler", exc_info=exc)
        reply = cast(ClientRequest, request).reply
        if reply.status:
            reply.abort()
            return cast(web.StreamResponse, reply)
        reply.keep_alive = False
        return cast(web.StreamResponse, _Apology(reply))

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Tell listeners what aiohttp would log."""
        error = kw.get("exc_info")
        self._tell(Crashed("front door", type(error).__name__))


class _Apology:
    """An answer that aiohttp writes, because the handler could not."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self.keep_alive = False

    async def prepare(self, request: object) -> None:
        await self._reply.answer(render_error(refusals.internal()))

    async def write_eof(self) -> None:
        """Nothing: ``prepare`` wrote everything."""


def _make_request(
    message: Message,
    payload: StreamReader,
    protocol: web.RequestHandler,
    writer: AbstractStreamWriter,
    task: "asyncio.Task[None]",
) -> ClientRequest:
    request = ClientRequest(message, payload, writer, task)
    if cast(_ClientConnection, protocol).leaving:
        request.reply.keep_alive = False
    return request

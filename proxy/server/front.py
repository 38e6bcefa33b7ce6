"""The front door: aiohttp's low-level server, listening, with requests read and replies written as bytes.

Of aiohttp stay the connections: keep-alive, pipelining, back-pressure, cancellation when a client leaves,
graceful shutdown. Its parser is replaced (see ``proxy.server.heads`` for why), and its request and
response objects too (see ``proxy.server.client``).
"""

import asyncio
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

Handle: TypeAlias = Callable[[ClientRequest], Awaitable[Reply]]

_KEEP_ALIVE = 75.0
"""Seconds that an idle client connection is kept: more than PostgREST's 30 and common ingresses' 60."""

_BACKLOG = 1024


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

    async def open_on(self, listening: socket.socket) -> None:
        """Start to take connections from ``listening``, which is closed with the door."""
        runner = await self._set_up()
        await web.SockSite(runner, listening, backlog=_BACKLOG).start()

    async def _set_up(self) -> web.ServerRunner:
        server = _Server(self._handle, self._limits, self._emit)
        self._runner = web.ServerRunner(server, shutdown_timeout=self._grace)
        await self._runner.setup()
        return self._runner

    async def close(self) -> None:
        """Stop listening, let requests in progress end, close every connection."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None


class _Server(web.Server):
    def __init__(self, handle: Handle, limits: Limits, emit: Emit) -> None:
        super().__init__(
            cast(Any, handle), request_factory=cast(Any, _make_request), handler_cancellation=True
        )
        self._limits = limits
        self._emit = emit

    def __call__(self) -> web.RequestHandler:
        return _ClientConnection(self, self._limits, self._emit)


class _ClientConnection(web.RequestHandler):
    """One client's connection."""

    def __init__(self, server: _Server, limits: Limits, emit: Emit) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=_KEEP_ALIVE,
            access_log=cast(Any, None),
            max_line_size=limits.line,
            max_field_size=limits.headers,
            max_headers=limits.header_count,
            auto_decompress=False,
        )
        self._parser = cast(Any, RequestParser(self, loop, limits))
        self._tell = emit

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
    return ClientRequest(message, payload, writer, task)

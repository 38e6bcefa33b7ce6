"""Ask the upstream once more what a client has asked it: over connections of its own, and with a deadline."""

import asyncio

from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol

from proxy.config import UpstreamConfig
from proxy.errors import UpstreamRefused
from proxy.messages import UNAVAILABLE, Answer, Request
from proxy.server.connection import Clock
from proxy.server.heads import BadMessage, RequestHead, ResponseHead, parse_request_head
from proxy.server.request_body import RequestBody
from proxy.server.upstream import Upstream

_FRAMING = (b"content-length", b"expect")


class UpstreamAgain:
    """Sends requests of clients again, with their own headers, no more than ``connections`` at once.

    Its connections are apart from those that clients wait for: who asks here waits in a line of its own.
    """

    def __init__(self, config: UpstreamConfig, clock: Clock, *, connections: int) -> None:
        self._upstream = Upstream(_with_connections(config, connections), clock)

    @property
    def connections(self) -> int:
        """How many connections are open or being opened."""
        return self._upstream.connections

    async def ask(self, request: Request, room: int) -> Answer:
        """The upstream's whole answer.

        Raises UpstreamError, also where it has more than ``room`` bytes or says that it cannot answer now.
        """
        try:
            head = _make_head(request)
        except BadMessage as error:
            raise UpstreamRefused("the request cannot be sent again") from error
        answer = await self._upstream.send(head, _make_body(request.body), _pass_over)
        try:
            parts: list[bytes] = []
            while True:
                part = answer.take()
                room -= len(part)
                parts.append(part)
                if room < 0:
                    raise UpstreamRefused("the answer is too large")
                if answer.complete:
                    break
                await answer.wait_more()
            found = await answer.wait_head()
            if found.status in UNAVAILABLE:
                raise UpstreamRefused("the upstream cannot answer now")
        finally:
            answer.close()
        return Answer(found.status, found.fields.headers, b"".join(parts), found.reason)

    async def close(self) -> None:
        """Close every connection."""
        await self._upstream.close()


def _with_connections(config: UpstreamConfig, connections: int) -> UpstreamConfig:
    return UpstreamConfig(
        config.url, config.connect_timeout, config.timeout, connections, config.idle_timeout
    )


def _make_head(request: Request) -> RequestHead:
    headers = [(name, value) for name, value in request.headers if name.lower() not in _FRAMING]
    if request.body:
        headers.append((b"Content-Length", str(len(request.body)).encode()))
    version = b"1.0" if request.header(b"host") is None else b"1.1"
    line = b"%b %b HTTP/%b" % (request.method.encode("ascii"), request.target, version)
    return parse_request_head(line, b"".join(b"%b: %b\r\n" % header for header in headers))


def _make_body(content: bytes) -> RequestBody:
    loop = asyncio.get_running_loop()
    stream = StreamReader(BaseProtocol(loop), 2**16, loop=loop)
    if content:
        stream.feed_data(content)
    stream.feed_eof()
    return RequestBody(stream)


def _pass_over(_: ResponseHead) -> None:
    """An interim answer concerns only a client that waits."""

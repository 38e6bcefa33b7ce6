"""A stand-in upstream: answers recorded requests with exactly what the real PostgREST answered.

For places where no PostgREST can run. It knows nothing but the tape: any other request gets 501.
"""

import argparse
import asyncio
import signal
import sys
import time
from collections import deque
from collections.abc import Iterable
from email.utils import formatdate
from pathlib import Path
from typing import cast

from proxy.loop import FAST_LOOP
from proxy.messages import Headers, Request, find_headers
from proxy.tape.collection import find_variants, load, read_variants, select
from proxy.tape.format import RecordedExchange, TapeError
from proxy.tape.match import RecordedAnswers
from proxy.tape.reply import Reply, make_reply, not_on_tape, problem
from proxy.tape.request import RequestSettings
from proxy.tape.wire import (
    HEAD_LIMIT,
    WireError,
    content_length,
    decode_chunked,
    is_chunked,
    split_head,
)

_BODY_LIMIT = 64 * 1024 * 1024
_REMEMBERED_HEADS = 20_000
_REMEMBERED_HEAD_SIZE = 8 * 1024


class StandIn:
    """What all connections share: the recorded answers, ready-made replies, and counts."""

    def __init__(
        self, exchanges: Iterable[RecordedExchange], settings: RequestSettings, delay: float = 0.0
    ) -> None:
        """``delay`` is how long every answer is held back, in seconds."""
        self.answers = RecordedAnswers(exchanges, settings)
        self.delay = delay
        self.answered = 0
        self.unknown = 0
        self.transports: set[asyncio.Transport] = set()
        self._remembered: dict[bytes, Reply] = {}
        self._date = b""
        self._date_second = 0

    def reply_to(self, request: Request, *, last: bool) -> Reply:
        """The reply to ``request``; ``last`` when the connection is to be closed after it."""
        exchange = self.answers.find(request)
        if exchange is None:
            answer = not_on_tape(request)
        elif exchange.body_omitted is not None:
            # A client that parses the body gets at least the right kind of document.
            answer = exchange.answer._replace(body=b"{}")
        else:
            answer = exchange.answer
        return make_reply(answer, request.method, on_tape=exchange is not None, last=last)

    def remembered(self, head: bytes) -> Reply | None:
        """The reply to exactly these bytes of a request without a body, if it was given before."""
        return self._remembered.get(head)

    def remember(self, head: bytes, reply: Reply) -> None:
        """Keep ``reply`` for the next request with exactly these bytes, unless they are many."""
        if len(head) > _REMEMBERED_HEAD_SIZE:
            return
        if len(self._remembered) >= _REMEMBERED_HEADS:
            self._remembered.clear()
        self._remembered[head] = reply

    def write(self, reply: Reply, transport: asyncio.Transport) -> None:
        """Send ``reply`` with the date of this second, and count it."""
        if reply.on_tape:
            self.answered += 1
        else:
            self.unknown += 1
        now = int(time.time())
        if now != self._date_second:
            self._date_second = now
            self._date = f"Date: {formatdate(now, usegmt=True)}\r\n".encode()
        transport.write(reply.start + self._date + reply.rest)
        if reply.last:
            transport.close()


class StandInProtocol(asyncio.Protocol):
    """One client connection: cuts requests, pipelined or not, and answers them in order."""

    def __init__(self, stand_in: StandIn) -> None:
        self._stand_in = stand_in
        self._buffer = bytearray()
        self._delayed: deque[Reply] = deque()
        self._ended = False
        self._continued = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._stand_in.transports.add(self._transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._ended = True
        self._stand_in.transports.discard(self._transport)

    def pause_writing(self) -> None:
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        if not self._buffer:
            reply = self._stand_in.remembered(data)
            if reply is not None:
                self._send(reply)
                return
        self._buffer += data
        try:
            while self._buffer and not self._ended and self._answer_one():
                pass
        except WireError as error:
            self._send(make_reply(problem(400, b"Bad Request", str(error)), "GET", on_tape=False, last=True))

    def _answer_one(self) -> bool:
        """Answer the first request in the buffer; False while it is incomplete."""
        head_end = self._buffer.find(b"\r\n\r\n") + 4
        if head_end < 4:
            if len(self._buffer) > HEAD_LIMIT:
                raise WireError(f"more than {HEAD_LIMIT} bytes of headers")
            return False
        head = bytes(self._buffer[:head_end])
        reply = self._stand_in.remembered(head)
        if reply is not None:
            del self._buffer[:head_end]
            self._send(reply)
            return True
        start, headers = split_head(head)
        method, target, version = _split_request_line(start)
        framed = self._cut_body(headers, head_end)
        if framed is None:
            self._encourage(headers)
            return False
        body, end = framed
        del self._buffer[:end]
        self._continued = False
        request = Request(method, target, headers, body)
        reply = self._stand_in.reply_to(request, last=_is_last(version, headers))
        if end == head_end:
            self._stand_in.remember(head, reply)
        self._send(reply)
        return True

    def _cut_body(self, headers: Headers, start: int) -> tuple[bytes, int] | None:
        if is_chunked(headers):
            framed = decode_chunked(self._buffer, start)
        else:
            end = start + (content_length(headers) or 0)
            framed = (bytes(self._buffer[start:end]), end) if len(self._buffer) >= end else None
        if framed is None and len(self._buffer) - start > _BODY_LIMIT:
            raise WireError(f"more than {_BODY_LIMIT} bytes of body")
        return framed

    def _encourage(self, headers: Headers) -> None:
        expected = b",".join(find_headers(headers, b"expect")).lower()
        if expected == b"100-continue" and not self._continued:
            self._continued = True
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _send(self, reply: Reply) -> None:
        self._ended = self._ended or reply.last
        if self._stand_in.delay:
            self._delayed.append(reply)
            asyncio.get_running_loop().call_later(self._stand_in.delay, self._send_delayed)
        else:
            self._stand_in.write(reply, self._transport)

    def _send_delayed(self) -> None:
        reply = self._delayed.popleft()
        if not self._transport.is_closing():
            self._stand_in.write(reply, self._transport)


class RunningStandIn:
    """A stand-in that listens. ``stand_in`` counts what it answered."""

    def __init__(self, stand_in: StandIn, server: asyncio.Server) -> None:
        self.stand_in = stand_in
        self._server = server

    @property
    def url(self) -> str:
        """The base URL, with the port that was chosen."""
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        self._server.close()
        for transport in list(self.stand_in.transports):
            transport.abort()
        await self._server.wait_closed()


async def serve_stand_in(
    exchanges: Iterable[RecordedExchange],
    settings: RequestSettings,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    delay: float = 0.0,
) -> RunningStandIn:
    """Start a stand-in that answers ``exchanges``, ``delay`` seconds late; port 0 chooses a free one.

    Raises TapeError when a request cannot be rebuilt with ``settings``, OSError when the port is taken.
    """
    stand_in = StandIn(exchanges, settings, delay)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: StandInProtocol(stand_in), host, port, backlog=1024)
    return RunningStandIn(stand_in, server)


def load_recording(
    tape: Path, variant: str, version: str | None = None, variants: Path | None = None
) -> tuple[list[RecordedExchange], RequestSettings]:
    """The exchanges of one variant at ``tape`` and what their requests share. Raises TapeError."""
    description = variants or find_variants(tape)
    settings = read_variants(description).settings if description else RequestSettings(b"localhost")
    exchanges = list(select(load(tape, version), variant=variant))
    if not exchanges:
        raise TapeError(f"{tape}: no exchange of variant {variant}")
    return exchanges, settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``understudy stand-in``."""
    parser.add_argument("--tape", type=Path, required=True, metavar="DIR", help="a tape or a directory")
    parser.add_argument("--variant", default="default", help="which recorded configuration to stand in for")
    parser.add_argument("--version", metavar="X.Y", help="where DIR holds several: the PostgREST to be")
    parser.add_argument("--variants", type=Path, metavar="FILE", help="variants.json, if not near the tape")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=3000, help="0 chooses a free one")
    parser.add_argument("--delay", type=float, default=0.0, metavar="SECONDS", help="hold answers back")


def run(args: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM. Exit code 0, or 2 when the tape or the address cannot be used."""
    try:
        exchanges, settings = load_recording(args.tape, args.variant, args.version, args.variants)
        with asyncio.Runner(loop_factory=FAST_LOOP) as runner:
            runner.run(_serve_until_stopped(args, exchanges, settings))
    except (TapeError, OSError) as error:
        print(f"understudy stand-in: {error}", file=sys.stderr)
        return 2
    return 0


async def _serve_until_stopped(
    args: argparse.Namespace, exchanges: list[RecordedExchange], settings: RequestSettings
) -> None:
    running = await serve_stand_in(exchanges, settings, host=args.host, port=args.port, delay=args.delay)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    print(f"stand-in: {len(running.stand_in.answers)} recorded requests at {running.url}", flush=True)
    await stopped.wait()
    await running.close()
    print(f"stand-in: {running.stand_in.answered} answered, {running.stand_in.unknown} not on the tape")


def _split_request_line(start: bytes) -> tuple[str, bytes, bytes]:
    method, _, rest = start.partition(b" ")
    target, _, version = rest.rpartition(b" ")
    if not method or not target or not version.startswith(b"HTTP/1."):
        raise WireError(f"not a request line: {start[:80]!r}")
    return method.decode("latin-1"), target, version


def _is_last(version: bytes, headers: Headers) -> bool:
    connection = b",".join(find_headers(headers, b"connection")).lower()
    return b"close" in connection or (version == b"HTTP/1.0" and b"keep-alive" not in connection)

"""The upstream as the server knows it: a pool of connections, and requests sent with the same bytes."""

import asyncio
import ssl
from collections import deque
from urllib.parse import urlsplit

from proxy.config import UpstreamConfig
from proxy.errors import UpstreamError, UpstreamRefused, UpstreamTimeout
from proxy.server.bodies import LAST_CHUNK, frame_chunk
from proxy.server.connection import Clock, Connection, TakeInterim, UpstreamAnswer
from proxy.server.heads import RequestHead, request_line
from proxy.server.request_body import RequestBody

_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})


class Upstream:
    """The real PostgREST behind a pool of keep-alive connections.

    Everything happens on the event loop that runs when the first request is sent.
    """

    def __init__(self, config: UpstreamConfig, clock: Clock) -> None:
        url = urlsplit(config.url)
        secure = url.scheme == "https"
        self._config = config
        self._clock = clock
        self._host = url.hostname or ""
        self._port = url.port or (443 if secure else 80)
        self._tls = ssl.create_default_context() if secure else None
        self._prefix = url.path.rstrip("/").encode("utf-8", "surrogateescape")
        self._authority = url.netloc.rpartition("@")[2].encode()
        self._idle: deque[Connection] = deque()
        self._open: set[Connection] = set()
        self._opening = 0
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._sweeper: asyncio.TimerHandle | None = None

    @property
    def connections(self) -> int:
        """How many connections are open or being opened."""
        return len(self._open) + self._opening

    async def send(self, head: RequestHead, body: RequestBody, interim: TakeInterim) -> UpstreamAnswer:
        """Send a request and wait for the head of its answer; ``interim`` is given each 1xx answer before.

        The body is sent while it arrives, and the answer may come before its end. The caller reads the
        answer and closes it, whatever happens.

        A request is sent a second time only if it is safe, has no body, and met a kept connection that the
        upstream closed without a byte of answer (RFC 9112, section 9.3.1): nothing else is ever repeated.

        Raises ``UpstreamRefused`` and ``UpstreamTimeout``, which say whether anything was sent, or what
        ``body.read`` raises.
        """
        repeatable = head.method in _REPEATABLE and not head.has_body
        line = request_line(head.method, head.target, self._prefix)
        section = head.fields.section(chunked=head.chunked)
        if not head.fields.hosts:
            # Only HTTP/1.0 does without; what is sent on is HTTP/1.1 (RFC 9112, section 3.2).
            section = b"Host: %b\r\n%b" % (self._authority, section)
        start = b"%b%b\r\n" % (line, section)
        upload = head.has_body and not body.complete
        if head.has_body and not upload:
            data = body.take()
            if head.chunked:
                data = frame_chunk(data) + LAST_CHUNK if data else LAST_CHUNK
            start += data
        again = False
        while True:
            connection, kept = await self._acquire(fresh=again)
            sent = connection.usable
            answer = connection.ask(head.method, start, interim)
            if upload:
                sending = _send_body(connection, answer, body, chunked=head.chunked)
                answer.upload = asyncio.get_running_loop().create_task(sending)
            else:
                connection.request_sent()
            try:
                await answer.wait_head()
            except UpstreamError as error:
                answer.close()
                refused = isinstance(error, UpstreamRefused)
                if not (refused and kept and repeatable and not answer.touched):
                    error.sent = sent
                    raise
                again = True
            except BaseException:
                answer.close()
                raise
            else:
                return answer

    async def close(self) -> None:
        """Close every connection; requests in flight fail."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for connection in tuple(self._open):
            connection.abort()

    def _take_idle(self) -> Connection | None:
        oldest = asyncio.get_running_loop().time() - self._config.idle_timeout
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                if connection.idle_since > oldest:
                    return connection
                connection.abort()
        return None

    async def _acquire(self, *, fresh: bool) -> tuple[Connection, bool]:
        """A connection that is free, or a new one; whether it was kept from an earlier exchange."""
        if not (fresh or self._waiters) and (connection := self._take_idle()) is not None:
            return connection, True
        if self._room_taken():
            connection = await self._wait_turn(fresh=fresh)
            if connection is not None:
                return connection, True
        return await self._connect(), False

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        self._opening += 1
        try:
            async with asyncio.timeout(self._config.connect_timeout):
                _, connection = await loop.create_connection(
                    lambda: Connection(
                        loop, self._config.timeout, self._clock, self._take_back, self._forget
                    ),
                    self._host,
                    self._port,
                    ssl=self._tls,
                )
        except (OSError, TimeoutError) as error:
            raise UpstreamRefused(f"no connection to the upstream: {type(error).__name__}") from error
        else:
            if connection.usable:
                self._open.add(connection)
            return connection
        finally:
            self._opening -= 1
            if not self._room_taken():
                self._call_next()

    async def _wait_turn(self, *, fresh: bool) -> Connection | None:
        """Wait until a connection is idle, which is returned, or until one may be opened."""
        try:
            async with asyncio.timeout(self._config.timeout):
                while self._room_taken():
                    if fresh and self._idle:
                        self._idle.popleft().abort()
                    await self._wait_call()
                    if not fresh and (connection := self._take_idle()) is not None:
                        return connection
        except TimeoutError as error:
            raise UpstreamTimeout("no connection to the upstream became free") from error
        return None

    async def _wait_call(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiters.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._call_next()
            raise

    def _room_taken(self) -> bool:
        return self.connections >= self._config.connections

    def _take_back(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.append(connection)
        if self._sweeper is None:
            self._sweeper = loop.call_later(self._config.idle_timeout, self._sweep)
        self._call_next()

    def _forget(self, connection: Connection) -> None:
        self._open.discard(connection)
        self._call_next()

    def _call_next(self) -> None:
        while self._waiters:
            turn = self._waiters.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def _sweep(self) -> None:
        """Close what has been idle too long; come back while anything is idle."""
        self._sweeper = None
        loop = asyncio.get_running_loop()
        oldest = loop.time() - self._config.idle_timeout
        while self._idle and (self._idle[0].idle_since <= oldest or not self._idle[0].usable):
            self._idle.popleft().abort()
        if self._idle:
            self._sweeper = loop.call_at(self._idle[0].idle_since + self._config.idle_timeout, self._sweep)


async def _send_body(
    connection: Connection, answer: UpstreamAnswer, body: RequestBody, *, chunked: bool
) -> None:
    """Send a body as it arrives; each part gives the upstream its full time again."""
    try:
        while part := await body.read():
            connection.write(frame_chunk(part) if chunked else part)
            connection.expect_progress()
            await connection.drain()
        if chunked:
            connection.write(LAST_CHUNK)
        connection.request_sent()
    except UpstreamRefused:
        # The answer has been told already, or is complete: an upstream may answer without reading on.
        return
    except Exception as error:
        answer.fail(error)
        connection.abort()

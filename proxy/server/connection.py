"""One connection to the upstream, and the answer that is arriving on it."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TypeAlias, cast

from proxy.errors import UpstreamError, UpstreamRefused, UpstreamTimeout
from proxy.server.bodies import BodyReader, BodyUntilClose, response_body
from proxy.server.heads import BadMessage, ResponseHead, parse_response_head

TakeInterim: TypeAlias = Callable[[ResponseHead], None]
Clock: TypeAlias = Callable[[], float]

_BUFFERED = 64 * 1024
_LONGEST_HEAD = 1024 * 1024
_VERSION = b"HTTP/1."


class Connection(asyncio.Protocol):
    """A connection to the upstream: one exchange at a time, then idle or closed.

    ``freed`` is called when an exchange has ended and the connection can take another, ``lost`` once when
    it is closed. ``timeout`` is how long, in seconds, the upstream may be silent when it is its turn.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        timeout: float,
        clock: Clock,
        freed: Callable[["Connection"], None],
        lost: Callable[["Connection"], None],
    ) -> None:
        self._loop = loop
        self._timeout = timeout
        self._clock = clock
        self._freed = freed
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._answer: UpstreamAnswer | None = None
        self._request_sent = False
        self._writable: asyncio.Future[None] | None = None
        self._writing_paused = False
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.idle_since = 0.0

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def ask(self, method: str, data: bytes, interim: TakeInterim) -> "UpstreamAnswer":
        """Send the start of a request; the answer's head and body arrive in the value returned."""
        answer = self._answer = UpstreamAnswer(self, method, interim, self._loop, self._clock)
        self._request_sent = False
        if not self.usable:
            self._fail(UpstreamRefused("the upstream closed the connection"))
            return answer
        self.expect_progress()
        self.write(data)
        return answer

    def write(self, data: bytes) -> None:
        """Send more of the request; dropped if the connection is closed, which the answer tells."""
        if self._transport is not None:
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait while the upstream reads more slowly than we write. Raises ``UpstreamRefused``."""
        if not self.usable:
            raise UpstreamRefused("the upstream closed the connection")
        if self._writing_paused:
            self._writable = self._loop.create_future()
            await self._writable

    def request_sent(self) -> None:
        """The request is complete: from now on it is the upstream's turn."""
        self._request_sent = True
        self.expect_progress()

    def expect_progress(self) -> None:
        """Something moved: the upstream's time to do its next step begins now."""
        self._deadline = self._loop.time() + self._timeout
        if self._timer is None:
            self._timer = self._loop.call_at(self._deadline, self._check_deadline)

    def expect_nothing(self) -> None:
        """It is not the upstream's turn."""
        self._deadline = None

    def pause_answer(self) -> None:
        """Stop reading, because the client is slower; the upstream is not to blame for the wait."""
        self.expect_nothing()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_answer(self) -> None:
        """Read on."""
        self.expect_progress()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def abort(self) -> None:
        """Close at once, unsent bytes included; whoever waits for the answer is told."""
        if self._transport is not None:
            self._transport.abort()
        self._fail(UpstreamRefused("the exchange was broken off"))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not every event loop's transports are subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None:
            # Nobody asked: whatever this is, it must not be taken for the next answer.
            self.abort()
            return
        if answer.head is not None:
            # Only a body may take its time: the head must be complete within one timeout.
            self.expect_progress()
        try:
            rest = answer.feed(data)
        except BadMessage as fault:
            self._fail(UpstreamRefused(f"the upstream's answer is broken: {fault}"))
            self.abort()
            return
        if answer.complete and self._answer is answer:
            self._end_exchange(answer, clean=not rest)

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        answer = self._answer
        if answer is not None and error is None and answer.ends_with_connection:
            self._answer = None
            answer.end()
        self._fail(UpstreamRefused("the upstream closed the connection"))
        self.resume_writing()
        self._lost(self)

    def _end_exchange(self, answer: "UpstreamAnswer", *, clean: bool) -> None:
        self._answer = None
        self.expect_nothing()
        head = answer.head
        if clean and self._request_sent and head is not None and head.keep_alive:
            self._freed(self)
        elif self._transport is not None:
            # Closed without waiting for an unfinished request, of which the upstream wants no more.
            self._transport.abort()

    def _fail(self, error: UpstreamError) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.fail(error)

    def _check_deadline(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._check_deadline)
            return
        self._fail(UpstreamTimeout("the upstream did not answer in time"))
        self.abort()


class UpstreamAnswer:
    """An answer of the upstream as it arrives.

    The reader first calls ``wait_head``, then ``take`` and ``wait_more`` until it is ``complete``.
    ``touched`` says whether a single byte of it has come. ``finished_at`` is when the last one came, by
    the clock in use.
    """

    def __init__(
        self,
        connection: Connection,
        method: str,
        interim: TakeInterim,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
    ) -> None:
        self._connection = connection
        self._method = method
        self._interim = interim
        self._loop = loop
        self._clock = clock
        self._pending = b""
        self._body: BodyReader | None = None
        self._parts: deque[bytes] = deque()
        self._size = 0
        self._paused = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.upload: asyncio.Task[None] | None = None
        self.head: ResponseHead | None = None
        self.touched = False
        self.complete = False
        self.finished_at = 0.0

    @property
    def ends_with_connection(self) -> bool:
        return isinstance(self._body, BodyUntilClose)

    async def wait_head(self) -> ResponseHead:
        """The final head. Raises ``UpstreamError``, or what broke the request's body."""
        while self.head is None:
            await self._wait()
        return self.head

    def take(self) -> bytes:
        """The body that has arrived and was not read yet."""
        if not self._parts:
            return b""
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        if self._paused:
            self._paused = False
            if not self.complete:
                self._connection.resume_answer()
        return data

    async def wait_more(self) -> None:
        """Wait until there is something to take, or the body is complete. Raises like ``wait_head``."""
        while not self._parts and not self.complete:
            await self._wait()

    def close(self) -> None:
        """The answer is not wanted any longer. An unfinished exchange costs its connection."""
        if self.upload is not None:
            self.upload.cancel()
        if not self.complete and self._error is None:
            self._connection.abort()

    def feed(self, data: bytes) -> bytes:
        """Take in bytes from the wire; what follows the answer is returned. Raises ``BadMessage``."""
        self.touched = True
        if self._pending:
            data, self._pending = self._pending + data, b""
        while self.head is None:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                if len(data) > _LONGEST_HEAD:
                    raise BadMessage("head too long")
                if not data.startswith(_VERSION[: len(data)]):
                    # The end of a head that is none might never come.
                    raise BadMessage("no answer of HTTP/1")
                self._pending = data
                return b""
            line_end = data.find(b"\r\n")
            head = parse_response_head(data[:line_end], data[line_end + 2 : end + 2])
            data = data[end + 4 :]
            if head.status == 101:
                raise BadMessage("switching protocols unasked")
            if 100 <= head.status < 200:
                self._interim(head)
                continue
            self.head = head
            self._body = response_body(self._method, head)
            if self._body is None:
                self.end()
                return data
            self._wake()
        if self._body is None or not data:
            return data
        part, rest, complete = self._body.feed(data)
        if part:
            self._parts.append(part)
            self._size += len(part)
            self._wake()
        if complete:
            self.end()
        elif self._size > _BUFFERED and not self._paused:
            self._paused = True
            self._connection.pause_answer()
        return rest

    def end(self) -> None:
        """The body is complete."""
        self.complete = True
        self.finished_at = self._clock()
        self._wake()

    def fail(self, error: Exception) -> None:
        """There will be no more; ``error`` is raised where the answer is read."""
        if not self.complete and self._error is None:
            self._error = error
            self._wake()

    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        self._waiter = self._loop.create_future()
        await self._waiter

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

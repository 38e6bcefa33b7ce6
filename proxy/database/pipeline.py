"""Several statements in one round trip, on a connection that asyncpg has made.

PostgREST's four round trips (begin, settings, statement, commit) need not wait for each other: PostgreSQL
takes all their messages at once, runs them one after the other, and skips those behind one that fails. The
driver cannot send them so. It connects, authenticates, encrypts, and does all that is not on the hot path; a
``Pipeline`` stands between it and the socket, and has its turn when the driver is idle.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import asyncpg

from proxy.database.last_used import LastUsed
from proxy.database.standing import Standing
from proxy.database.wire import (
    LARGEST,
    SYNC,
    Fields,
    MessageReader,
    MessageTooLong,
    NoMessage,
    Step,
    close_message,
    execute_messages,
    frame,
    parse_message,
    read_complaint,
    read_fields,
)
from proxy.engine.sql.session import Settings

_ROOM = 1 << 20
"""Characters of the statements that stay prepared on a connection; PostgreSQL takes some fifty times that."""

_PARSED, _ROW, _DONE, _EMPTY, _ERROR, _READY = map(ord, "1DCIEZ")
_IDLE = b"I"
_LOST = "connection was closed in the middle of operation"


class AnswerTooLarge(ConnectionResetError):
    """PostgreSQL answers with more than there is room for: the connection is given up."""


class NeverSent(ConnectionResetError):
    """The connection was closed before anything was sent."""


class Refused(Exception):
    """PostgreSQL refused a step, the one at ``step``, and so has not begun those behind it.

    ``message`` is what asyncpg makes of that, not always an exception.
    """

    def __init__(self, message: Any, step: int) -> None:
        super().__init__()
        self.message = message
        self.step = step


class _Turn:
    """What has come so far of the steps that were sent last."""

    def __init__(self, parsed: list[str], wanted: int, ended: "asyncio.Future[None]") -> None:
        self.parsed = parsed
        self.wanted = wanted
        self.ended = ended
        self.step = 0
        self.prepared = 0
        self.rows: list[bytes | memoryview] = []
        self.complaint: dict[str, str] | None = None


class Pipeline(asyncio.Protocol):
    """Runs steps on ``driver``, an idle connection of asyncpg.

    ``prepares``: statements are prepared once per connection and kept, else each time. ``settings`` are
    those that each transaction has to make. ``standing``: settings may stand, as it leads to one server.
    ``largest``: a longer message ends the connection.
    """

    def __init__(
        self,
        driver: Any,
        *,
        prepares: bool,
        settings: Settings = (),
        standing: Standing | None = None,
        largest: Callable[[], int] = lambda: LARGEST,
    ) -> None:
        self.driver = driver
        self.settings = settings
        self.standing = standing
        self._prepares = prepares
        self._loop = asyncio.get_running_loop()
        self._inner: asyncio.Protocol = driver._protocol
        self._transport: asyncio.Transport = driver._transport
        self._names: LastUsed[str, bytes] = LastUsed(_ROOM)
        self._dropped: list[bytes] = []
        self._given = 0
        self._turn: _Turn | None = None
        self._reader = MessageReader(largest)
        self._open = False
        self._transport.set_protocol(self)

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, or has failed and waits to be ended."""
        return self._open or self.driver.is_in_transaction()

    def is_closed(self) -> bool:
        """Whether the connection is no longer of use."""
        return self._transport.is_closing()

    async def close(self, *, timeout: float | None = None) -> None:
        """Say farewell to the server. Raises asyncpg's errors and TimeoutError."""
        await self.driver.close(timeout=timeout)

    def terminate(self) -> None:
        """Close at once, whatever is under way."""
        self.driver.terminate()

    async def run(self, steps: Sequence[Step], wanted: int) -> list[Fields]:
        """Run ``steps`` in order, in one round trip; gives the rows of the one at ``wanted``.

        What follows a step that fails is not run. Raises Refused, NeverSent and asyncpg's other errors;
        whoever gives up waiting has to close the connection.
        """
        if self._turn is not None:
            # Somebody gave up waiting, and did not close it: what comes next is not ours.
            self.terminate()
        if self._transport.is_closing():
            raise NeverSent(_LOST)
        messages = [close_message(name) for name in self._dropped]
        self._dropped.clear()
        parsed: list[str] = []
        for step in steps:
            name = self._name(step.sql, parsed, messages)
            messages.append(execute_messages(name, step.values))
        messages.append(SYNC)
        turn = self._turn = _Turn(parsed, wanted, self._loop.create_future())
        self._transport.write(b"".join(messages))
        await turn.ended
        if turn.complaint is not None:
            raise Refused(self._take_refusal(turn.complaint), turn.step)
        return list(map(read_fields, turn.rows))

    def _name(self, sql: str, parsed: list[str], messages: list[bytes]) -> bytes:
        if not self._prepares:
            messages.append(parse_message(b"", sql))
            return b""
        try:
            return self._names[sql]
        except KeyError:
            self._given += 1
            name = b"understudy_%d" % self._given
            self._dropped += self._names.put(sql, name, len(sql))
            parsed.append(sql)
            messages.append(parse_message(name, sql))
            return name

    def _take_refusal(self, complaint: dict[str, str]) -> Any:
        refusal: Any = asyncpg.PostgresError.new(complaint)
        if isinstance(refusal, asyncpg.InvalidCachedStatementError | asyncpg.InvalidSQLStatementNameError):
            # The catalog has changed under what was prepared, or it is gone: all is prepared anew.
            self._dropped += self._names.clear()
        return refusal

    def data_received(self, data: bytes) -> None:
        try:
            if self._turn is None:
                if whole := self._reader.take_whole(data):
                    self._inner.data_received(whole)
                return
            for kind, body in self._reader.feed(data):
                if self._turn is None:
                    self._inner.data_received(frame(kind, body))
                else:
                    self._take(self._turn, kind, body)
        except NoMessage:
            self._break_off(asyncpg.ProtocolError("no message of PostgreSQL's protocol"))
        except MessageTooLong:
            self._break_off(AnswerTooLarge("an answer is too large"))

    def _take(self, turn: _Turn, kind: int, body: bytes | memoryview) -> None:
        if kind == _ROW:
            if turn.step == turn.wanted:
                turn.rows.append(body)
        elif kind in (_DONE, _EMPTY):
            turn.step += 1
        elif kind == _PARSED:
            turn.prepared += 1
        elif kind == _ERROR:
            turn.complaint = read_complaint(body)
        elif kind == _READY:
            self._open = body != _IDLE
            self._end(turn)

    def _end(self, turn: _Turn) -> None:
        self._turn = None
        for sql in turn.parsed[turn.prepared :]:
            self._names.drop(sql)
        if not turn.ended.done():
            turn.ended.set_result(None)

    def _break_off(self, fault: Exception) -> None:
        turn, self._turn = self._turn, None
        self._transport.abort()
        if turn is not None and not turn.ended.done():
            turn.ended.set_exception(fault)

    def connection_lost(self, error: Exception | None) -> None:
        turn, self._turn = self._turn, None
        if turn is not None and not turn.ended.done():
            if turn.complaint is None:
                turn.ended.set_exception(asyncpg.ConnectionDoesNotExistError(_LOST))
            else:
                # The server says why before it ends a connection.
                turn.ended.set_result(None)
        self._inner.connection_lost(error)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

"""A line between two processes of ours: each calls functions of the other, over one socket.

What travels is pickled, which is right only here: both ends are the same program, run by the same user, and
the socket has no name that anybody else could connect to.
"""

import asyncio
import copyreg
import pickle
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from io import BytesIO
from operator import attrgetter
from types import MappingProxyType
from typing import Any, TypeAlias, cast

Handler: TypeAlias = Callable[..., Awaitable[Any]]
Listener: TypeAlias = Callable[..., None]

_LENGTH = struct.Struct("!Q")


def _freeze(mapping: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(mapping)


class _Pickler(pickle.Pickler):
    """Pickles read-only mappings as well, and dataclasses by what they are made of.

    By Python's own way a frozen dataclass with slots takes twice as long, on either side.
    """

    dispatch_table = copyreg.dispatch_table | {MappingProxyType: lambda frozen: (_freeze, (dict(frozen),))}

    def reducer_override(self, value: Any) -> Any:
        kind = type(value)
        try:
            take_apart = _PARTS[kind]
        except KeyError:
            take_apart = _PARTS[kind] = _find_parts(kind)
        return NotImplemented if take_apart is None else (kind, take_apart(value))


_TakeApart: TypeAlias = Callable[[Any], tuple[Any, ...]]

_PARTS: dict[type, _TakeApart | None] = {}


def _find_parts(kind: type) -> _TakeApart | None:
    """What gives the arguments by which a value of ``kind`` is made again; None if they do not say it all."""
    if not is_dataclass(kind) or "__dict__" in dir(kind) or "__post_init__" in dir(kind):
        return None
    parts = fields(kind)
    names = [part.name for part in parts if part.init and not part.kw_only]
    return attrgetter(*names) if 1 < len(names) == len(parts) else None


def pack(value: object) -> bytes:
    """``value`` as it travels. Raises what pickle raises."""
    packed = BytesIO()
    _Pickler(packed, pickle.HIGHEST_PROTOCOL).dump(value)
    return packed.getvalue()


class LineEnded(ConnectionError):
    """The other process has ended, or this one has hung up."""


class Line(asyncio.Protocol):
    """One end. ``handlers`` answer the other end's calls, ``listeners`` take what it tells."""

    def __init__(self, handlers: Mapping[str, Handler], listeners: Mapping[str, Listener]) -> None:
        self._handlers = handlers
        self._listeners = listeners
        self._transport: asyncio.WriteTransport
        self._received = bytearray()
        self._last = 0
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._working: dict[int, asyncio.Task[None]] = {}
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        """Done when there is nobody at the other end any more."""

    async def call(self, name: str, *arguments: object) -> Any:
        """What the other end's function ``name`` returns, or raises. Raises LineEnded."""
        self._last += 1
        number = self._last
        future = self._waiting[number] = self._loop.create_future()
        try:
            self._send("call", number, name, arguments)
            return await future
        except asyncio.CancelledError:
            with suppress(LineEnded):
                self._send("drop", number)
            raise
        finally:
            del self._waiting[number]

    def tell(self, name: str, *arguments: object) -> bool:
        """Have the other end's listener ``name`` called; False if there is nobody any more."""
        try:
            self._send("tell", name, arguments)
        except LineEnded:
            return False
        return True

    def hang_up(self) -> None:
        """End the line."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.WriteTransport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(LineEnded("the other process has ended"))
        for task in self._working.values():
            task.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        while len(self._received) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._received)
            end = _LENGTH.size + length
            if len(self._received) < end:
                return
            kind, *rest = pickle.loads(memoryview(self._received)[_LENGTH.size : end].tobytes())
            del self._received[:end]
            self._take(kind, *rest)

    def _take(self, kind: str, *rest: Any) -> None:
        match kind, rest:
            case "tell", (name, arguments):
                self._listeners[name](*arguments)
            case "call", (number, name, arguments):
                work = self._answer(number, self._handlers[name], arguments)
                self._working[number] = self._loop.create_task(work)
            case "drop", (number,) if number in self._working:
                self._working[number].cancel()
            case ("returned", (number, value)) if number in self._waiting:
                if not self._waiting[number].done():
                    self._waiting[number].set_result(value)
            case ("raised", (number, error)) if number in self._waiting:
                if not self._waiting[number].done():
                    self._waiting[number].set_exception(error)

    async def _answer(self, number: int, work: Handler, arguments: tuple[Any, ...]) -> None:
        try:
            self._send("returned", number, await work(*arguments))
        except Exception as error:
            self._raise_there(number, error)
        finally:
            del self._working[number]

    def _raise_there(self, number: int, error: Exception) -> None:
        try:
            pickle.loads(pack(error))
        except Exception:
            # Its kind alone: what cannot travel may hold anything.
            error = RuntimeError(type(error).__name__)
        self._send("raised", number, error)

    def _send(self, *frame: object) -> None:
        if self.ended.done() or self._transport.is_closing():
            raise LineEnded("the other process has ended")
        content = pack(frame)
        self._transport.write(_LENGTH.pack(len(content)) + content)


async def open_line(
    end: socket.socket, handlers: Mapping[str, Handler], listeners: Mapping[str, Listener]
) -> Line:
    """A line whose end is ``end``, which then belongs to it."""
    end.setblocking(False)
    loop = asyncio.get_running_loop()
    _, line = await loop.create_unix_connection(lambda: Line(handlers, listeners), sock=end)
    return line

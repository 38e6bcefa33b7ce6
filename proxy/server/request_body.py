"""The body of a client's request, as it arrives."""

import asyncio

from aiohttp import StreamReader

from proxy.config import Limits
from proxy.server import refusals

LARGEST_HELD = 64 * 1024 * 1024
"""Bytes of a body that are held in memory for the engine where the configuration has no limit."""

_LONGEST_WAIT = Limits().body_timeout
_LEAST_RATE = 512
"""Bytes per second below which a client uses up our patience, as it does with Apache's mod_reqtimeout."""


class RequestBody:
    """The body of one request: read once, in parts, as it arrives.

    ``starved`` says that a reader is waiting for the client.
    """

    __slots__ = (
        "_kept",
        "_limit",
        "_longest_wait",
        "_patience",
        "_payload",
        "_read",
        "_replay",
        "_room",
        "starved",
    )

    def __init__(self, payload: StreamReader) -> None:
        self._payload = payload
        self._limit: int | None = None
        self._longest_wait = self._patience = _LONGEST_WAIT
        self._read = 0
        self._replay = b""
        self._kept: list[bytes] | None = None
        self._room = 0
        self.starved = False

    @property
    def complete(self) -> bool:
        """Whether all of it has arrived."""
        return self._payload.is_eof() and self._payload.exception() is None

    def limit(self, size: int | None, seconds: float) -> None:
        """From now on refuse more than ``size`` bytes, and to wait for the client longer than ``seconds``."""
        self._limit = size
        self._longest_wait = self._patience = seconds

    def keep(self, size: int) -> None:
        """From now on keep a copy of what is read, up to ``size`` bytes."""
        self._kept, self._room = [], size

    @property
    def kept(self) -> bytes | None:
        """The copy; None if it was not asked for, or would have become too large."""
        return None if self._kept is None else b"".join(self._kept)

    def take(self) -> bytes:
        """What has arrived and was not read yet. Raises like ``read``."""
        replay, self._replay = self._replay, b""
        return replay + self._note(self._payload.read_nowait(-1))

    async def read(self) -> bytes:
        """The next part, empty at the end.

        Raises ``Refusal`` for a body that is too large, slow or broken, ``ClientGone`` if the client left.
        """
        part = self.take()
        if part or self._payload.is_eof():
            return part
        self.starved = True
        part = await self._wait()
        self.starved = False
        return self._note(part)

    async def buffer(self, size: int | None) -> bytes | None:
        """The whole body if it has at most ``size`` bytes, else None. Either way it can be read again.

        So it can after a cancellation, too.
        """
        parts = [self.take()]
        total = len(parts[0])
        try:
            while size is None or total <= size:
                part = await self.read()
                if not part:
                    break
                parts.append(part)
                total += len(part)
        finally:
            self.starved = False
            self._replay = b"".join(parts)
        return self._replay if size is None or total <= size else None

    async def _wait(self) -> bytes:
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            async with asyncio.timeout(self._patience):
                part = await self._payload.readany()
        except TimeoutError:
            raise refusals.client_timeout() from None
        left = self._patience - (clock() - started) + len(part) / _LEAST_RATE
        self._patience = min(left, self._longest_wait)
        return part

    def _note(self, part: bytes) -> bytes:
        self._read += len(part)
        if self._limit is not None and self._read > self._limit:
            raise refusals.body_too_large(self._limit)
        if self._kept is not None and part:
            if self._read > self._room:
                self._kept = None
            else:
                self._kept.append(part)
        return part

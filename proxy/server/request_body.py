"""The body of a client's request, as it arrives."""

from aiohttp import StreamReader

from proxy.server import refusals


class RequestBody:
    """The body of one request: read once, in parts, as it arrives.

    ``starved`` says that a reader is waiting for the client. At most ``limit`` bytes are read.
    """

    __slots__ = ("_kept", "_limit", "_payload", "_read", "_replay", "_room", "starved")

    def __init__(self, payload: StreamReader) -> None:
        self._payload = payload
        self._limit: int | None = None
        self._read = 0
        self._replay = b""
        self._kept: list[bytes] | None = None
        self._room = 0
        self.starved = False

    @property
    def complete(self) -> bool:
        """Whether all of it has arrived."""
        return self._payload.is_eof() and self._payload.exception() is None

    def limit(self, size: int | None) -> None:
        """From now on refuse more than ``size`` bytes."""
        self._limit = size

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

        Raises ``Refusal`` for a body that is too large or broken, ``ClientGone`` if the client left.
        """
        if self._replay:
            return self.take()
        self.starved = not self._payload.is_eof()
        part = await self._payload.readany()
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

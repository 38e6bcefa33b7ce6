"""HTTP/1.1 by hand, for what ordinary libraries refuse or tidy up.

Recorded request targets hold raw UTF-8 and methods that no registry knows, and recorded answers hold
header names outside ASCII. They must cross the wire as they stand, so messages are cut at their framing
(RFC 9112) and never validated further.
"""

import asyncio
import re
import ssl
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import SplitResult, urlsplit

from proxy.errors import UnderstudyError
from proxy.messages import Answer, Headers, Request, find_headers

HEAD_LIMIT = 1024 * 1024
"""Bytes of a message head beyond which it is given up."""

_HEXADECIMAL = re.compile(rb"[0-9A-Fa-f]+")
_HOP_BY_HOP = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"trailer"})


class WireError(UnderstudyError):
    """The bytes on the connection are no HTTP/1.1 message, or end before it does."""


class _Stale(WireError):
    """The server closed a kept connection before it answered anything: worth another one."""


def split_head(head: bytes) -> tuple[bytes, Headers]:
    """Start line and headers of a message head (with or without its empty line), values stripped.

    Raises WireError for a header line without a colon.
    """
    start, *lines = head.rstrip(b"\r\n").split(b"\r\n")
    headers = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name:
            raise WireError(f"not a header line: {line[:80]!r}")
        headers.append((name, value.strip(b" \t")))
    return start, tuple(headers)


def format_request(request: Request, prefix: bytes = b"") -> bytes:
    """The bytes of ``request``, as they stand; ``prefix`` is put before the target."""
    lines = [b"%s %s%s HTTP/1.1" % (request.method.encode(), prefix, request.target)]
    lines += [name + b": " + value for name, value in request.headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + request.body


def is_chunked(headers: Headers) -> bool:
    """Whether the last transfer coding is chunked (RFC 9112, section 6.3)."""
    codings = b",".join(find_headers(headers, b"transfer-encoding")).lower()
    return codings.rpartition(b",")[2].strip() == b"chunked"


def content_length(headers: Headers) -> int | None:
    """The announced length of the body in bytes, or None. Raises WireError when it is no one number."""
    values = {value.strip() for value in find_headers(headers, b"content-length")}
    if not values:
        return None
    value = values.pop()
    if values or not value.isdigit():
        raise WireError(f"not a content length: {value[:80]!r}")
    return int(value)


def decode_chunked(buffer: bytes | bytearray, start: int) -> tuple[bytes, int] | None:
    """The body that begins at ``start`` and the index after it, or None while it is incomplete.

    Raises WireError for what is not chunked coding (RFC 9112, section 7.1). Trailers are passed over.
    """
    parts: list[bytes] = []
    while True:
        line_end = buffer.find(b"\r\n", start)
        if line_end < 0:
            return None
        size = _chunk_size(bytes(buffer[start:line_end]))
        if size == 0:
            end = buffer.find(b"\r\n\r\n", line_end)
            return None if end < 0 else (b"".join(parts), end + 4)
        start = line_end + 2 + size + 2
        if len(buffer) < start:
            return None
        parts.append(bytes(buffer[line_end + 2 : start - 2]))


class Connection:
    """One connection to a server, used for one request after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.reusable = True

    @classmethod
    async def open(cls, host: str, port: int, tls: ssl.SSLContext | None = None) -> Self:
        """Connect. Raises OSError."""
        return cls(*await asyncio.open_connection(host, port, ssl=tls, limit=HEAD_LIMIT))

    async def ask(self, request: Request, prefix: bytes = b"") -> Answer:
        """Send ``request`` as it stands and wait for the final answer. Raises WireError and OSError."""
        self.reusable = False
        self._writer.write(format_request(request, prefix))
        # A server may answer and close before it has read everything: its answer still counts.
        with suppress(ConnectionError):
            await self._writer.drain()
        status, reason, headers = await self._read_final_head()
        body, framed = await self._read_body(request.method, status, headers)
        closing = b"close" in b",".join(find_headers(headers, b"connection")).lower()
        self.reusable = framed and not closing
        kept = tuple((name, value) for name, value in headers if name.lower() not in _HOP_BY_HOP)
        return Answer(status, kept, body, reason)

    async def close(self) -> None:
        """Give the connection up."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def _read_final_head(self) -> tuple[int, bytes, Headers]:
        while True:
            try:
                head = await self._reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError as error:
                kind = WireError if error.partial else _Stale
                raise kind("the connection was closed before an answer came") from error
            except asyncio.LimitOverrunError as error:
                raise WireError(f"more than {HEAD_LIMIT} bytes of headers") from error
            start, headers = split_head(head)
            version, _, rest = start.partition(b" ")
            code, _, reason = rest.partition(b" ")
            if not version.startswith(b"HTTP/1.") or not code.isdigit():
                raise WireError(f"not a status line: {start[:80]!r}")
            if int(code) >= 200 or int(code) == 101:
                return int(code), reason, headers

    async def _read_body(self, method: str, status: int, headers: Headers) -> tuple[bytes, bool]:
        """The body, and whether it had an end of its own so that the connection can be used again."""
        try:
            if method == "HEAD" or status in (204, 304):
                return b"", True
            if is_chunked(headers):
                return await self._read_chunks(), True
            length = content_length(headers)
            if length is not None:
                return await self._reader.readexactly(length), True
            return await self._reader.read(), False
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise WireError("the connection was closed in the middle of a body") from error

    async def _read_chunks(self) -> bytes:
        parts = []
        while size := _chunk_size((await self._reader.readuntil(b"\r\n"))[:-2]):
            parts.append((await self._reader.readexactly(size + 2))[:-2])
        while await self._reader.readuntil(b"\r\n") != b"\r\n":
            pass
        return b"".join(parts)


class WireClient:
    """Asks one server, over as many kept connections as requests are under way. Use with ``async with``."""

    def __init__(self, url: str, timeout: float = 30.0) -> None:
        """``url`` is http or https; its path is put before every target. ``timeout`` in seconds.

        Raises ValueError for any other url.
        """
        parts: SplitResult = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"not an http url: {url}")
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._host = parts.hostname
        self._port = parts.port or (443 if self._tls else 80)
        self._prefix = parts.path.rstrip("/").encode()
        self._timeout = timeout
        self._idle: list[Connection] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def ask(self, request: Request) -> Answer:
        """Send ``request`` as it stands. Raises WireError, OSError, and TimeoutError."""
        async with asyncio.timeout(self._timeout):
            if self._idle:
                try:
                    return await self._ask_on(self._idle.pop(), request)
                except (_Stale, ConnectionError):
                    pass
            return await self._ask_on(await Connection.open(self._host, self._port, self._tls), request)

    async def _ask_on(self, connection: Connection, request: Request) -> Answer:
        try:
            answer = await connection.ask(request, self._prefix)
        except BaseException:
            await connection.close()
            raise
        if connection.reusable:
            self._idle.append(connection)
        else:
            await connection.close()
        return answer

    async def close(self) -> None:
        """Close the connections that are not in use."""
        while self._idle:
            await self._idle.pop().close()


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    if not _HEXADECIMAL.fullmatch(digits):
        raise WireError(f"not a chunk size: {line[:80]!r}")
    return int(digits, 16)

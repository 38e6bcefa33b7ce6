"""A client that never sends anything twice: what goes wrong is seen, not mended."""

import asyncio

from proxy.messages import Answer, Request
from proxy.tape.wire import Connection, WireError

LOCALHOST = "127.0.0.1"

TROUBLE = (OSError, WireError, asyncio.IncompleteReadError, TimeoutError)
"""What a client sees that gets no answer."""


class Client:
    """One client on one connection, which it keeps as long as the server does, if it is to ``keep`` any.

    A connection that the server has closed by the time of the next request is not used again, as every client
    of HTTP/1.1 has to do it; beyond that nothing is tried a second time.
    """

    def __init__(self, port: int, *, keep: bool = True, timeout: float = 30.0) -> None:
        self._port = port
        self._keep = keep
        self._timeout = timeout
        self._connection: Connection | None = None
        self.connections = 0

    async def ask(self, request: Request) -> Answer:
        """The answer to ``request``. Raises what is in ``TROUBLE``."""
        async with asyncio.timeout(self._timeout):
            try:
                connection = await self._connect()
                answer = await connection.ask(request)
            except BaseException:
                await self.aclose()
                raise
            if not (connection.reusable and self._keep):
                await self.aclose()
            return answer

    async def get(self, target: str) -> Answer:
        """The answer to a plain GET."""
        return await self.ask(Request("GET", target.encode(), ((b"Host", b"localhost"),)))

    async def aclose(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _connect(self) -> Connection:
        if self._connection is not None and self._connection._reader.at_eof():
            await self.aclose()
        if self._connection is None:
            self.connections += 1
            self._connection = await Connection.open(LOCALHOST, self._port)
        return self._connection

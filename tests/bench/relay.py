"""A relay in front of PostgreSQL: it listens in, and on demand accepts everything and answers nothing."""

import asyncio
from types import TracebackType
from typing import Self

from tests.bench.wire import Executed, read_statements


class Relay:
    """Listens on 127.0.0.1 and passes every connection on to ``host`` and ``port``, until it hangs."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._server: asyncio.Server | None = None
        self._pumps: set[asyncio.Task[None]] = set()
        self._sent: list[bytearray] = []
        self._hanging = False

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        self._server = None

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def hang(self) -> None:
        """From now on take what is sent, and connections too, and never answer any more."""
        self._hanging = True

    def statements(self) -> list[list[Executed]]:
        """What was run on each connection so far. Raises ValueError, among others for encrypted ones."""
        return [read_statements(bytes(sent)) for sent in self._sent]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pumps.add(task)
        task.add_done_callback(self._pumps.discard)
        try:
            await self._pass_on(reader, writer)
        except OSError:
            return
        finally:
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._hanging:
            await self._swallow(reader)
            return
        sent = bytearray()
        self._sent.append(sent)
        behind, onward = await asyncio.open_connection(*self._target)
        pumps = [
            asyncio.create_task(self._pump(reader, onward, sent)),
            asyncio.create_task(self._pump(behind, writer, bytearray())),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            onward.close()

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, copy: bytearray
    ) -> None:
        while data := await source.read(65536):
            if not self._hanging:
                copy += data
                target.write(data)
                await target.drain()

    async def _swallow(self, reader: asyncio.StreamReader) -> None:
        while await reader.read(65536):
            pass

"""Take clients from a socket, fairly where other processes take them from it, too."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

from proxy.events import Crashed, Emit
from proxy.server.seats import Seat

HESITATION = 0.001
"""Seconds for which a client is left to those who have fewer, who may be too busy to take it."""

EXHAUSTED = 1.0
"""Seconds for which none is taken where the system has no room for one more."""


class Taker:
    """Takes clients from ``listening`` from now on, until ``close``."""

    def __init__(
        self,
        listening: socket.socket,
        make: Callable[[], asyncio.BaseProtocol],
        emit: Emit,
        seat: Seat | None = None,
    ) -> None:
        self._listening = listening
        self._make = make
        self._emit = emit
        self._seat = seat
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.TimerHandle | None = None
        self._arriving: set[asyncio.Task[object]] = set()
        listening.setblocking(False)
        self._watch()

    async def close(self) -> None:
        """Take no more, and close the socket. Whoever was taken is connected when this returns."""
        if self._waiting is not None:
            self._waiting.cancel()
        else:
            self._loop.remove_reader(self._listening)
        self._listening.close()
        if self._arriving:
            await asyncio.wait(self._arriving)

    def _watch(self) -> None:
        self._waiting = None
        self._loop.add_reader(self._listening, self._come)

    def _come(self) -> None:
        """Take who has come, as long as nobody else has fewer."""
        while self._seat is None or self._seat.has_room:
            if not self._take():
                return
        self._wait(HESITATION, self._take)

    def _wait(self, seconds: float, then: Callable[[], object]) -> None:
        self._loop.remove_reader(self._listening)

        def go_on() -> None:
            self._watch()
            then()

        self._waiting = self._loop.call_later(seconds, go_on)

    def _take(self) -> bool:
        """Take one; whether there was one."""
        try:
            client, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            # Another process was quicker, or the client has left again.
            return False
        except OSError as error:
            self._emit(Crashed("front door", type(error).__name__))
            self._wait(EXHAUSTED, lambda: None)
            return False
        if self._seat is not None:
            self._seat.expect()
        arriving = self._loop.create_task(self._welcome(client))
        self._arriving.add(arriving)
        arriving.add_done_callback(self._arriving.discard)
        return True

    async def _welcome(self, client: socket.socket) -> None:
        client.setblocking(False)
        with suppress(OSError):
            await self._loop.connect_accepted_socket(self._make, client)

"""A process of ours at the other end of a line: started, watched, and followed by another one when it ends.

The two hold the ends of the line: when it ends, for whatever reason, the other process is to end as well.
"""

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import Mapping, Sequence

from proxy.events import Crashed, Emit
from proxy.line import Handler, Line, LineEnded, Listener, open_line

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 30.0
SOUND = 60.0
"""Seconds after which a process counts as sound: one that ends later is replaced without a longer pause."""

PATIENCE = 30.0
"""Seconds in which a process has to give any sign of life, by answering ``ping``."""

FAREWELL = 2.0
"""Seconds that a process may take to end by itself once its line has ended."""

FOR_THE_FIRST = (
    *(signal.SIGINT, signal.SIGTERM, signal.SIGHUP),
    *(signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2),
)
"""What is typed at a terminal or told to all processes of a service: it is for the one that started them."""


class Companion:
    """Who is at the other end now. ``name`` is what it is called where its end is told.

    ``command`` is completed by the number of the socket that is its end of the line; it inherits that one
    and those in ``inherited``.
    """

    def __init__(
        self,
        name: str,
        emit: Emit,
        command: Sequence[str],
        handlers: Mapping[str, Handler],
        listeners: Mapping[str, Listener],
        *,
        inherited: Sequence[int] = (),
    ) -> None:
        self._name = name
        self._emit = emit
        self._command = command
        self._handlers = handlers
        self._listeners = listeners
        self._inherited = inherited
        self.line: Line | None = None
        """The line, if somebody is there."""
        self._arrived = asyncio.Event()

    async def reach(self) -> Line:
        """The line, once somebody is there."""
        while self.line is None:
            await self._arrived.wait()
        return self.line

    def lose(self, line: Line) -> None:
        """Reach nobody by ``line`` any more: it has ended."""
        if self.line is line:
            self.line = None
            self._arrived.clear()

    async def keep(self) -> None:
        """Have somebody there, and another one after that, until cancelled."""
        pause = FIRST_PAUSE
        while True:
            started = time.monotonic()
            try:
                code = await self._run()
            except OSError as error:
                self._emit(Crashed(self._name, type(error).__name__))
            else:
                self._emit(Crashed(self._name, f"exit code {code}"))
            if time.monotonic() - started > SOUND:
                pause = FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _run(self) -> int:
        """Have one process from its beginning to its end, and give its exit code."""
        end, other = socket.socketpair()
        with other:
            inherited = [other.fileno(), *self._inherited]
            process = await asyncio.create_subprocess_exec(
                *self._command, str(other.fileno()), pass_fds=inherited
            )
        line = await open_line(end, self._handlers, self._listeners)
        try:
            self.line = line
            self._arrived.set()
            await _watch(line)
        finally:
            self.lose(line)
            line.hang_up()
            code = await _end(process)
        return code


async def _watch(line: Line) -> None:
    """Wait for the end of ``line``; hang up on a process that shows no sign of life."""
    while not line.ended.done():
        try:
            async with asyncio.timeout(PATIENCE):
                await line.call("ping")
                await asyncio.wait([line.ended], timeout=PATIENCE / 3)
        except (LineEnded, TimeoutError):
            line.hang_up()
            return


async def _end(process: asyncio.subprocess.Process) -> int:
    """Let ``process`` end by itself for a moment, then end it."""
    try:
        async with asyncio.timeout(FAREWELL):
            return await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        return await process.wait()


def begin_as_companion() -> None:
    """In the other process: leave signals to the one whose end the line tells."""
    for number in FOR_THE_FIRST:
        signal.signal(number, signal.SIG_IGN)

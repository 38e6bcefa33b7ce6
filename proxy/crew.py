"""The workers that answer beside the first process of an engine alone: PostgREST uses all processors, too.

They take clients from the same socket. The first process reads options and schema cache, listens for
notifications, and is who operators talk to; it tells the others what is in force, each over a line.
"""

import asyncio
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from proxy.answering import Answering
from proxy.companion import FAREWELL, Companion, begin_as_companion
from proxy.config import Config
from proxy.database.snapshot import EngineSnapshot
from proxy.events import Crashed, Emit
from proxy.line import Line, LineEnded, Listener, open_line
from proxy.loop import FAST_LOOP, prepare_interpreter
from proxy.operate.listeners import join_listeners
from proxy.operate.postgrest_admin import Gauges
from proxy.operate.postgrest_log import PostgrestLog, TakesText
from proxy.server.seats import Seat, Seats
from proxy.server.state import Snapshot, State
from proxy.shadow.policy import Names

MOST = 4
"""Workers, unless somebody asks for more: each takes some hundred MiB."""

LEAST_CONNECTIONS = 4
"""Connections that each worker has, unless somebody asks for more workers: none can borrow another's."""

ROOM = 256 * 1024 * 1024
"""Bytes of memory that there are for each worker, unless somebody asks for more."""

PATIENCE = 1.0
"""Seconds in which a worker has to answer the first one."""


def find_workers(connections: int, processors: int, memory: float) -> int:
    """How many are right for so many connections and processors, and so many bytes of memory."""
    return int(max(1, min(processors, connections // LEAST_CONNECTIONS, memory // ROOM, MOST)))


def share_out(connections: int, workers: int) -> list[int]:
    """How many of the connections each worker has; there are no more workers than connections."""
    workers = min(workers, connections)
    each, more = divmod(connections, workers)
    return [each + (number < more) for number in range(workers)]


@dataclass(slots=True)
class _Member:
    """One of the others: its number, its share of the connections, and what it was told last."""

    number: int
    share: int
    companion: Companion
    knows: Snapshot | None = None


class Crew:
    """The others, each with its share of the connections, from ``open`` to ``close``.

    ``refresh`` is called where one of them wants the schema cache to be read anew. What they log is written
    to ``out`` and ``err`` here: two processes that write long lines to one pipe tear them.
    """

    def __init__(
        self,
        state: State,
        emit: Emit,
        shares: Sequence[int],
        *,
        server: bytes,
        refresh: Callable[[], None],
        log: PostgrestLog,
        out: TakesText,
        err: TakesText,
    ) -> None:
        self._state = state
        self._emit = emit
        self._shares = shares
        self._server = server
        self._log = log
        self._listeners: dict[str, Listener] = {
            "refresh": refresh,
            "out": partial(_write, out),
            "err": partial(_write, err),
        }
        self._members: list[_Member] = []
        self._seats = Seats(1 + len(shares))
        self.seat = Seat(self._seats.file, 0)
        """That of the first process."""
        self._tasks: list[asyncio.Task[None]] = []
        self._told = asyncio.Condition()

    def open(self, listening: socket.socket) -> None:
        """Have them there from now on. They take clients when there is a schema cache to answer by."""
        inherited = [listening.fileno(), self._seats.file]
        for number, share in enumerate(self._shares, 2):
            numbers = (number - 1, *inherited)
            command = (sys.executable, "-m", "proxy.crew", *map(str, numbers))
            companion = Companion("worker", self._emit, command, {}, self._listeners, inherited=inherited)
            member = _Member(number, share, companion)
            self._members.append(member)
            self._tasks += (
                asyncio.create_task(companion.keep(), name="worker"),
                asyncio.create_task(self._inform(member), name="informing"),
            )

    async def close(self) -> None:
        """Let those that take clients leave them, end all, and wait for their ends."""
        answering = [member.companion.line for member in self._members if member.knows is not None]
        await asyncio.gather(*(_ask(line, "close", FAREWELL) for line in answering if line is not None))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._seats.close()

    async def spread(self) -> None:
        """Wait until those that take clients know what is in force, though no longer than ``PATIENCE``."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE), self._told:
                await self._told.wait_for(self._all_know)

    async def measure(self) -> list[Gauges]:
        """What each of them has counted, of those that say so in time."""
        lines = [member.companion.line for member in self._members]
        found = await asyncio.gather(*(_ask(line, "measure", PATIENCE) for line in lines if line is not None))
        return [gauges for gauges in found if gauges is not None]

    def _all_know(self) -> bool:
        current = self._state.current
        return all(member.knows is None or member.knows is current for member in self._members)

    async def _inform(self, member: _Member) -> None:
        """Tell whoever is there what is in force, now and whenever that changes, until cancelled."""
        while True:
            line = await member.companion.reach()
            try:
                await self._follow(member, line)
            except LineEnded:
                pass
            except Exception as error:
                self._emit(Crashed("worker", type(error).__name__))
            # Who was not told what is in force must not answer.
            line.hang_up()
            member.companion.lose(line)
            self._seats.vacate(member.number - 1)
            await self._note(member, None)

    async def _follow(self, member: _Member, line: Line) -> None:
        snapshot = self._state.current
        while not line.ended.done():
            config, engine = snapshot.config, snapshot.engine
            if await line.call("put", config, engine, self._server, member.share):
                self._log.say(f"Worker {member.number} takes clients")
            await self._note(member, snapshot)
            changing = asyncio.create_task(self._state.wait_for_another(snapshot))
            try:
                waits: tuple[asyncio.Future[Any], ...] = (changing, line.ended)
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                snapshot = self._state.current
            finally:
                changing.cancel()

    async def _note(self, member: _Member, snapshot: Snapshot | None) -> None:
        async with self._told:
            member.knows = snapshot
            self._told.notify_all()


async def _ask(line: Line, name: str, seconds: float) -> Any:
    """What the function ``name`` of a worker returns; None if it does not in time."""
    try:
        async with asyncio.timeout(seconds):
            return await line.call(name)
    except (LineEnded, TimeoutError):
        return None


def _write(file: TakesText, text: str) -> None:
    file.write(text)
    file.flush()


@dataclass(frozen=True, slots=True)
class _There:
    """A file of the first process, written to over ``line``; ``here`` it is the same where that has ended."""

    line: Line
    name: str
    here: TakesText

    def write(self, text: str, /) -> None:
        if not self.line.tell(self.name, text):
            _write(self.here, text)

    def flush(self) -> None:
        """Nothing is kept back."""


class _Worker:
    """Who answers, at this end of the line."""

    def __init__(self, listening: socket.socket, seat: Seat) -> None:
        self._listening = listening
        self._seat = seat
        self._state = State(Snapshot(Config(), Names(), None))
        self._answering: Answering | None = None
        self.line: Line

    async def put(
        self, config: Config, engine: EngineSnapshot | None, server: bytes, connections: int
    ) -> bool:
        """Put this in force, and take clients once there is a schema cache; whether that begins now.

        What was learnt from the catalog is forgotten: it may have changed.
        """
        self._state.replace(Snapshot(config, Names(), engine))
        if self._answering is not None:
            self._answering.database.adopt(config.engine)
            await self._answering.database.flush()
        elif engine is not None:
            self._answering = self._make(server, connections)
            await self._answering.open(self._listening, self._seat)
            return True
        return False

    async def measure(self) -> Gauges:
        return Gauges() if self._answering is None else self._answering.measure()

    async def ping(self) -> None:
        return None

    async def close(self) -> None:
        if self._answering is not None:
            await self._answering.close()

    def _refresh(self) -> None:
        self.line.tell("refresh")

    def _make(self, server: bytes, connections: int) -> Answering:
        state = self._state
        log = PostgrestLog(
            state.current.config.engine.log_level,
            _There(self.line, "out", sys.stdout),
            _There(self.line, "err", sys.stderr),
            lambda: datetime.now().astimezone(),
            lambda: state.current.config.engine,
        )
        return Answering(
            state,
            log,
            join_listeners(log.hearing),
            server=server,
            connections=connections,
            refresh=self._refresh,
        )


async def serve(listening: socket.socket, seat: Seat, end: socket.socket) -> None:
    """Answer clients of ``listening`` by what whoever is at the other ``end`` says, until nobody is."""
    worker = _Worker(listening, seat)
    handlers = {name: getattr(worker, name) for name in ("put", "measure", "ping", "close")}
    worker.line = await open_line(end, handlers, {})
    await worker.line.ended
    await worker.close()


def main(arguments: Sequence[str]) -> int:
    """Be a worker; the arguments are the number of its seat, and of what it inherits; see ``Crew.open``."""
    begin_as_companion()
    prepare_interpreter()
    place, clients, seats, line = map(int, arguments)
    listening, end = socket.socket(fileno=clients), socket.socket(fileno=line)
    with asyncio.Runner(loop_factory=FAST_LOOP) as runner:
        runner.run(serve(listening, Seat(seats, place), end))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

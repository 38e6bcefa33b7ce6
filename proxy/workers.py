"""``workers: N``: processes that listen on the same sockets, and this one, which watches over them.

The sockets are bound here and stay when a worker ends: who connects meanwhile waits in the kernel for another
one, so that no connection is refused or reset while processes come and go. Each worker is a replica like any
other, with an admin port of its own.

A worker and its watcher hold the two ends of a line. The worker says there that it serves; that the line ends
tells it that nobody watches over it any more.
"""

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from proxy.companion import FIRST_PAUSE, LONGEST_PAUSE, SOUND
from proxy.config import Config
from proxy.server.listening import Sockets, bind_port, find_port
from proxy.server.seats import Seat, Seats

READY = b"ready"

PATIENCE = 60.0
"""Seconds within which a worker has to serve, and later to end when it is told to."""

Command = Callable[[Sequence[int]], Sequence[str]]
"""The command of a worker, by the number of its seat, and of what it inherits; see ``bind_inherited``."""


@dataclass(eq=False, slots=True)
class _Worker:
    number: int
    seat: int
    process: asyncio.subprocess.Process
    started: float
    ready: "asyncio.Task[bool]"


class Workers:
    """Keeps ``config.workers`` workers. ``say`` takes lines for operators.

    Raises OSError if it cannot listen.
    """

    def __init__(self, config: Config, command: Command, say: Callable[[str], None]) -> None:
        self._command = command
        self._say = say
        self._stack = contextlib.ExitStack()
        try:
            self._clients = self._bind(config.listen.host, config.listen.port)
            first = config.admin.port
            self._operators = [
                self._bind(config.admin.host, first and first + number) for number in range(config.workers)
            ]
        except BaseException:
            self._stack.close()
            raise
        # Two for each worker: it is there yet when another one relieves it.
        self._seats = Seats(2 * config.workers)
        self._stack.callback(self._seats.close)
        self._serving: dict[int, _Worker] = {}
        self._all: dict[_Worker, asyncio.Task[None]] = {}
        self._pauses = [FIRST_PAUSE] * config.workers
        self._stopped = asyncio.Event()
        self._rolling = asyncio.Lock()

    @property
    def place(self) -> str:
        """The ports, in words."""
        admin = ", ".join(str(find_port(operators)) for operators in self._operators)
        return f"port {find_port(self._clients)}, admin ports {admin}"

    async def open(self) -> None:
        """Start all workers, and wait until each of them serves or has failed to."""
        workers = [await self._start(number) for number in range(len(self._operators))]
        await asyncio.gather(*(worker.ready for worker in workers))

    async def roll(self) -> None:
        """Replace all workers, one after the other: each serves until the one that relieves it does.

        The new ones are of the program and the file as they are now. One that does not come to serve changes
        nothing, and ends the rolling.
        """
        async with self._rolling:
            for number in range(len(self._operators)):
                if self._stopped.is_set():
                    return
                worker = await self._spawn(number)
                if not await worker.ready:
                    self._say(f"worker {number}: no other one comes to serve; the old one stays")
                    _send(worker, signal.SIGKILL)
                    return
                relieved = self._serving.get(number)
                self._serving[number] = worker
                if relieved is not None:
                    _send(relieved, signal.SIGTERM)
                self._say(f"worker {number}: process {worker.process.pid} has taken over")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal on to every worker."""
        for worker in tuple(self._all):
            _send(worker, number)

    async def close(self) -> None:
        """Let all workers end, each when its clients have left."""
        self._stopped.set()
        self.signal(signal.SIGTERM)
        if self._all:
            await asyncio.wait(tuple(self._all.values()), timeout=PATIENCE)
        self.signal(signal.SIGKILL)
        await asyncio.gather(*self._all.values(), return_exceptions=True)
        self._stack.close()

    def _bind(self, host: str, port: int) -> socket.socket:
        return self._stack.enter_context(bind_port(host, port))

    async def _start(self, number: int) -> _Worker:
        worker = self._serving[number] = await self._spawn(number)
        return worker

    async def _spawn(self, number: int) -> _Worker:
        line, other = socket.socketpair()
        line.setblocking(False)
        with other:
            seat = self._find_seat(number)
            inherited = [end.fileno() for end in (self._clients, self._operators[number], other)]
            inherited.append(self._seats.file)
            # What is typed at a terminal is for this process, which passes it on.
            process = await asyncio.create_subprocess_exec(
                *self._command([seat, *inherited]), pass_fds=inherited, start_new_session=True
            )
        worker = _Worker(number, seat, process, time.monotonic(), asyncio.create_task(_hear_ready(line)))
        self._all[worker] = asyncio.create_task(self._watch(worker, line), name=f"worker {number}")
        return worker

    def _find_seat(self, number: int) -> int:
        """That of the worker's two which the one that serves now has not."""
        serving = self._serving.get(number)
        return 2 * number + (serving is not None and serving.seat == 2 * number)

    async def _watch(self, worker: _Worker, line: socket.socket) -> None:
        """Wait for the end of ``worker``, and start another one unless it was told to end."""
        try:
            with line:
                code = await worker.process.wait()
                self._seats.vacate(worker.seat)
                await worker.ready
            if self._is_missed(worker):
                await self._replace(worker, code)
        finally:
            self._all.pop(worker, None)

    async def _replace(self, worker: _Worker, code: int) -> None:
        number = worker.number
        pause = self._pauses[number]
        if time.monotonic() - worker.started > SOUND:
            pause = FIRST_PAUSE
        self._pauses[number] = min(2 * pause, LONGEST_PAUSE)
        self._say(f"worker {number}: process {worker.process.pid} {_tell(code)}; another in {pause:g} s")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._stopped.wait()
        if self._is_missed(worker):
            await self._start(number)

    def _is_missed(self, worker: _Worker) -> bool:
        return self._serving.get(worker.number) is worker and not self._stopped.is_set()


def bind_inherited(numbers: Sequence[int]) -> tuple[Sockets, socket.socket]:
    """What a worker has inherited: its sockets, with its seat, and its end of the line."""
    place, *sockets, seats = numbers
    clients, operators, line = (socket.socket(fileno=number) for number in sockets)
    line.setblocking(False)
    return Sockets(clients, operators, Seat(seats, place)), line


async def _hear_ready(line: socket.socket) -> bool:
    """Whether the worker at the other end of ``line`` comes to serve, in time."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await asyncio.get_running_loop().sock_recv(line, len(READY)) == READY
    except OSError:
        return False


def _send(worker: _Worker, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        worker.process.send_signal(number)


def _tell(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"

"""``understudy serve``: a proxy, or the one that watches over several, until it is told to end.

SIGTERM, SIGINT, SIGQUIT   stop listening, let requests and clients end, then end; a second one: at once
SIGHUP                     read the file again
SIGUSR1                    load the schema cache again
SIGUSR2                    with several workers: replace them, one after the other, without losing a request
"""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial

import proxy
from proxy.app import Proxy
from proxy.config import Config, LogConfig
from proxy.operate.log_output import LOGGER
from proxy.operate.log_records import Record
from proxy.workers import READY, Workers

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


async def serve_until_told(running: Proxy, line: socket.socket | None = None) -> int:
    """Run one proxy; gives the exit code. A worker has a ``line`` to whoever watches over it."""
    # A worker may well be told twice: by its watcher, and by whoever ends all processes of a service.
    with _told(_nothing if line is None else None) as told:
        async with running:
            told.on(signal.SIGUSR1, running.schema_cache.refresh)
            if running.reload is not None:
                told.doing(signal.SIGHUP, running.reload.reload)
            if line is None:
                log = running.state.current.config.log
                _say(log, f"port {running.port}, admin port {running.admin_port}")
            else:
                line.send(READY)
                told.at_end_of(line)
            await told.to_end.wait()
            await running.leave()
    return 0


async def watch_until_told(config: Config, command: Sequence[str]) -> int:
    """Run ``config.workers`` workers by ``command``, which is completed by what they inherit."""
    say = partial(_say, config.log)
    workers = Workers(config, lambda inherited: [*command, *map(str, inherited)], say)
    with _told(lambda: workers.signal(signal.SIGKILL)) as told:
        try:
            for number in (signal.SIGUSR1, signal.SIGHUP):
                told.on(number, partial(workers.signal, number))
            told.doing(signal.SIGUSR2, workers.roll)
            await workers.open()
            say(workers.place)
            await told.to_end.wait()
        finally:
            await workers.close()
    return 0


class _Told:
    """What this process is told by signals, until ``close``.

    Told a second time to end, it does ``give_up`` and ends at once; with None it goes on as it was.
    """

    def __init__(self, give_up: Callable[[], None] | None) -> None:
        self.to_end = asyncio.Event()
        self._give_up = give_up
        self._loop = asyncio.get_running_loop()
        self._numbers: set[signal.Signals] = set()
        self._doing: set[asyncio.Task[None]] = set()
        for number in _ENDING:
            self.on(number, partial(self._end, number))

    def on(self, number: signal.Signals, act: Callable[[], None]) -> None:
        """Do ``act`` at the signal ``number``."""
        self._loop.add_signal_handler(number, act)
        self._numbers.add(number)

    def doing(self, number: signal.Signals, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Begin ``work`` at the signal ``number``."""

        def begin() -> None:
            task = self._loop.create_task(work())
            self._doing.add(task)
            task.add_done_callback(self._doing.discard)

        self.on(number, begin)

    def at_end_of(self, line: socket.socket) -> None:
        """Take the end of ``line`` for a signal to end."""

        def look() -> None:
            with contextlib.suppress(BlockingIOError):
                if not line.recv(1):
                    self._loop.remove_reader(line)
                    self.to_end.set()

        self._loop.add_reader(line, look)

    def close(self) -> None:
        """Take no more signals."""
        for number in self._numbers:
            self._loop.remove_signal_handler(number)
        for task in self._doing:
            task.cancel()

    def _end(self, number: signal.Signals) -> None:
        if not self.to_end.is_set():
            self.to_end.set()
        elif self._give_up is not None:
            self._give_up()
            self._loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)


def _nothing() -> None:
    """There is nobody else to end."""


@contextlib.contextmanager
def _told(give_up: Callable[[], None] | None) -> Iterator[_Told]:
    told = _Told(give_up)
    try:
        yield told
    finally:
        told.close()


def _say(log: LogConfig, text: str) -> None:
    """Tell operators what becomes of the process, where they read it."""
    if log.format == "json":
        record = Record(logging.INFO, "serve", {"version": proxy.__version__, "message": text})
        logging.getLogger(LOGGER).info(record)
    else:
        print(f"understudy {proxy.__version__}: {text}", flush=True)

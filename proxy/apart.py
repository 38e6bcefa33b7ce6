"""The second opinion in a process of its own, so that what it computes takes no time from clients.

The process that serves clients starts it, tells it which configuration and schema cache are in force, and
hands it one mirrored read after the other; events come back. The two hold the ends of a line: when it ends,
for whatever reason, the second opinion ends too, and where clients are served another one is started.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import is_

from proxy.config import Config
from proxy.database.snapshot import EngineSnapshot
from proxy.difference import Difference
from proxy.errors import UnderstudyError
from proxy.events import Crashed, Emit, Event, Judged, Shed
from proxy.line import Line, LineEnded, Listener, open_line
from proxy.loop import FAST_LOOP, prepare_interpreter
from proxy.messages import Answer, Exchange, Request
from proxy.operate.log_output import begin_log
from proxy.processor import Yielder
from proxy.second_opinion import SecondOpinion
from proxy.server.proof import AwaitCalm, Proof
from proxy.server.settling import Job, judge
from proxy.server.state import Snapshot, State
from proxy.shadow.policy import Names, Side

NICENESS = 5
"""Where others leave it nothing, and it shares, the scheduler gives those who serve clients about three times
as much."""

OUT_OF_MEMORY = b"500"
"""How much rather than others the kernel ends this process when memory is short, of 1000."""

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 30.0
SOUND = 60.0
"""Seconds after which a process counts as sound: one that ends later is replaced without a longer pause."""

PATIENCE = 30.0
"""Seconds in which a process has to give any sign of life."""


@dataclass(eq=False, slots=True)
class _There:
    """A process that is there, and what it was told last."""

    process: asyncio.subprocess.Process
    line: Line
    told: tuple[Config, Names, EngineSnapshot | None] | None = None


class SecondOpinionApart:
    """The second opinion of another process, from ``open`` to ``close``.

    ``spend`` and ``await_calm`` are called here for it; see ``SecondOpinion``.
    """

    def __init__(
        self,
        state: State,
        emit: Emit,
        *,
        spend: Callable[[float], None],
        await_calm: AwaitCalm,
        command: Sequence[str] = (sys.executable, "-m", "proxy.apart"),
    ) -> None:
        self._state = state
        self._emit = emit
        self._spend = spend
        self._await_calm = await_calm
        self._command = command
        self._there: _There | None = None
        self._arrived = asyncio.Event()
        self._wanted = asyncio.Event()
        self._telling = asyncio.Lock()
        self._keeping: asyncio.Task[None]
        if state.current.config.upstream is not None:
            self._wanted.set()

    async def settle(self, job: Job) -> Judged | Shed:
        """What became of a mirrored read; where nobody is there to say it in time, nothing did."""
        try:
            async with asyncio.timeout(job.limits.timeout):
                there = await self._reach()
        except TimeoutError:
            return Shed(job.table, "deadline")
        engine = self._state.current.engine
        try:
            outcome: Judged | Shed = await there.line.call(
                "settle", job.table, job.exchange, job.since, job.mode, job.served_by
            )
        except LineEnded:
            return judge(job, Proof("failed", detail="the process that compares has ended"))
        if isinstance(outcome, Shed):
            return outcome
        if outcome.verdict == "mismatch" and engine is not self._state.current.engine:
            return judge(job, Proof("inconclusive", detail="the schema changed meanwhile"))
        return outcome

    async def find_differences(self, request: Request) -> Sequence[Difference]:
        """In what the sides are proven to disagree now; in nothing if one of them gives no answer."""
        try:
            found: Sequence[Difference] = await (await self._reach()).line.call("find_differences", request)
        except LineEnded:
            return ()
        return found

    async def ask(self, request: Request, snapshot: Snapshot) -> Answer:
        """The engine's answer to a read, by what is in force. Raises what the engine raises."""
        try:
            answer: Answer = await (await self._reach()).line.call("ask", request)
        except LineEnded as error:
            raise UnderstudyError("the process that compares has ended") from error
        return answer

    async def flush(self) -> None:
        """Wait for nobody: that process forgets the catalog when it is told of another schema cache."""

    def open(self) -> None:
        """Have a process there from now on, once it is needed. Called in a running event loop."""
        self._keeping = asyncio.create_task(self._keep(), name="second opinion")

    async def _keep(self) -> None:
        """Have a process there, and another one when it ends, until cancelled."""
        pause = FIRST_PAUSE
        await self._wanted.wait()
        while True:
            started = time.monotonic()
            try:
                code = await self._run()
            except OSError as error:
                self._emit(Crashed("second opinion", type(error).__name__))
            else:
                self._emit(Crashed("second opinion", f"exit code {code}"))
            if time.monotonic() - started > SOUND:
                pause = FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def close(self) -> None:
        """End the process, and wait for its end."""
        self._keeping.cancel()
        await asyncio.wait([self._keeping])

    async def _reach(self) -> _There:
        """The process, once it is there and knows what is in force."""
        self._wanted.set()
        while True:
            await self._arrived.wait()
            there = self._there
            if there is None:
                continue
            with contextlib.suppress(LineEnded):
                await self._bring_up_to_date(there)
                return there
            if self._there is there:
                self._there = None
                self._arrived.clear()

    async def _bring_up_to_date(self, there: _There) -> None:
        while not self._knows(there):
            async with self._telling:
                if not self._knows(there):
                    snapshot = self._state.current
                    current = snapshot.config, snapshot.names, snapshot.engine
                    same = there.told is not None and there.told[2] is snapshot.engine
                    engine = None if same else snapshot.engine
                    await there.line.call("put", snapshot.config, snapshot.names, engine, same)
                    there.told = current

    def _knows(self, there: _There) -> bool:
        snapshot = self._state.current
        current = snapshot.config, snapshot.names, snapshot.engine
        return there.told is not None and all(map(is_, current, there.told))

    async def _run(self) -> int:
        """Have one process from its beginning to its end, and give its exit code."""
        end, other = socket.socketpair()
        with other:
            process = await asyncio.create_subprocess_exec(
                *self._command, str(other.fileno()), pass_fds=[other.fileno()]
            )
        listeners: dict[str, Listener] = {"emit": self._emit, "spend": self._spend}
        line = await open_line(end, {"await_calm": self._hear_calm}, listeners)
        try:
            self._there = _There(process, line)
            self._arrived.set()
            await self._watch(line)
        finally:
            self._arrived.clear()
            self._there = None
            line.hang_up()
            code = await _end(process)
        return code

    async def _watch(self, line: Line) -> None:
        """Wait for the end of ``line``; hang up on a process that shows no sign of life."""
        while not line.ended.done():
            try:
                async with asyncio.timeout(PATIENCE):
                    await line.call("ping")
                    await asyncio.wait([line.ended], timeout=PATIENCE / 3)
            except (LineEnded, TimeoutError):
                line.hang_up()
                return

    async def _hear_calm(self, request: Request) -> None:
        await self._await_calm(request, self._state.current)


async def _end(process: asyncio.subprocess.Process) -> int:
    """Let ``process`` end by itself for a moment, then end it."""
    try:
        async with asyncio.timeout(1.0):
            return await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        return await process.wait()


class _Served:
    """The second opinion at this end of the line."""

    def __init__(self, waited: Callable[[], float]) -> None:
        self.line: Line
        self._waited = waited
        self.state = State(Snapshot(Config(), Names(), None))
        self._opinion: SecondOpinion | None = None

    async def put(self, config: Config, names: Names, engine: EngineSnapshot | None, same: bool) -> None:
        """Put this in force; ``same``: the schema cache stays, and with it what is known of the catalog."""
        self.state.replace(Snapshot(config, names, self.state.current.engine if same else engine))
        if self._opinion is None:
            self._opinion = SecondOpinion(
                self.state,
                self._emit,
                spend=self._spend,
                await_calm=self._await_calm,
                waited=self._waited,
            )
        elif not same:
            await self._opinion.flush()

    async def settle(
        self, table: str, exchange: Exchange, since: float, mode: str, served_by: Side
    ) -> Judged | Shed:
        return await self._having.settle(Job(table, exchange, self.state.current, since, mode, served_by))

    async def find_differences(self, request: Request) -> Sequence[Difference]:
        return await self._having.find_differences(request)

    async def ask(self, request: Request) -> Answer:
        return await self._having.ask(request, self.state.current)

    async def ping(self) -> None:
        return None

    async def close(self) -> None:
        if self._opinion is not None:
            await self._opinion.close()

    @property
    def _having(self) -> SecondOpinion:
        assert self._opinion is not None
        return self._opinion

    def _emit(self, event: Event) -> None:
        self.line.tell("emit", event)

    def _spend(self, seconds: float) -> None:
        self.line.tell("spend", seconds)

    async def _await_calm(self, request: Request, snapshot: Snapshot) -> None:
        await self.line.call("await_calm", request)


async def serve(end: socket.socket, waited: Callable[[], float]) -> None:
    """Give opinions to whoever is at the other end, until nobody is; ``waited``: see ``SecondOpinion``."""
    served = _Served(waited)
    begin_log(sys.stderr, lambda: served.state.current.config.log)
    served.line = await open_line(
        end,
        {name: getattr(served, name) for name in ("put", "settle", "find_differences", "ask", "ping")},
        {},
    )
    await served.line.ended
    await served.close()


def main(arguments: Sequence[str]) -> int:
    """Be the process apart; the one argument is the number of the socket that was inherited."""
    # What is typed at a terminal is for the process that serves clients.
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    os.nice(NICENESS)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "wb") as file:
        file.write(OUT_OF_MEMORY)
    prepare_interpreter()
    yielder = Yielder()
    with asyncio.Runner(loop_factory=FAST_LOOP) as runner:
        end = socket.socket(fileno=int(arguments[0]))
        yielder.run(runner.get_loop(), serve(end, yielder.read_wait))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

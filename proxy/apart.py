"""The second opinion in a process of its own, so that what it computes takes no time from clients.

The process that serves clients starts it, tells it which configuration and schema cache are in force, and
hands it one mirrored read after the other; events come back. When the line between the two ends, for whatever
reason, the second opinion ends too, and where clients are served another one is started.
"""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import is_

from proxy.companion import Companion, begin_as_companion
from proxy.config import Config
from proxy.database.snapshot import EngineSnapshot
from proxy.difference import Difference
from proxy.errors import UnderstudyError
from proxy.events import Emit, Event, Judged, Shed
from proxy.line import Line, LineEnded, open_line
from proxy.loop import FAST_LOOP, prepare_interpreter
from proxy.messages import Answer, Exchange, Request
from proxy.operate.log_output import begin_log
from proxy.processor import Yielder
from proxy.second_opinion import SecondOpinion
from proxy.server.proof import AwaitCalm, Proof
from proxy.server.settling import Job, Settled, judge
from proxy.server.state import Snapshot, State
from proxy.shadow.policy import Names, Side

NICENESS = 5
"""Where others leave it nothing, and it shares, the scheduler gives those who serve clients about three times
as much."""

OUT_OF_MEMORY = b"500"
"""How much rather than others the kernel ends this process when memory is short, of 1000."""


class SecondOpinionApart:
    """The second opinion of another process, from ``open`` to ``close``.

    ``await_calm`` is called here for it; see ``SecondOpinion``.
    """

    def __init__(
        self,
        state: State,
        emit: Emit,
        *,
        await_calm: AwaitCalm,
        command: Sequence[str] = (sys.executable, "-m", "proxy.apart"),
    ) -> None:
        self._state = state
        self._await_calm = await_calm
        self._companion = Companion(
            "second opinion", emit, command, {"await_calm": self._hear_calm}, {"emit": emit}
        )
        self._told: tuple[Line, Config, Names, EngineSnapshot | None] | None = None
        self._wanted = asyncio.Event()
        self._telling = asyncio.Lock()
        self._keeping: asyncio.Task[None]
        if state.current.config.upstream is not None:
            self._wanted.set()

    async def settle(self, job: Job) -> Settled:
        """What became of a mirrored read; where nobody is there to say it in time, nothing did."""
        line = self._companion.line
        if line is None or not self._knows(line):
            try:
                async with asyncio.timeout(job.limits.timeout):
                    line = await self._reach()
            except TimeoutError:
                return Settled(Shed(job.table, "deadline"))
        engine = self._state.current.engine
        try:
            settled: Settled = await line.call(
                "settle", job.table, job.exchange, job.since, job.mode, job.served_by
            )
        except LineEnded:
            return Settled(judge(job, Proof("failed", detail="the process that compares has ended")))
        outcome = settled.outcome
        stale = engine is not self._state.current.engine
        if stale and isinstance(outcome, Judged) and outcome.verdict == "mismatch":
            changed = Proof("inconclusive", detail="the schema changed meanwhile")
            return replace(settled, outcome=judge(job, changed))
        return settled

    async def find_differences(self, table: str, request: Request) -> Sequence[Difference]:
        """In what the sides are proven to disagree now; in nothing if one of them gives no answer."""
        try:
            line = await self._reach()
            found: Sequence[Difference] = await line.call("find_differences", table, request)
        except LineEnded:
            return ()
        return found

    async def ask(self, request: Request, snapshot: Snapshot) -> Answer:
        """The engine's answer to a read, by what is in force. Raises what the engine raises."""
        try:
            answer: Answer = await (await self._reach()).call("ask", request)
        except LineEnded as error:
            raise UnderstudyError("the process that compares has ended") from error
        return answer

    async def flush(self) -> None:
        """Wait for nobody: that process forgets the catalog when it is told of another schema cache."""

    def open(self) -> None:
        """Have a process there from now on, once it is needed. Called in a running event loop."""
        self._keeping = asyncio.create_task(self._keep(), name="second opinion")

    async def _keep(self) -> None:
        await self._wanted.wait()
        await self._companion.keep()

    async def close(self) -> None:
        """End the process, and wait for its end."""
        self._keeping.cancel()
        await asyncio.wait([self._keeping])

    async def _reach(self) -> Line:
        """The line to the process, once it is there and knows what is in force."""
        self._wanted.set()
        while True:
            line = await self._companion.reach()
            try:
                await self._bring_up_to_date(line)
            except LineEnded:
                self._companion.lose(line)
            else:
                return line

    async def _bring_up_to_date(self, line: Line) -> None:
        while not self._knows(line):
            async with self._telling:
                if not self._knows(line):
                    snapshot = self._state.current
                    told = line, snapshot.config, snapshot.names, snapshot.engine
                    before = self._told
                    same = before is not None and before[0] is line and before[3] is snapshot.engine
                    engine = None if same else snapshot.engine
                    await line.call("put", snapshot.config, snapshot.names, engine, same)
                    self._told = told

    def _knows(self, line: Line) -> bool:
        snapshot, told = self._state.current, self._told
        if told is None:
            return False
        return all(map(is_, (line, snapshot.config, snapshot.names, snapshot.engine), told))

    async def _hear_calm(self, request: Request) -> None:
        await self._await_calm(request, self._state.current)


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
                await_calm=self._await_calm,
                waited=self._waited,
            )
        elif not same:
            await self._opinion.flush()

    async def settle(
        self, table: str, exchange: Exchange, since: float, mode: str, served_by: Side
    ) -> Settled:
        return await self._having.settle(Job(table, exchange, self.state.current, since, mode, served_by))

    async def find_differences(self, table: str, request: Request) -> Sequence[Difference]:
        return await self._having.find_differences(table, request)

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
    begin_as_companion()
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

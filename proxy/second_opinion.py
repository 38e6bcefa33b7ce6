"""The second opinion, joined: what reads, compares, proves and checks, with connections of its own.

It knows nothing of clients. What it needs of them comes in as two functions, so that it can be had in this
process or in another one (``proxy.apart``).
"""

import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from proxy.database.answer import answer
from proxy.database.connection import Database
from proxy.databases import AnswerRequest, asking, find_room
from proxy.difference import Difference
from proxy.events import Emit
from proxy.messages import Answer, Request
from proxy.processor import read_wait
from proxy.server.again import UpstreamAgain
from proxy.server.both_sides import BothSides
from proxy.server.comparing import Comparer, Pair
from proxy.server.in_force import AgainInForce, InForce
from proxy.server.probe import Probe
from proxy.server.proof import CONNECTIONS, REST, AskUpstream, AwaitCalm, Prover
from proxy.server.selftest import SelfTest
from proxy.server.settling import Job, Settled, Settling
from proxy.server.state import Snapshot, State
from proxy.server.witness import Witness


def roll() -> float:
    """A number in [0, 100) by which samples are drawn."""
    return random.uniform(0, 100)


class GivesOpinions(Protocol):
    """A second opinion, wherever it is had."""

    def settle(self, job: Job) -> Awaitable[Settled]:
        """What became of a mirrored read."""

    def find_differences(self, table: str, request: Request) -> Awaitable[Sequence[Difference]]:
        """In what the sides are proven to disagree now; in nothing if one of them gives no answer."""

    def ask(self, request: Request, snapshot: Snapshot) -> Awaitable[Answer]:
        """The engine's answer to a read. Raises what the engine raises."""

    async def flush(self) -> None:
        """Forget what is known of the catalog: it has changed."""

    async def close(self) -> None:
        """Let go of all connections."""


class SecondOpinion:
    """The second opinion in this process.

    ``await_calm`` waits while writes are in flight that a request might see half of. ``answer`` is the
    engine's one function; ``waited`` tells the seconds in which who runs this wanted a processor in vain.
    """

    def __init__(
        self,
        state: State,
        emit: Emit,
        *,
        await_calm: AwaitCalm,
        answer: AnswerRequest = answer,
        waited: Callable[[], float] = read_wait,
    ) -> None:
        config = state.current.config
        self._stack = contextlib.AsyncExitStack()
        self._database = database = Database(
            config.engine,
            connections=config.shadow.concurrency,
            application_name="understudy mirror",
            read_only=True,
            largest=lambda: find_room(state.current.config.shadow.max_body),
        )
        self._stack.push_async_callback(database.close)
        comparer = Comparer()
        read_again = self._asking_upstream(state, CONNECTIONS)
        self.ask = ask_engine = asking(database, answer=answer)

        def make_prover(rest: float) -> Prover:
            return Prover(
                ask_engine,
                read_again,
                database.read_snapshot,
                comparer,
                clock=time.monotonic,
                toss=lambda: random.random() < 0.5,
                is_current=lambda snapshot: snapshot.engine is state.current.engine,
                await_calm=await_calm,
                rest=rest,
            )

        selftest = SelfTest(comparer, emit, roll=roll, choose=random.randrange)
        probe = Probe(read_again, database.read_snapshot, comparer, emit, roll=roll, clock=time.monotonic)

        async def check(table: str, request: Request, pair: Pair, snapshot: Snapshot) -> None:
            await selftest(request, pair, snapshot)
            await probe(table, request, snapshot)

        self.settle = Settling(
            Witness(ask_engine, database.read_snapshot, time.monotonic, waited),
            comparer,
            make_prover(REST),
            emit,
            check=check,
            ask_upstream=self._asking_upstream(state, config.shadow.concurrency),
        )
        self.find_differences = BothSides(
            state,
            ask_engine,
            read_again,
            comparer,
            make_prover(0.0),
            emit,
            clock=time.monotonic,
        ).find_differences

    def _asking_upstream(self, state: State, connections: int) -> AskUpstream:
        """Asks the upstream in force, over no more than so many connections."""
        again = InForce(state, lambda config: UpstreamAgain(config, time.monotonic, connections=connections))
        self._stack.push_async_callback(again.close)
        return AgainInForce(state, again).ask

    async def flush(self) -> None:
        await self._database.flush()

    async def close(self) -> None:
        await self._stack.aclose()

"""The second opinion, joined: the mirror, what proves its differences, and what checks the checker."""

import random
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass

from proxy.config import Config
from proxy.database.connection import Database
from proxy.events import Emit
from proxy.messages import Request
from proxy.server.again import UpstreamAgain
from proxy.server.both_sides import BothSides
from proxy.server.comparing import Comparer, Pair
from proxy.server.in_force import AgainInForce, InForce
from proxy.server.mirror import Mirror
from proxy.server.probe import Probe
from proxy.server.proof import AT_ONCE, REST, Prover
from proxy.server.selftest import SelfTest
from proxy.server.shrinking import Shrinker
from proxy.server.state import AskEngine, Snapshot, State
from proxy.server.throttle import Throttle
from proxy.server.writes import Writes


@dataclass(frozen=True, slots=True)
class Opinions:
    """The mirror, and what looks for smaller requests behind it."""

    mirror: Mirror
    shrinker: Shrinker


def roll() -> float:
    """A number in [0, 100) by which samples are drawn."""
    return random.uniform(0, 100)


def make_opinions(
    config: Config,
    state: State,
    database: Database,
    throttle: Throttle,
    writes: Writes,
    emit: Emit,
    *,
    ask_engine: AskEngine,
    stack: AsyncExitStack,
) -> Opinions:
    """The mirror of one running proxy. ``ask_engine`` asks ``database``; ``stack`` closes what is made."""
    comparer = Comparer()
    stack.callback(comparer.close)
    again = InForce(state, lambda config: UpstreamAgain(config, time.monotonic, connections=AT_ONCE))
    stack.push_async_callback(again.close)
    ask_upstream = AgainInForce(state, again).ask

    def make_prover(rest: float) -> Prover:
        return Prover(
            ask_engine,
            ask_upstream,
            database.read_snapshot,
            comparer,
            clock=time.monotonic,
            toss=lambda: random.random() < 0.5,
            is_current=lambda snapshot: snapshot.engine is state.current.engine,
            await_calm=writes.await_calm,
            rest=rest,
        )

    selftest = SelfTest(comparer, emit, roll=roll, choose=random.randrange)
    probe = Probe(ask_upstream, database.read_snapshot, comparer, emit, roll=roll, clock=time.monotonic)
    sides = BothSides(
        state,
        ask_engine,
        ask_upstream,
        comparer,
        make_prover(0.0),
        spend=throttle.spend,
        clock=time.monotonic,
    )

    async def check(table: str, request: Request, pair: Pair, snapshot: Snapshot) -> None:
        await selftest(request, pair, snapshot)
        await probe(table, request, snapshot)

    mirror = Mirror(
        ask_engine,
        comparer,
        make_prover(REST),
        throttle,
        emit,
        concurrency=config.shadow.concurrency,
        check=check,
        ask_upstream=ask_upstream,
    )
    shrinker = Shrinker(
        sides.find_differences,
        emit,
        clock=time.monotonic,
        may_ask=lambda: not (throttle.paused or throttle.stopped),
    )
    return Opinions(mirror, shrinker)

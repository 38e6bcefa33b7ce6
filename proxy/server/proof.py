"""Read both sides again, as often as it takes to prove a difference or to clear it.

What the readings mean is decided in ``proxy.shadow.proof``; here is how they are made. Equal snapshots before
and after a round say that no transaction ended meanwhile, in any database of the server: then every reading
in between, in whatever transaction, saw the same rows. This holds where both sides read one server.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias
from weakref import WeakValueDictionary

from proxy.difference import Difference
from proxy.errors import UnderstudyError, UpstreamError
from proxy.events import Verdict
from proxy.messages import Answer, Request
from proxy.reading import Reading
from proxy.server.comparing import Comparer, Pair
from proxy.server.failures import hear_engine
from proxy.server.rests import Rests
from proxy.server.state import AskEngine, Snapshot
from proxy.shadow.compare import Comparison
from proxy.shadow.parts import Parts, Place
from proxy.shadow.proof import Round, add_round, find_proven, narrow, open_case, rule
from proxy.shadow.shape import read_shape

AT_ONCE = 4
"""The most differences that are in work."""

CONNECTIONS = 1
"""The most connections to the upstream that reading it again takes: clients wait for the others."""

MOST_ROUNDS = 60
"""After so many rounds a difference stays unproven."""

READINGS = 3
"""A proof may take as long as so many readings of the engine are given."""

REST = 1.0
"""Seconds after a mismatch in which no other one of its shape is proven: one that every read of a busy shape
shows must not take all the time there is."""

AskUpstream: TypeAlias = Callable[[Request, int], Awaitable[Answer]]
ReadSnapshot: TypeAlias = Callable[[], Awaitable[str]]
"""Gives a text that is the same as long as no transaction ends. Raises ApiError and EngineDown."""
AwaitCalm: TypeAlias = Callable[[Request, Snapshot], Awaitable[None]]
"""Waits, no longer than it is worth, while writes are known to be in flight that a request might see."""


async def await_nothing(request: Request, snapshot: Snapshot) -> None:
    """For whoever knows of no writes: PostgreSQL tells of them afterwards."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What became of a difference: the verdict, and for a mismatch the answers that show it.

    ``detail`` says why there is no proof. The seconds were spent on reading again, in so many ``rounds``.
    ``volatile`` are the fields in which the upstream disagreed with itself.
    """

    verdict: Verdict
    differences: tuple[Difference, ...] = ()
    pair: Pair | None = None
    detail: str = ""
    rounds: int = 0
    upstream_seconds: float = 0.0
    engine_seconds: float = 0.0
    volatile: frozenset[Place] = frozenset()


PROVEN_JUST_NOW = Proof("inconclusive", detail="a mismatch of this shape was proven a moment ago")


@dataclass(slots=True)
class _Hearing:
    """One difference in work."""

    request: Request
    snapshot: Snapshot
    reading: Reading
    rounds: int = 0
    upstream_seconds: float = 0.0
    engine_seconds: float = 0.0
    volatile: frozenset[Place] = frozenset()

    def end(
        self,
        verdict: Verdict,
        detail: str = "",
        pair: Pair | None = None,
        differences: tuple[Difference, ...] = (),
    ) -> Proof:
        times = self.upstream_seconds, self.engine_seconds
        return Proof(verdict, differences, pair, detail, self.rounds, *times, self.volatile)


class Prover:
    """Proves differences, at most ``AT_ONCE`` at a time and one of each shape; the others' time runs.

    ``clock`` counts seconds, ``toss`` is a fair coin. ``is_current`` tells whether a snapshot's schema cache
    is still the one in force: a difference that only an outdated one shows is none. ``await_calm`` is
    awaited before each round; ``rest`` is ``REST``, or 0 for who proves one mismatch in many requests.
    """

    def __init__(
        self,
        ask_engine: AskEngine,
        ask_upstream: AskUpstream,
        read_snapshot: ReadSnapshot,
        comparer: Comparer,
        *,
        clock: Callable[[], float],
        toss: Callable[[], bool],
        is_current: Callable[[Snapshot], bool],
        await_calm: AwaitCalm = await_nothing,
        rest: float = REST,
    ) -> None:
        self._rest = rest
        self._ask_engine = ask_engine
        self._ask_upstream = ask_upstream
        self._read_snapshot = read_snapshot
        self._comparer = comparer
        self._clock = clock
        self._toss = toss
        self._is_current = is_current
        self._await_calm = await_calm
        self._room = asyncio.Semaphore(AT_ONCE)
        self._proven = Rests()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def __call__(self, request: Request, pair: Pair, snapshot: Snapshot) -> Proof:
        """What the difference between the answers of ``pair`` is. Raises nothing that a side can cause."""
        shape = read_shape(request)
        if self._proven.has(shape, self._clock()):
            return PROVEN_JUST_NOW
        reading = await self._comparer.read(request, snapshot)
        hearing = _Hearing(request, snapshot, reading)
        if not reading.repeatable:
            return hearing.end("inconclusive", "a volatile function is not called again")
        turn = self._turns.setdefault(shape, asyncio.Lock())
        limit = asyncio.timeout(READINGS * snapshot.config.shadow.timeout)
        try:
            async with limit, turn, self._room:
                if self._proven.has(shape, self._clock()):
                    return PROVEN_JUST_NOW
                proof = await self._settle(hearing, pair)
                if proof.verdict == "mismatch":
                    self._proven.begin(shape, self._clock() + self._rest)
                return proof
        except TimeoutError:
            if not limit.expired():
                raise
            return hearing.end("inconclusive", "no time left to prove it")
        except UpstreamError:
            return hearing.end("inconclusive", "the upstream did not answer again")
        except UnderstudyError:
            return hearing.end("inconclusive", "the engine did not answer again")

    async def _settle(self, hearing: _Hearing, pair: Pair) -> Proof:
        case = open_case(await self._find_parts(hearing, pair))
        while hearing.rounds < MOST_ROUNDS:
            hearing.rounds += 1
            again, comparison, reread = await self._read_again(hearing)
            case = add_round(case, reread)
            hearing.volatile = case.volatile
            ruling = rule(case)
            if ruling == "mismatch" and not self._is_current(hearing.snapshot):
                return hearing.end("inconclusive", "the schema changed meanwhile")
            if ruling == "mismatch":
                differences = narrow(comparison.differences, find_proven(case))
                return hearing.end("mismatch", "", again, differences)
            if ruling is not None:
                return hearing.end(ruling)
        return hearing.end("inconclusive", "no quiet moment, and nothing that lasted")

    async def _read_again(self, hearing: _Hearing) -> tuple[Pair, Comparison, Round]:
        """One round: both sides, the first one drawn by lot, and the upstream again where it is quiet."""
        await self._await_calm(hearing.request, hearing.snapshot)
        before = await self._read_snapshot()
        if self._toss():
            engine = await self._read_engine(hearing)
            upstream = await self._read_upstream(hearing)
        else:
            upstream = await self._read_upstream(hearing)
            engine = await self._read_engine(hearing)
        pair = Pair(upstream, engine)
        comparison = await self._compare(hearing, pair)
        if comparison.verdict != "mismatch":
            return pair, comparison, Round(frozenset(), agreed=True)
        noise = None
        if await self._read_snapshot() == before:
            other = await self._read_upstream(hearing)
            if await self._read_snapshot() == before:
                noise = await self._find_noise(hearing, Pair(upstream, other))
        return pair, comparison, Round(await self._find_parts(hearing, pair), agreed=False, noise=noise)

    async def _find_noise(self, hearing: _Hearing, pair: Pair) -> Parts:
        """The parts in which two answers of one side differ."""
        comparison = await self._compare(hearing, pair)
        return await self._find_parts(hearing, pair) if comparison.verdict == "mismatch" else frozenset()

    async def _compare(self, hearing: _Hearing, pair: Pair) -> Comparison:
        return await self._comparer.compare(hearing.request, pair, hearing.snapshot, hearing.reading)

    async def _find_parts(self, hearing: _Hearing, pair: Pair) -> Parts:
        return await self._comparer.find_parts(hearing.request, pair, hearing.snapshot, hearing.reading)

    async def _read_upstream(self, hearing: _Hearing) -> Answer:
        started = self._clock()
        try:
            return await self._ask_upstream(hearing.request, hearing.snapshot.config.shadow.max_body)
        finally:
            hearing.upstream_seconds += self._clock() - started

    async def _read_engine(self, hearing: _Hearing) -> Answer:
        """The engine's answer; what it refuses a client is one. Raises what the engine raises besides."""
        started = self._clock()
        try:
            return await hear_engine(self._ask_engine, hearing.request, hearing.snapshot)
        finally:
            hearing.engine_seconds += self._clock() - started

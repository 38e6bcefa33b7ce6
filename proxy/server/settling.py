"""Settle one mirrored read: ask the side that has not served the client, compare, have a difference proven.

In shadow, and for the clients that a canary does not choose, that side is the engine; where the engine has
answered, it is the upstream. Nothing else depends on which it is.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from proxy.config import ShadowConfig
from proxy.errors import UpstreamError, UpstreamRefused
from proxy.events import Crashed, Emit, Judged, ReadAgain, RuleHit, Shed, VolatileFound
from proxy.messages import Answer, Exchange, Request
from proxy.server.comparing import Comparer, Pair
from proxy.server.failures import describe
from proxy.server.proof import AskUpstream, Proof
from proxy.server.roles import find_role
from proxy.server.state import Snapshot
from proxy.server.witness import Witness
from proxy.shadow.policy import Side
from proxy.shadow.proposals import propose
from proxy.shadow.shape import read_shape
from proxy.shadow.signature import sign

MAX_REQUEST_LINE = 2000

Prove: TypeAlias = Callable[[Request, Pair, Snapshot], Awaitable[Proof]]
"""Says what a difference between two answers is."""

Check: TypeAlias = Callable[[str, Request, Pair, Snapshot], Awaitable[None]]
"""Checks, beside a read of a table whose answers match, what the checker itself is worth."""


async def check_nothing(table: str, request: Request, pair: Pair, snapshot: Snapshot) -> None:
    """The check of a mirror that makes none."""


async def ask_nobody(_: Request, __: int) -> Answer:
    """The upstream where there is none."""
    raise UpstreamRefused("there is no upstream")


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One mirrored read: what to ask the other side, and what ``served_by`` has answered.

    Only itself is equal to it.
    """

    table: str
    exchange: Exchange
    snapshot: Snapshot
    since: float
    mode: str
    served_by: Side

    @property
    def limits(self) -> ShadowConfig:
        """What was allowed when the read was offered."""
        return self.snapshot.config.shadow

    @property
    def asked(self) -> Side:
        """The side that has not served the client."""
        return "upstream" if self.served_by == "engine" else "engine"


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a mirrored read, how many seconds the other side was asked, and whether it answered."""

    outcome: Judged | Shed
    seconds: float = 0.0
    answered: bool = False


class Settling:
    """Says what became of a read. ``clock`` gives seconds that only grow."""

    def __init__(
        self,
        witness: Witness,
        comparer: Comparer,
        prove: Prove,
        emit: Emit,
        *,
        check: Check = check_nothing,
        ask_upstream: AskUpstream = ask_nobody,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._witness = witness
        self._comparer = comparer
        self._ask_upstream = ask_upstream
        self._prove = prove
        self._check = check
        self._emit = emit
        self._clock = clock

    async def __call__(self, job: Job) -> Settled:
        """The verdict on ``job``, or why there is none. Raises nothing that a side can cause."""
        started = self._clock()
        answer: Answer | Proof | None
        if job.asked == "upstream":
            answer = await self._hear_upstream(job)
        elif self._witness.rests(job.exchange.request):
            return Settled(Shed(job.table, "resting"))
        else:
            answer = await self._witness.ask(job.exchange.request, job.snapshot)
        seconds = max(0.0, self._clock() - started)
        if answer is None:
            return Settled(Shed(job.table, "deadline"), seconds)
        if isinstance(answer, Proof):
            return Settled(judge(job, answer), seconds)
        return Settled(await self._compare(job, answer, seconds), seconds, answered=True)

    async def _compare(self, job: Job, answer: Answer, seconds: float) -> Judged:
        """The verdict on ``job``, to which the other side has given ``answer`` within ``seconds``."""
        served = job.exchange.answer
        pair = Pair(answer, served) if job.asked == "upstream" else Pair(served, answer)
        comparison = await self._comparer.compare(job.exchange.request, pair, job.snapshot)
        for rule in sorted(comparison.ignored):
            self._emit(RuleHit(job.table, rule))
        if comparison.verdict == "mismatch":
            return judge(job, await self._have_proven(job, pair), seconds, pair.upstream)
        if comparison.verdict == "match":
            await self._have_checked(job, pair)
        return judge(job, Proof(comparison.verdict), seconds, pair.upstream)

    async def _hear_upstream(self, job: Job) -> Answer | Proof:
        """What the upstream would have answered. That it is silent says nothing about the engine."""
        try:
            async with asyncio.timeout(job.limits.timeout):
                return await self._ask_upstream(job.exchange.request, job.limits.max_body)
        except (UpstreamError, TimeoutError):
            return Proof("inconclusive", detail="the upstream did not answer")

    async def _have_proven(self, job: Job, pair: Pair) -> Proof:
        request = job.exchange.request
        proof = await self._prove(request, pair, job.snapshot)
        self._emit(ReadAgain(job.table, proof.upstream_seconds, proof.engine_seconds))
        for proposal in propose(proof.volatile):
            self._emit(VolatileFound(job.table, read_shape(request), proposal.path, proposal.header))
        return proof

    async def _have_checked(self, job: Job, pair: Pair) -> None:
        """Whatever becomes of the check, the read's verdict is not its affair."""
        try:
            async with asyncio.timeout(job.limits.timeout):
                await self._check(job.table, job.exchange.request, pair, job.snapshot)
        except TimeoutError:
            return
        except Exception as error:
            self._emit(Crashed("check", describe(error)))


def judge(job: Job, proof: Proof, seconds: float = 0.0, upstream: Answer | None = None) -> Judged:
    """The verdict on ``job``, with the answers that show it where it is a mismatch.

    ``seconds`` is how long the side took that has not served the client; 0 if it did not answer. ``upstream``
    is what the upstream answered where the engine has served the client, if it did.
    """
    request = job.exchange.request
    by_engine = job.served_by == "engine"
    if not by_engine:
        upstream = job.exchange.answer
    version = b"" if upstream is None else upstream.header(b"server") or b""
    judged = Judged(
        job.table,
        proof.verdict,
        render_request_line(request),
        proof.differences,
        seconds if by_engine else job.exchange.seconds,
        job.exchange.seconds if by_engine else seconds,
        proof.detail,
        read_shape(request),
        role=find_role(request, job.snapshot, time.time()),
        status=(upstream or job.exchange.answer).status,
        upstream_version=version.decode("latin-1"),
        mode=job.mode,
    )
    if proof.verdict != "mismatch" or proof.pair is None:
        return judged
    pair = proof.pair
    signature = sign(job.table, request, pair.upstream, proof.differences)
    return replace(judged, signature=signature, request=request, upstream=pair.upstream, engine=pair.engine)


def render_request_line(request: Request) -> str:
    """Method and target, shortened, without bytes that could not be shown."""
    target = request.target[:MAX_REQUEST_LINE].decode("ascii", "backslashreplace")
    return f"{request.method} {target}"

"""The engine as the mirror's witness: asked for its answer, and left alone with what is too much for it.

A read that takes all the time it may have, or whose answer overflows, has made PostgreSQL work in vain, and
so would the next one of its shape. A database that does not answer at all is another thing: there every read
fails, and none says anything of its shape.
"""

import asyncio
from collections.abc import Callable

from proxy.errors import EngineOverflows, UnderstudyError, Unsupported
from proxy.messages import Answer, Request
from proxy.processor import read_wait
from proxy.server.failures import MAX_DETAIL, describe, hear_engine
from proxy.server.proof import Proof, ReadSnapshot
from proxy.server.rests import Rests
from proxy.server.state import AskEngine, Snapshot
from proxy.shadow.shape import read_shape

REST = 10.0
"""A shape rests for so many times as long as its read took in vain."""
LONGEST_REST = 300.0

STARVED = 0.5
"""Who has waited for a processor for this share of a read's time cannot tell whether the engine was slow."""

WELL_WITHIN = 1.0
"""Seconds in which a database answers that is well."""


class Witness:
    """``read_snapshot`` is asked whether the database is well; ``clock`` gives seconds that only grow.

    ``waited`` tells the seconds in which who runs this wanted a processor and had none.
    """

    def __init__(
        self,
        ask_engine: AskEngine,
        read_snapshot: ReadSnapshot,
        clock: Callable[[], float],
        waited: Callable[[], float] = read_wait,
    ) -> None:
        self._waited = waited
        self._ask_engine = ask_engine
        self._read_snapshot = read_snapshot
        self._clock = clock
        self._resting = Rests()

    def rests(self, request: Request) -> bool:
        """Whether a request of this shape is not to be asked now."""
        # Shapes cost something to read, and hardly ever does one rest.
        return bool(self._resting) and self._resting.has(read_shape(request), self._clock())

    async def ask(self, request: Request, snapshot: Snapshot) -> Answer | Proof | None:
        """The engine's answer, or what it means that there is none; None if that means nothing."""
        started, waited = self._clock(), self._waited()
        limit = asyncio.timeout(snapshot.config.shadow.timeout)
        try:
            async with limit:
                return await hear_engine(self._ask_engine, request, snapshot)
        except Unsupported as refusal:
            return Proof("unsupported", detail=refusal.feature[:MAX_DETAIL])
        except EngineOverflows:
            self._let_rest(request, self._clock() - started)
            return Proof("failed", detail="the answer is too large")
        except Exception as error:
            if not limit.expired():
                return Proof("failed", detail=describe(error))
            took = self._clock() - started
            if self._waited() - waited > STARVED * took:
                return None
            if await self._is_well():
                self._let_rest(request, took)
            return Proof("failed", detail="timeout")

    def _let_rest(self, request: Request, took: float) -> None:
        self._resting.begin(read_shape(request), self._clock() + min(REST * took, LONGEST_REST))

    async def _is_well(self) -> bool:
        """Whether the database answers at all."""
        try:
            async with asyncio.timeout(WELL_WITHIN):
                await self._read_snapshot()
        except (TimeoutError, UnderstudyError):
            return False
        return True

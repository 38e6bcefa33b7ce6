"""Ask both sides a request that no client waits for, and find what is proven to differ."""

import asyncio
from collections.abc import Callable, Sequence

from proxy.difference import Difference
from proxy.errors import UnderstudyError
from proxy.events import Emit, ReadAgain
from proxy.messages import Request
from proxy.server.comparing import Comparer, Pair
from proxy.server.failures import hear_engine
from proxy.server.proof import AskUpstream
from proxy.server.settling import Prove
from proxy.server.state import AskEngine, State


class BothSides:
    """Reads both sides as the mirror would. ``clock`` gives seconds that only grow."""

    def __init__(
        self,
        state: State,
        ask_engine: AskEngine,
        ask_upstream: AskUpstream,
        comparer: Comparer,
        prove: Prove,
        emit: Emit,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._state = state
        self._ask_engine = ask_engine
        self._ask_upstream = ask_upstream
        self._comparer = comparer
        self._prove = prove
        self._emit = emit
        self._clock = clock

    async def find_differences(self, table: str, request: Request) -> Sequence[Difference]:
        """In what the sides are proven to disagree now; in nothing if one of them gives no answer."""
        snapshot = self._state.current
        if snapshot.engine is None:
            return ()
        limits = snapshot.config.shadow
        laps = [self._clock()]
        try:
            async with asyncio.timeout(limits.timeout):
                upstream = await self._ask_upstream(request, limits.max_body)
                laps.append(self._clock())
                engine = await hear_engine(self._ask_engine, request, snapshot)
        except (UnderstudyError, TimeoutError):
            return ()
        finally:
            laps.append(self._clock())
            self._emit(ReadAgain(table, laps[1] - laps[0], laps[-1] - laps[1]))
        pair = Pair(upstream, engine)
        if (await self._comparer.compare(request, pair, snapshot)).verdict != "mismatch":
            return ()
        proof = await self._prove(request, pair, snapshot)
        self._emit(ReadAgain(table, proof.upstream_seconds, proof.engine_seconds))
        return proof.differences if proof.verdict == "mismatch" else ()

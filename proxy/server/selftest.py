"""Check the checker: falsify a copy of an answer now and then, and see that comparing finds it.

What comes of it is told as ``SelfTested`` and in no other way: it is no verdict on anything.
"""

from collections.abc import Callable

from proxy.events import Emit, SelfTested
from proxy.messages import Request
from proxy.server.comparing import Comparer, Pair
from proxy.server.state import Snapshot
from proxy.shadow.corrupt import CORRUPTIONS, corrupt

KINDS = tuple(CORRUPTIONS)
PLACES = 1000


class SelfTest:
    """Falsifies the configured share of comparisons.

    ``roll`` gives a number in [0, 100), ``choose`` a whole number below the one it is given.
    """

    def __init__(
        self,
        comparer: Comparer,
        emit: Emit,
        *,
        roll: Callable[[], float],
        choose: Callable[[int], int],
    ) -> None:
        self._comparer = comparer
        self._emit = emit
        self._roll = roll
        self._choose = choose

    async def __call__(self, request: Request, pair: Pair, snapshot: Snapshot) -> None:
        """Now and then, falsify the engine's answer of a ``pair`` that matches, and compare again."""
        if self._roll() >= snapshot.config.compare.selftest:
            return
        # A rule may excuse what was falsified.
        if self._comparer.find_rules(request, snapshot).rules:
            return
        reading = await self._comparer.read(request, snapshot)
        kind, place = KINDS[self._choose(len(KINDS))], self._choose(PLACES)
        wrong = corrupt(pair.engine, reading, kind, place)
        if wrong is None:
            return
        comparison = await self._comparer.compare(request, Pair(pair.upstream, wrong), snapshot)
        self._emit(SelfTested(kind, comparison.verdict == "mismatch"))

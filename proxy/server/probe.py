"""Ask the upstream twice at one moment, for a small share of reads: what differs then is volatile.

Nothing is ignored for that. It is told, and an operator may make a rule of it.
"""

from collections.abc import Callable

from proxy.errors import UnderstudyError
from proxy.events import Emit, ReadAgain, VolatileFound
from proxy.messages import Request
from proxy.server.comparing import Comparer, Pair
from proxy.server.proof import AskUpstream, ReadSnapshot
from proxy.server.state import Snapshot
from proxy.shadow.parts import Place, find_field
from proxy.shadow.proposals import propose
from proxy.shadow.shape import read_shape

MOST_SHAPES = 10_000
"""Shapes that are remembered as probed; when there are more, all are forgotten."""


class Probe:
    """Probes each shape once, by the configured share of reads.

    ``roll`` gives a number in [0, 100), ``clock`` seconds that only grow.
    """

    def __init__(
        self,
        ask_upstream: AskUpstream,
        read_snapshot: ReadSnapshot,
        comparer: Comparer,
        emit: Emit,
        *,
        roll: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        self._ask_upstream = ask_upstream
        self._read_snapshot = read_snapshot
        self._comparer = comparer
        self._emit = emit
        self._roll = roll
        self._clock = clock
        self._probed: set[str] = set()

    async def __call__(self, table: str, request: Request, snapshot: Snapshot) -> None:
        """Probe the shape of ``request``, if the lot falls on it and it was not probed before."""
        if self._roll() >= snapshot.config.compare.probes:
            return
        shape = read_shape(request)
        if shape in self._probed or not (await self._comparer.read(request, snapshot)).repeatable:
            return
        if len(self._probed) >= MOST_SHAPES:
            self._probed.clear()
        self._probed.add(shape)
        started = self._clock()
        try:
            pair = await self._read_twice(request, snapshot)
        except UnderstudyError:
            return
        finally:
            self._emit(ReadAgain(table, self._clock() - started, 0.0))
        if pair is None:
            # There was no quiet moment: the shape's turn will come again.
            self._probed.discard(shape)
            return
        comparison = await self._comparer.compare(request, pair, snapshot)
        if comparison.verdict != "mismatch":
            return
        for proposal in propose(await self._find_fields(request, pair, snapshot)):
            self._emit(VolatileFound(table, shape, proposal.path, proposal.header))

    async def _read_twice(self, request: Request, snapshot: Snapshot) -> Pair | None:
        """Two answers of the upstream at one moment; None if something was committed meanwhile."""
        room = snapshot.config.shadow.max_body
        before = await self._read_snapshot()
        pair = Pair(await self._ask_upstream(request, room), await self._ask_upstream(request, room))
        return pair if await self._read_snapshot() == before else None

    async def _find_fields(self, request: Request, pair: Pair, snapshot: Snapshot) -> set[Place]:
        reading = await self._comparer.read(request, snapshot)
        parts = await self._comparer.find_parts(request, pair, snapshot, reading)
        return {find_field(fact.place) for fact in parts}

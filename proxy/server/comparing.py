"""Compare two answers by all that is known of their request; what is heavy leaves the event loop."""

import asyncio
import gc
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TypeVar

from proxy.engine.reading import describe_reading
from proxy.messages import Answer, Request
from proxy.reading import BOUND, Reading
from proxy.server.state import Snapshot
from proxy.shadow.compare import Comparison, compare
from proxy.shadow.ignore import NOTHING, Ignoring, select_rules
from proxy.shadow.parts import Parts, find_parts
from proxy.shadow.shape import read_shape
from proxy.shadow.subject import find_subject

SMALL = 64 * 1024
"""Bodies up to this size are compared on the event loop; that costs less than changing threads."""

LONG = 2048
"""Bytes of a request target that are read off the event loop."""

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Pair:
    """What the two sides answered to one request."""

    upstream: Answer
    engine: Answer

    @property
    def equal(self) -> bool:
        """Whether the bodies are the same bytes, so that nobody has to read them."""
        return self.upstream.body == self.engine.body

    @property
    def heavy(self) -> bool:
        return not self.equal and max(len(self.upstream.body), len(self.engine.body)) > SMALL


class Comparer:
    """Knows what to make of a request's answers.

    ``today`` gives the day by which rules expire; ``comparing`` is called like ``compare``.
    """

    def __init__(
        self,
        today: Callable[[], date] = date.today,
        comparing: Callable[..., Comparison] = compare,
    ) -> None:
        self._today = today
        self._compare = comparing
        # The loop's helpers also look up the upstream's address: never do all of them compare.
        self._turn = asyncio.Lock()

    async def read(self, request: Request, snapshot: Snapshot) -> Reading:
        """What ``request`` promises about its rows."""
        engine = snapshot.engine
        if engine is None:
            return BOUND
        describing = partial(describe_reading, request, engine.options, engine.schema)
        return await self._run(describing, heavy=len(request.target) > LONG)

    async def compare(
        self, request: Request, pair: Pair, snapshot: Snapshot, reading: Reading | None = None
    ) -> Comparison:
        """What comparing comes to. The ``reading`` is found if it is needed: equal bodies have one order."""
        if reading is None:
            reading = BOUND if pair.equal else await self.read(request, snapshot)
        ignoring = self.find_rules(request, snapshot)
        comparing = partial(self._compare, request, pair.upstream, pair.engine, reading, ignoring)
        return await self._run(comparing, heavy=pair.heavy)

    async def find_parts(self, request: Request, pair: Pair, snapshot: Snapshot, reading: Reading) -> Parts:
        """The parts in which the answers differ."""
        ignoring = self.find_rules(request, snapshot)
        finding = partial(find_parts, request, pair.upstream, pair.engine, reading, ignoring)
        return await self._run(finding, heavy=pair.heavy)

    def find_rules(self, request: Request, snapshot: Snapshot) -> Ignoring:
        """The rules that apply to ``request``."""
        rules = snapshot.config.compare.ignore
        if not rules:
            return NOTHING
        subject = find_subject(request, snapshot.names, snapshot.config.engine.db_root_spec)
        return select_rules(rules, subject, snapshot.names, read_shape(request), self._today())

    async def _run(self, work: Callable[[], _Result], *, heavy: bool) -> _Result:
        if not heavy:
            return work()
        async with self._turn:
            return await asyncio.to_thread(_run_uncollected, work)


def _run_uncollected(work: Callable[[], _Result]) -> _Result:
    """Do ``work`` without the search for cycles, of which what is compared has none.

    With so many small objects the search takes longer than comparing, and every thread waits for it.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        return work()
    finally:
        if collecting:
            gc.enable()

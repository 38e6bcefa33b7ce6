"""Every planted fault has to be found: as a mismatch, in the right aspect, by the way of all reads."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

from proxy.config import Config, EngineConfig, UpstreamConfig
from proxy.config.engine import read_options
from proxy.database.answer import answer
from proxy.database.connection import Database
from proxy.database.snapshot import EngineSnapshot
from proxy.engine.reach import Reach
from proxy.events import Event, Judged, Shed
from proxy.messages import Answer, Exchange, Request
from proxy.server.again import UpstreamAgain
from proxy.server.comparing import Comparer
from proxy.server.mirror import Mirror
from proxy.server.proof import CONNECTIONS, Prover
from proxy.server.schema_cache import make_names
from proxy.server.settling import Settling
from proxy.server.state import Snapshot
from proxy.server.throttle import Throttle
from proxy.server.witness import Witness
from proxy.shadow.policy import Decision
from tests.verdicts.faults import Fault
from tests.verdicts.stage import engine_settings

MOST_READS = 1000
"""A fault that shows in none of so many reads that touch it was not found."""

DECISION = Decision("item", "shadow", True, "upstream", None)


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one fault: the verdict after so many reads, and in which aspects."""

    fault: Fault
    reads: int
    verdict: str
    aspects: frozenset[str]
    signature: str
    detail: str

    @property
    def right(self) -> bool:
        """Whether it was found, in aspects in which it had to show and no others."""
        return self.verdict == "mismatch" and bool(self.aspects) and self.aspects <= self.fault.aspects


@contextlib.asynccontextmanager
async def _connected(options: EngineConfig) -> AsyncIterator[Database]:
    database = Database(options, connections=4, application_name="understudy verdicts", read_only=True)
    try:
        yield database
    finally:
        await database.close()


async def detect(url: str, upstream: str, faults: Sequence[Fault]) -> list[Finding]:
    """One finding for each of ``faults``, on the database ``url`` and the ``upstream`` before it."""
    options = read_options({}, engine_settings(url))
    async with _connected(options) as database:
        schema = await database.load_schema(options)
        again = UpstreamAgain(UpstreamConfig(upstream), time.monotonic, connections=CONNECTIONS)
        try:
            return [
                await _detect_one(fault, EngineSnapshot(options, schema), database, again) for fault in faults
            ]
        finally:
            await again.close()


async def _detect_one(
    fault: Fault, sound: EngineSnapshot, database: Database, again: UpstreamAgain
) -> Finding:
    async with contextlib.AsyncExitStack() as stack:
        options, schema = sound.options, sound.schema
        if fault.options is not None:
            options = fault.options(options)
        if fault.schema is not None:
            schema = fault.schema(schema)
        if fault.settings:
            uri = f"{options.db_uri}?options={quote(fault.settings)}"
            database = await stack.enter_async_context(_connected(replace(options, db_uri=uri)))
        engine = EngineSnapshot(options, schema)
        snapshot = Snapshot(Config(engine=options), make_names(schema, options, Reach()), engine)
        touched = _Touching(fault, database)
        told: asyncio.Queue[Event] = asyncio.Queue()
        comparer = Comparer()
        prover = Prover(
            touched,
            again.ask,
            database.read_snapshot,
            comparer,
            clock=time.monotonic,
            toss=lambda: random.random() < 0.5,
            is_current=lambda _: True,
        )
        throttle = Throttle(time.monotonic, lambda: 0)
        settling = Settling(
            Witness(touched, database.read_snapshot, time.monotonic),
            comparer,
            prover,
            told.put_nowait,
        )
        mirror = Mirror(settling, throttle, told.put_nowait, concurrency=1)
        mirror.open()
        stack.push_async_callback(mirror.close)
        reads = 0
        while True:
            reads += 1
            answered = await again.ask(fault.read, 2**24)
            mirror.offer(DECISION, Exchange(fault.read, answered, 0.01), snapshot)
            judged = await _next_judged(told)
            if judged.verdict == "mismatch" or reads >= MOST_READS:
                aspects = frozenset(difference.aspect for difference in judged.differences)
                return Finding(fault, reads, judged.verdict, aspects, judged.signature, judged.detail)
            if not touched.changed:
                detail = "the read does not touch the fault"
                return Finding(fault, reads, judged.verdict, frozenset(), "", detail)


async def _next_judged(told: "asyncio.Queue[Event]") -> Judged:
    while True:
        event = await told.get()
        if isinstance(event, Judged):
            return event
        assert not isinstance(event, Shed)


class _Touching:
    """The engine with a fault in it. ``changed``: its answer was another one than without the fault."""

    def __init__(self, fault: Fault, database: Database) -> None:
        self._fault = fault
        self._database = database
        self.changed = fault.answer is None

    async def __call__(self, request: Request, snapshot: Snapshot) -> Answer:
        assert snapshot.engine is not None
        answered = await answer(request, snapshot.engine, self._database)
        if self._fault.request is not None:
            wrong = await answer(self._fault.request(request), snapshot.engine, self._database)
            return _with_location(wrong, answered)
        if self._fault.answer is None:
            return answered
        wrong = self._fault.answer(answered)
        self.changed = self.changed or wrong != answered
        return wrong


def _with_location(answer: Answer, other: Answer) -> Answer:
    """``answer`` with the address of ``other``: it repeats the request, which was not misread there."""
    name = b"content-location"
    kept = tuple(header for header in answer.headers if header[0].lower() != name)
    told = tuple(header for header in other.headers if header[0].lower() == name)
    return answer._replace(headers=(*kept, *told))

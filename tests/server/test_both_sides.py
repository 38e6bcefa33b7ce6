"""Both sides asked for nobody: what is proven to differ, and what asking took."""

import asyncio
from collections.abc import Sequence

from proxy.config import Config, EngineConfig, ShadowConfig
from proxy.database.snapshot import EngineSnapshot
from proxy.difference import Difference
from proxy.engine.schema import Schema
from proxy.errors import UpstreamRefused
from proxy.events import Event, ReadAgain
from proxy.messages import Answer, Request
from proxy.server.both_sides import BothSides
from proxy.server.comparing import Comparer, Pair
from proxy.server.proof import Proof
from proxy.server.state import Snapshot, State
from proxy.shadow.compare import compare
from proxy.shadow.policy import Names
from tests.server.test_mirror import OTHER_ROWS, REQUEST, ROWS, Engine, differing, fast, hung
from tests.server.virtual_time import now, run

ENGINE = EngineSnapshot(EngineConfig(), Schema())
SNAPSHOT = Snapshot(Config(shadow=ShadowConfig(timeout=4.0)), Names(), ENGINE)


async def ask(
    engine: Engine, *, upstream: bool = True, snapshot: Snapshot = SNAPSHOT
) -> tuple[Sequence[Difference], list[Event]]:
    """What is found where the upstream takes a second, or refuses, and proving half of one and a quarter."""
    events: list[Event] = []

    async def ask_upstream(request: Request, room: int) -> Answer:
        await asyncio.sleep(1.0)
        if not upstream:
            raise UpstreamRefused("no")
        return ROWS

    async def prove(request: Request, pair: Pair, snapshot: Snapshot) -> Proof:
        found = compare(request, pair.upstream, pair.engine).differences
        return Proof("mismatch", found, pair, upstream_seconds=0.5, engine_seconds=0.25)

    async def engine_taking_two_seconds(request: Request, snapshot: Snapshot) -> Answer:
        await asyncio.sleep(2.0)
        return await engine(request, snapshot)

    sides = BothSides(
        State(snapshot), engine_taking_two_seconds, ask_upstream, Comparer(), prove, events.append, clock=now
    )
    return await sides.find_differences("storage", REQUEST), events


def test_what_is_proven_to_differ_is_found_and_all_that_it_took_is_told() -> None:
    found, events = run(ask(differing))
    assert found == compare(REQUEST, ROWS, OTHER_ROWS).differences
    assert events == [ReadAgain("storage", 1.0, 2.0), ReadAgain("storage", 0.5, 0.25)]


def test_nothing_is_found_where_they_agree() -> None:
    assert run(ask(fast)) == ((), [ReadAgain("storage", 1.0, 2.0)])


def test_a_side_that_gives_no_answer_shows_nothing_and_its_time_counts() -> None:
    assert run(ask(fast, upstream=False)) == ((), [ReadAgain("storage", 1.0, 0.0)])
    assert run(ask(hung)) == ((), [ReadAgain("storage", 1.0, 3.0)])


def test_without_a_schema_cache_nobody_is_asked() -> None:
    assert run(ask(fast, snapshot=Snapshot(Config(), Names(), None))) == ((), [])

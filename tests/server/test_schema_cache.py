"""The schema cache: loaded, waited for, loaded anew; with a clock and a sleep of the test's own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from proxy.config import Config, EngineConfig, UpstreamConfig
from proxy.engine.reach import Reach
from proxy.engine.schema import Function, Relation, Schema
from proxy.errors import ApiError, EngineDown, Unrecoverable
from proxy.events import Event, LoadDelayed, SchemaLoaded
from proxy.server.schema_cache import SchemaCache, make_names
from proxy.server.state import Snapshot, State
from proxy.shadow.policy import Names

AWAY = EngineDown(ApiError(503, "PGRST000", "Database connection error."))
SCHEMA = Schema(relations={("api", "items"): Relation("api", "items", {})})


@dataclass
class Bench:
    """A schema cache whose loads end as ``outcomes`` say, and then well."""

    outcomes: list[Schema | Exception] = field(default_factory=list)
    upstream: UpstreamConfig | None = None
    recovery: bool = True
    now: float = 0.0
    loads: int = 0
    prepared: int = 0
    prepare_fault: Exception | None = None
    slept: list[float] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    hold: bool = False
    asleep: asyncio.Event = field(default_factory=asyncio.Event)
    failed: asyncio.Event = field(default_factory=asyncio.Event)
    loaded: "asyncio.Queue[None]" = field(default_factory=asyncio.Queue)

    def __post_init__(self) -> None:
        engine = EngineConfig(db_schemas=("api",), db_pool_automatic_recovery=self.recovery)
        self.state = State(Snapshot(Config(upstream=self.upstream, engine=engine), Names(), None))
        self.cache = SchemaCache(
            self.state,
            self.load,
            self.listen,
            clock=lambda: self.now,
            prepare=self.prepare,
            sleep=self.sleep,
        )

    async def load(self, options: EngineConfig) -> Schema:
        self.loads += 1
        outcome = self.outcomes.pop(0) if self.outcomes else SCHEMA
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def prepare(self) -> None:
        self.prepared += 1
        if self.prepare_fault is not None:
            raise self.prepare_fault

    def listen(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, SchemaLoaded):
            if event.accepted:
                self.loaded.put_nowait(None)
            else:
                self.failed.set()

    async def sleep(self, seconds: float) -> None:
        """Time passes at once, unless the test holds it."""
        self.slept.append(seconds)
        self.now += seconds
        if seconds >= 1.0 and self.hold:
            self.asleep.set()
            await asyncio.Event().wait()
        await asyncio.sleep(0)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator["asyncio.Task[None]"]:
        task = asyncio.create_task(self.cache.keep())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def wait_loaded(self) -> None:
        await asyncio.wait_for(self.loaded.get(), 5)


async def test_what_was_loaded_is_in_force_with_its_names() -> None:
    bench = Bench()
    assert await bench.cache.load()
    snapshot = bench.state.current
    assert snapshot.engine is not None
    assert (snapshot.engine.schema, snapshot.engine.options) == (SCHEMA, snapshot.config.engine)
    assert snapshot.names.relations == {("api", "items")}
    assert bench.events == [SchemaLoaded(True, 1, 0.0)]


async def test_it_tries_again_after_1_2_4_and_at_most_32_seconds() -> None:
    bench = Bench([AWAY] * 8)
    async with bench.kept():
        await bench.wait_loaded()
    delays = [event.seconds for event in bench.events if isinstance(event, LoadDelayed)]
    assert delays == [1, 2, 4, 8, 16, 32, 32, 32]
    assert [wait for wait in bench.slept if wait >= 1] == delays


async def test_after_a_success_the_waits_begin_anew() -> None:
    bench = Bench([AWAY, AWAY, SCHEMA, AWAY])
    async with bench.kept():
        await bench.wait_loaded()
        bench.cache.refresh()
        await bench.wait_loaded()
    assert [event.seconds for event in bench.events if isinstance(event, LoadDelayed)] == [1, 2, 1]


async def test_many_calls_for_a_reload_come_to_one() -> None:
    bench = Bench()
    async with bench.kept():
        await bench.wait_loaded()
        for _ in range(5):
            bench.cache.refresh()
        await bench.wait_loaded()
        await asyncio.sleep(0)
    assert bench.loads == 2
    # Not sooner than a tenth of a second after the load before.
    assert bench.slept == [pytest.approx(0.1)]


async def test_a_call_during_a_load_is_not_lost() -> None:
    bench = Bench()
    asking = iter((True, False))

    async def load(options: EngineConfig) -> Schema:
        if next(asking):
            bench.cache.refresh()
        return await Bench.load(bench, options)

    bench.cache = SchemaCache(bench.state, load, bench.listen, clock=lambda: bench.now, sleep=bench.sleep)
    async with bench.kept():
        await bench.wait_loaded()
        await bench.wait_loaded()
    assert bench.loads == 2


async def test_nobody_who_asks_waits_for_the_end_of_a_delay() -> None:
    bench = Bench([AWAY], hold=True)
    async with bench.kept():
        await asyncio.wait_for(bench.asleep.wait(), 5)
        bench.cache.refresh()
        await bench.wait_loaded()
    assert bench.loads == 2


@pytest.mark.parametrize("upstream", [None, UpstreamConfig("http://a")])
async def test_a_failed_reload_drops_the_cache_only_where_nobody_stands_behind(
    upstream: UpstreamConfig | None,
) -> None:
    bench = Bench([SCHEMA, AWAY], upstream=upstream)
    assert await bench.cache.load()
    assert not await bench.cache.load()
    assert (bench.state.current.engine is None) is (upstream is None)
    assert bool(bench.state.current.names.relations) is (upstream is not None)


async def test_a_failure_is_told_as_clients_would_be_told() -> None:
    bench = Bench([ApiError(400, "3F000", 'schema "x" does not exist'), ValueError("odd")])
    await bench.cache.load()
    await bench.cache.load()
    shape = '{"code":"3F000","details":null,"hint":null,"message":"schema \\"x\\" does not exist"}'
    assert bench.events == [
        SchemaLoaded(False, problem=shape),
        SchemaLoaded(False, problem="ValueError: odd"),
    ]


async def test_the_drivers_own_text_is_told_to_operators() -> None:
    fault = EngineDown(ApiError(503, "PGRST000", "Database connection error."))
    fault.__cause__ = OSError("connection refused")
    bench = Bench([fault])
    await bench.cache.load()
    assert '"details":"connection refused"' in str(bench.events[0])


async def test_the_preparation_is_part_of_the_load() -> None:
    bench = Bench(prepare_fault=AWAY)
    assert not await bench.cache.load()
    assert (bench.prepared, bench.loads) == (1, 0)


async def test_options_that_the_preparation_brings_count_for_the_load() -> None:
    bench = Bench()
    seen: list[tuple[str, ...]] = []

    async def prepare() -> None:
        snapshot = bench.state.current
        engine = replace(snapshot.config.engine, db_schemas=("new",))
        bench.state.replace(replace(snapshot, config=replace(snapshot.config, engine=engine)))

    async def load(options: EngineConfig) -> Schema:
        seen.append(options.db_schemas)
        return SCHEMA

    cache = SchemaCache(bench.state, load, bench.listen, clock=lambda: 0.0, prepare=prepare)
    assert await cache.load()
    assert seen == [("new",)]
    assert bench.state.current.names.schemas == ("new",)


@pytest.mark.parametrize("outcome", [SCHEMA, AWAY])
async def test_what_is_in_force_is_spread_before_it_is_told(outcome: Schema | Exception) -> None:
    bench = Bench([SCHEMA])
    spread = list[bool]()

    async def load(options: EngineConfig) -> Schema:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def note() -> None:
        spread.append(bench.state.current.engine is not None)
        assert len(bench.events) == 1

    await bench.cache.load()
    cache = SchemaCache(bench.state, load, bench.listen, clock=lambda: 0.0, spread=note)
    assert await cache.load() is (outcome is SCHEMA)
    assert spread == [outcome is SCHEMA]
    assert len(bench.events) == 2


async def test_what_cannot_be_recovered_from_ends_the_keeping() -> None:
    bench = Bench(prepare_fault=Unrecoverable("too old"))
    async with bench.kept() as task:
        with pytest.raises(Unrecoverable, match="too old"):
            await asyncio.wait_for(asyncio.shield(task), 5)


async def test_without_recovery_it_waits_until_it_is_asked() -> None:
    bench = Bench([AWAY], recovery=False)
    async with bench.kept():
        await asyncio.wait_for(bench.failed.wait(), 5)
        assert bench.loads == 1
        bench.cache.refresh()
        await bench.wait_loaded()
    assert not [event for event in bench.events if isinstance(event, LoadDelayed)]


def test_a_function_only_reads_if_all_its_overloads_do() -> None:
    stable, volatile = Function("api", "f", volatility="stable"), Function("api", "f")
    functions = {("api", "f"): (stable, volatile), ("api", "g"): (stable,)}
    names = make_names(Schema(functions=functions), EngineConfig(db_schemas=("api",)), Reach())
    assert names.functions == {("api", "f"): False, ("api", "g"): True}

"""Holds: put at once, kept, known to every replica, and taken by a person alone."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from proxy.config import Config, GuardConfig, Rule, UpstreamConfig
from proxy.errors import ApiError, EngineDown
from proxy.events import Event, FellBack, GuardAlarmed, Held, Judged, OutcomeLost, Rearmed, Served
from proxy.server.guarding import Guarding
from proxy.server.state import Snapshot, State
from proxy.shadow.guard import Hold
from proxy.shadow.policy import Names

UPSTREAM = UpstreamConfig("http://postgrest:3000")
MISMATCH = Judged("storage", "mismatch", "GET /storage", mode="engine")
WORDS = "1 proven mismatch within 1 min"


@dataclass
class Store:
    """A store that replicas share, and that may be gone."""

    down: bool = False
    puts: int = 0
    holds: dict[str, Hold] = field(default_factory=dict)

    def _check(self) -> None:
        if self.down:
            raise EngineDown(ApiError(503, "x", "the store is gone"))

    async def put(self, hold: Hold) -> None:
        self._check()
        self.puts += 1
        self.holds.setdefault(hold.table, hold)

    async def remove(self, table: str, who: str, why: str) -> None:
        self._check()
        self.holds.pop(table, None)

    async def list(self) -> Mapping[str, Hold]:
        self._check()
        return dict(self.holds)


@dataclass
class Replica:
    """One proxy, as far as the guard is concerned."""

    store: Store = field(default_factory=Store)
    config: Config = field(default_factory=lambda: Config(upstream=UPSTREAM))
    events: list[Event] = field(default_factory=list)
    now: float = 0.0
    reachable: bool = True
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = State(Snapshot(self.config, Names(), None))
        self.guarding = Guarding(
            self.state,
            self.emit,
            self.store,
            clock=lambda: self.now,
            wall_clock=lambda: 1000.0 + self.now,
            reach=self.reach,
        )

    async def reach(self, url: str) -> bool:
        self.asked.append(url)
        return self.reachable

    def emit(self, event: Event) -> None:
        self.events.append(event)
        self.guarding.listen(event)

    @property
    def holds(self) -> set[str]:
        return set(self.state.current.holds)


async def started(store: Store | None = None) -> Replica:
    replica = Replica(store or Store())
    await replica.guarding.exchange()
    return replica


async def test_a_table_is_held_in_the_moment_in_which_a_mismatch_is_proven() -> None:
    replica = await started()
    replica.emit(MISMATCH)
    assert replica.holds == {"storage"}
    assert replica.guarding.holds == {"storage": Hold("storage", 1000.0, "mismatches", WORDS)}
    assert replica.events == [MISMATCH, Held("storage", "mismatches", WORDS)]


@pytest.mark.parametrize(
    "event",
    [
        Judged("storage", "mismatch", "GET /storage", mode="shadow"),
        Judged("storage", "race", "GET /storage", mode="engine"),
        FellBack("storage", "unsupported"),
        FellBack("storage", "no_schema"),
        Served("storage", "GET", "shadow", True, "upstream", 200, 9.0, 0.0),
        Served("storage", "GET", "engine", True, "upstream", 200, 9.0, 0.0),
    ],
)
async def test_what_is_not_the_engines_fault_on_stage_holds_nothing(event: Event) -> None:
    replica = await started()
    for _ in range(100):
        replica.emit(event)
    assert replica.holds == set()


async def test_failures_timeouts_and_slow_answers_count() -> None:
    for event in (
        FellBack("storage", "failed"),
        FellBack("storage", "timeout"),
        FellBack("storage", "circuit"),
        Served("storage", "GET", "canary", True, "engine", 200, 1.1, 0.0),
    ):
        replica = await started()
        for _ in range(5):
            replica.emit(event)
        assert replica.holds == {"storage"}


async def test_what_is_held_is_not_held_again() -> None:
    replica = await started()
    replica.emit(MISMATCH)
    replica.emit(MISMATCH)
    await replica.guarding.exchange()
    assert sum(isinstance(event, Held) for event in replica.events) == 1


async def test_without_an_upstream_the_guard_alarms_and_holds_nothing() -> None:
    replica = Replica(config=Config())
    replica.emit(MISMATCH)
    assert replica.holds == set()
    assert "storage" not in replica.state.current.holds
    assert replica.events[-1] == GuardAlarmed("storage", "mismatches", WORDS)


WRITE = Served("storage", "POST", "engine", False, "engine", 503, 0.1, 0.0)
READ = WRITE._replace(method="GET", read=True)


@pytest.mark.parametrize("event", [WRITE, WRITE._replace(code=504), OutcomeLost("storage", "engine")])
async def test_writes_that_the_engine_fails_to_do_count_though_nobody_stands_in(event: Event) -> None:
    replica = await started()
    for _ in range(4):
        replica.emit(event)
    assert replica.holds == set()
    replica.emit(event)
    assert replica.holds == {"storage"}


@pytest.mark.parametrize(
    "event",
    [
        # What the engine tells of SQL's errors is an answer, and a large write takes its time.
        WRITE._replace(code=500),
        WRITE._replace(code=201, seconds=9.0),
        WRITE._replace(mode="rehearse", answered_by="upstream"),
        OutcomeLost("storage", "upstream"),
        # An upstream that cannot be reached is not the engine's fault.
        READ._replace(answered_by="proxy", code=503),
        READ,
    ],
)
async def test_other_writes_and_answers_hold_nothing(event: Event) -> None:
    replica = await started()
    for _ in range(100):
        replica.emit(event)
    assert replica.holds == set()


@pytest.mark.parametrize(
    "event",
    [
        READ,
        WRITE,
        READ._replace(answered_by="proxy", code=500),
        READ._replace(code=200, seconds=9.0),
    ],
)
async def test_without_an_upstream_errors_and_slow_answers_raise_the_alarm(event: Event) -> None:
    replica = Replica(config=Config())
    for _ in range(5):
        replica.emit(event)
    alarms = [one for one in replica.events if isinstance(one, GuardAlarmed)]
    assert [one.table for one in alarms] == ["storage"]
    assert replica.holds == set()


ON_STAGE = Config(upstream=UPSTREAM, tables={"storage": Rule("engine")})


async def test_no_table_is_put_back_to_an_upstream_that_is_gone() -> None:
    replica = Replica(config=ON_STAGE, reachable=False)
    await replica.guarding.exchange()
    await replica.guarding.look_at_upstream()
    for _ in range(5):
        replica.emit(READ._replace(code=200, seconds=9.0))
    assert replica.holds == set()
    assert isinstance(replica.events[-1], GuardAlarmed)
    assert replica.asked == [UPSTREAM.url]


async def test_it_is_as_soon_as_the_upstream_is_back_and_the_table_still_beyond_a_limit() -> None:
    replica = Replica(config=ON_STAGE, reachable=False)
    await replica.guarding.exchange()
    await replica.guarding.look_at_upstream()
    replica.emit(MISMATCH)
    replica.reachable = True
    await replica.guarding.look_at_upstream()
    assert replica.holds == set()
    replica.emit(MISMATCH)
    assert replica.holds == {"storage"}


@pytest.mark.parametrize("config", [Config(), Config(upstream=UPSTREAM)])
async def test_who_only_mirrors_does_not_ask_whether_the_upstream_is_there(config: Config) -> None:
    replica = Replica(config=config, reachable=False)
    await replica.guarding.look_at_upstream()
    assert replica.asked == []


async def test_a_hold_outlives_the_process() -> None:
    first = await started()
    first.emit(MISMATCH)
    await first.guarding.exchange()
    second = await started(first.store)
    assert second.holds == {"storage"}


async def test_the_hold_of_one_replica_is_known_to_the_others_with_their_next_look() -> None:
    first = await started()
    second = await started(first.store)
    first.emit(MISMATCH)
    await first.guarding.exchange()
    await second.guarding.exchange()
    assert second.holds == {"storage"}
    assert second.events == [Held("storage", "mismatches", WORDS)]


async def test_a_new_hold_is_written_down_at_once() -> None:
    replica = await started()
    keeping = asyncio.create_task(replica.guarding.keep())
    await asyncio.sleep(0)
    replica.emit(MISMATCH)
    for _ in range(10):
        await asyncio.sleep(0)
    assert replica.store.puts == 1
    keeping.cancel()


async def test_until_the_store_was_read_every_table_is_held() -> None:
    replica = Replica(Store(down=True))
    assert "anything" in replica.state.current.holds
    await replica.guarding.exchange()
    replica.emit(MISMATCH)
    assert "anything" in replica.state.current.holds
    replica.store.down = False
    await replica.guarding.exchange()
    assert replica.holds == {"storage"}


async def test_a_store_that_goes_away_changes_nothing_and_gets_what_it_missed() -> None:
    replica = await started()
    replica.store.down = True
    replica.emit(MISMATCH)
    await replica.guarding.exchange()
    assert replica.holds == {"storage"}
    replica.store.down = False
    await replica.guarding.exchange()
    assert set(await replica.store.list()) == replica.holds == {"storage"}


async def test_a_person_rearms_a_table_for_all_replicas_and_the_guard_begins_anew() -> None:
    first = await started()
    second = await started(first.store)
    first.emit(MISMATCH)
    await first.guarding.exchange()
    await second.guarding.exchange()
    assert await second.guarding.rearm("storage", "anna", "fixed in 1.2")
    await first.guarding.exchange()
    assert first.holds == second.holds == set()
    assert second.events[-1] == Rearmed("storage", "anna", "fixed in 1.2")
    assert isinstance(first.events[-1], Rearmed)
    assert not await second.guarding.rearm("storage", "anna", "again")
    first.emit(MISMATCH)
    assert first.holds == {"storage"}


async def test_a_table_cannot_be_rearmed_while_the_store_is_gone() -> None:
    replica = await started()
    replica.emit(MISMATCH)
    replica.store.down = True
    with pytest.raises(EngineDown):
        await replica.guarding.rearm("storage", "anna", "x")
    assert replica.holds == {"storage"}


async def test_the_limits_are_those_of_the_configuration_in_force() -> None:
    replica = await started()
    config = Config(upstream=UPSTREAM, guard=GuardConfig(max_mismatches=1))
    replica.state.replace(Snapshot(config, Names(), None))
    replica.emit(MISMATCH)
    assert replica.holds == set()
    replica.emit(MISMATCH)
    assert replica.holds == {"storage"}

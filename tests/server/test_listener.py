"""The listener: what notifications bring about, and how it finds its way back."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from proxy.config import Config, EngineConfig
from proxy.errors import ApiError, EngineDown, Unrecoverable
from proxy.events import Event, ListenerFailed, ListenerStarted, ReloadNotified
from proxy.server.listener import Listener
from proxy.server.state import Snapshot, State
from proxy.shadow.policy import Names

AWAY = EngineDown(ApiError(503, "PGRST000", "Database connection error."))


@dataclass
class Channel:
    """A channel that is listened on, until the test says that it is lost."""

    server: str = "PostgreSQL 16"
    address: str = "db:5432"
    lost: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Bench:
    """A listener whose attempts to connect fail as often as ``failures`` says."""

    failures: int = 0
    recovery: bool = True
    channel_name: str = "pgrst"
    calls: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    channel: Channel = field(default_factory=Channel)
    hear: Callable[[str], None] = print
    channels: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = State(self.snapshot(self.channel_name))
        self.listener = Listener(
            self.state,
            self.subscribe,
            self.listen,
            reload_schema=lambda: self.calls.append("schema"),
            reload_config=lambda: self.calls.append("config"),
            sleep=self.sleep,
        )

    def snapshot(self, channel: str) -> Snapshot:
        engine = EngineConfig(db_channel=channel, db_pool_automatic_recovery=self.recovery)
        return Snapshot(Config(engine=engine), Names(), None)

    @asynccontextmanager
    async def subscribe(self, options: EngineConfig, hear: Callable[[str], None]) -> AsyncIterator[Channel]:
        if self.failures:
            self.failures -= 1
            raise AWAY
        self.channels.append(options.db_channel)
        self.hear, self.channel = hear, Channel()
        yield self.channel

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    def listen(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, ListenerStarted):
            self.started.set()

    @asynccontextmanager
    async def kept(self) -> AsyncIterator["asyncio.Task[None]"]:
        task = asyncio.create_task(self.listener.keep())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def wait_started(self) -> None:
        await asyncio.wait_for(self.started.wait(), 5)
        self.started.clear()


@pytest.mark.parametrize(
    ("payload", "calls"),
    [
        ("", ["schema"]),
        ("reload schema", ["schema"]),
        ("reload config", ["config"]),
        ("Reload Schema", []),
        ("reload schema ", []),
        ("something else", []),
    ],
)
async def test_a_payload_says_what_is_to_be_reloaded(payload: str, calls: list[str]) -> None:
    bench = Bench()
    async with bench.kept():
        await bench.wait_started()
        bench.hear(payload)
        assert bench.calls == calls
        told = [event.wanted for event in bench.events if isinstance(event, ReloadNotified)]
        assert told == calls


async def test_it_says_where_it_listens() -> None:
    bench = Bench()
    async with bench.kept():
        await bench.wait_started()
        assert bench.listener.listening
        assert bench.events == [ListenerStarted("pgrst", "PostgreSQL 16", "db:5432")]
    assert not bench.listener.listening


async def test_it_tries_again_after_1_2_4_and_at_most_32_seconds() -> None:
    bench = Bench(failures=8)
    async with bench.kept():
        await bench.wait_started()
    assert bench.slept == [1, 2, 4, 8, 16, 32, 32, 32]
    assert bench.calls == ["schema"]
    failed = [event for event in bench.events if isinstance(event, ListenerFailed)]
    assert [event.seconds for event in failed] == bench.slept
    assert '"code":"PGRST000"' in failed[0].problem


async def test_no_failure_of_any_kind_ends_it() -> None:
    bench = Bench()
    subscribe = bench.subscribe
    faults = [ValueError("odd"), AssertionError()]

    def fail_first(options: EngineConfig, hear: Callable[[str], None]) -> object:
        if faults:
            raise faults.pop()
        return subscribe(options, hear)

    made: Any = fail_first
    bench.listener = Listener(
        bench.state,
        made,
        bench.listen,
        reload_schema=lambda: None,
        reload_config=lambda: None,
        sleep=bench.sleep,
    )
    async with bench.kept():
        await bench.wait_started()
    assert bench.slept == [1, 2]


async def test_what_it_missed_is_made_up_for_once_and_the_waits_begin_anew() -> None:
    bench = Bench()
    async with bench.kept():
        await bench.wait_started()
        assert bench.calls == []
        for _ in range(2):
            bench.failures = 1
            bench.channel.lost.set()
            await bench.wait_started()
    assert bench.calls == ["schema", "schema"]
    assert bench.slept == [1, 2, 1, 2]


async def test_a_new_name_of_the_channel_counts_from_the_next_connection_on() -> None:
    bench = Bench()
    async with bench.kept():
        await bench.wait_started()
        bench.state.replace(bench.snapshot("other"))
        bench.channel.lost.set()
        await bench.wait_started()
    assert bench.channels == ["pgrst", "other"]


@pytest.mark.parametrize("failures", [0, 1])
async def test_without_recovery_the_loss_is_final(failures: int) -> None:
    bench = Bench(failures=failures, recovery=False)
    async with bench.kept() as task:
        if not failures:
            await bench.wait_started()
            bench.channel.lost.set()
        with pytest.raises(Unrecoverable, match="Automatic recovery disabled"):
            await asyncio.wait_for(asyncio.shield(task), 5)
    last = bench.events[-1]
    assert isinstance(last, ListenerFailed)
    assert last.seconds is None

"""The upstream in force changes under requests that are under way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from proxy.config import Config, UpstreamConfig
from proxy.errors import UpstreamRefused
from proxy.messages import Answer, Request
from proxy.server.again import UpstreamAgain
from proxy.server.in_force import AgainInForce, InForce
from proxy.server.state import Snapshot, State
from proxy.shadow.policy import Names
from tests.server.support import LOCALHOST, OK, Wire, front_door, scripted_upstream, shadow_config

FIRST, SECOND = UpstreamConfig("http://a"), UpstreamConfig("http://b")


@dataclass
class Kept:
    """Something with connections."""

    config: UpstreamConfig
    connections: int = 0
    closed: bool = False

    async def close(self) -> None:
        self.closed = True


@dataclass
class Place:
    """A state, and what is made for its upstream."""

    made: list[Kept] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = State(Snapshot(Config(), Names(), None))
        self.in_force = InForce(self.state, self.make)

    def make(self, config: UpstreamConfig) -> Kept:
        self.made.append(Kept(config))
        return self.made[-1]

    def put(self, upstream: UpstreamConfig | None) -> None:
        snapshot = self.state.current
        self.state.replace(replace(snapshot, config=replace(snapshot.config, upstream=upstream)))


def test_there_may_never_have_been_one() -> None:
    with pytest.raises(UpstreamRefused):
        Place().in_force.find()


def test_one_stays_as_long_as_its_configuration_does_and_after_it_has_gone() -> None:
    place = Place()
    place.put(FIRST)
    first = place.in_force.find()
    assert place.in_force.find() is first
    place.put(None)
    assert place.in_force.find() is first
    place.put(replace(FIRST))
    assert place.in_force.find() is first


async def test_another_configuration_makes_another_and_the_end_closes_all() -> None:
    place = Place()
    for config in (FIRST, SECOND, FIRST):
        place.put(config)
        found = place.in_force.find()
        assert found.config == config
        found.connections = 1
    await place.in_force.close()
    assert [made.closed for made in place.made] == [True, True, True]


async def test_one_whose_connections_are_gone_is_forgotten() -> None:
    place = Place()
    for _ in range(3):
        for config in (FIRST, SECOND):
            place.put(config)
            place.in_force.find()
    await place.in_force.close()
    assert sum(made.closed for made in place.made) <= 2


async def test_nobody_is_asked_again_once_the_upstream_is_gone() -> None:
    async with scripted_upstream(answer_ok) as server:
        config = shadow_config(server.port).upstream
        assert config is not None
        state = State(Snapshot(Config(upstream=config), Names(), None))
        clock = asyncio.get_running_loop().time
        in_force = InForce(state, lambda config: UpstreamAgain(config, clock, connections=1))
        again = AgainInForce(state, in_force)
        try:
            request = Request("GET", b"/lone", ((b"Host", b"a"),))
            assert (await again.ask(request, 100)).status == 200
            state.replace(replace(state.current, config=Config()))
            with pytest.raises(UpstreamRefused):
                await again.ask(request, 100)
        finally:
            await in_force.close()


async def answer_ok(wire: Wire) -> None:
    while True:
        await wire.read_request()
        await wire.send(OK)


@asynccontextmanager
async def holding(arrived: asyncio.Event, released: asyncio.Event) -> AsyncIterator[int]:
    """An upstream that answers when it is ``released``; gives its port."""

    async def answer(wire: Wire) -> None:
        await wire.read_request()
        arrived.set()
        await released.wait()
        await wire.send(OK)

    async with scripted_upstream(answer) as server:
        yield server.port


async def test_what_the_upstream_was_asked_before_it_went_it_still_answers() -> None:
    async def engine(*_: object) -> Answer:
        return Answer(200, ((b"Content-Length", b"6"),), b"engine")

    arrived, released = asyncio.Event(), asyncio.Event()
    async with (
        holding(arrived, released) as port,
        front_door(shadow_config(port), ask_engine=engine) as stack,
    ):
        slow, fast = await stack.connect(), await stack.connect()
        await slow.send(b"GET /lone HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.wait_for(arrived.wait(), 5)
        stack.state.replace(replace(stack.state.current, config=Config()))
        assert (await fast.ask(b"GET /lone HTTP/1.1\r\nHost: a\r\n\r\n")).body == b"engine"
        released.set()
        assert (await slow.read_answer()).body == b"ok"


async def test_clients_go_to_the_upstream_that_is_in_force_when_they_ask() -> None:
    async def answer_other(wire: Wire) -> None:
        while True:
            await wire.read_request()
            await wire.send(OK.replace(b"ok", b"no"))

    async with (
        scripted_upstream(answer_ok) as first,
        scripted_upstream(answer_other) as second,
        front_door(shadow_config(first.port)) as stack,
    ):
        wire = await stack.connect()
        request = b"GET /lone HTTP/1.1\r\nHost: a\r\n\r\n"
        assert (await wire.ask(request)).body == b"ok"
        config = Config(upstream=UpstreamConfig(f"http://{LOCALHOST}:{second.port}"))
        stack.state.replace(replace(stack.state.current, config=config))
        assert (await wire.ask(request)).body == b"no"

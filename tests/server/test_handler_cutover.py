"""Canary, verification, fallback within the client's time, and an engine that is left alone."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from proxy.config import Config, Rule, UpstreamConfig
from proxy.errors import ApiError, EngineDown
from proxy.events import CircuitChanged, FellBack, Served, Skipped
from proxy.messages import Answer, Request
from proxy.server.state import Snapshot
from proxy.shadow.deadlines import find_engine_deadline, find_upstream_deadline
from tests.server.support import front_door, scripted_upstream
from tests.server.test_handler_engine import (
    ENGINE,
    ENGINE_ANSWER,
    GET,
    HOST,
    answer_well,
    ask,
    break_down,
    decline,
    engine_config,
    hang,
)


def configure(upstream_port: int, rule: Rule, **shadow: Any) -> Config:
    return replace(engine_config(upstream_port, **shadow), defaults=rule)


@pytest.mark.parametrize(("share", "side"), [(100.0, "engine"), (0.0, "upstream")])
async def test_a_canarys_answer_goes_to_the_mirror_whichever_side_gave_it(share: float, side: str) -> None:
    async with scripted_upstream() as upstream:
        config = configure(upstream.port, Rule("canary", share=share))
        async with front_door(config, ask_engine=answer_well, engine=ENGINE) as stack:
            got = await ask(stack)
            assert (got.status, stack.found(Served)[0].answered_by) == (206 if share else 200, side)
            ((decision, exchange),) = stack.mirror.offers
            assert (decision.serve, decision.mode) == (side, "canary")
            assert exchange.answer.body == (b"[1]" if share else b"ok")
            assert stack.found(Skipped) == []


async def test_one_client_sees_one_side_and_many_clients_both() -> None:
    async with scripted_upstream() as upstream:
        config = configure(upstream.port, Rule("canary", share=50.0))
        async with front_door(config, ask_engine=answer_well, engine=ENGINE) as stack:
            sides = []
            for number in range(24):
                who = b"Authorization: Bearer %d\r\n\r\n" % number
                request = GET.removesuffix(b"\r\n") + who
                sides.append({(await ask(stack, request)).status for _ in range(3)})
            assert all(len(side) == 1 for side in sides)
            assert set.union(*sides) == {200, 206}


async def test_what_the_engine_answered_is_verified_by_its_share() -> None:
    async with scripted_upstream() as upstream:
        config = configure(upstream.port, Rule("engine", verify=100.0))
        async with front_door(config, ask_engine=answer_well, engine=ENGINE) as stack:
            await ask(stack)
            ((_, exchange),) = stack.mirror.offers
            assert (exchange.answer, exchange.request.target) == (ENGINE_ANSWER, b"/lone?id=eq.1")
        assert upstream.connections == 0


async def test_a_call_is_verified_with_the_body_that_it_came_with() -> None:
    head = b"POST /rpc/answer HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\n\r\nbody"
    async with scripted_upstream() as upstream:
        config = configure(upstream.port, Rule("engine", verify=100.0))
        async with front_door(config, ask_engine=answer_well, engine=ENGINE) as stack:
            await ask(stack, head)
            ((_, exchange),) = stack.mirror.offers
            assert exchange.request.body == b"body"


async def test_an_answer_that_is_too_large_is_not_verified_and_counted() -> None:
    async with scripted_upstream() as upstream:
        config = configure(upstream.port, Rule("engine", verify=100.0), max_body=2)
        async with front_door(config, ask_engine=answer_well, engine=ENGINE) as stack:
            assert (await ask(stack)).body == b"[1]"
            assert stack.found(Skipped) == [Skipped("lone", "too_large")]


async def test_a_held_table_is_answered_by_the_upstream_whatever_the_file_says() -> None:
    async with scripted_upstream() as upstream:
        config = configure(upstream.port, Rule("engine"))
        async with front_door(config, ask_engine=answer_well, engine=ENGINE) as stack:
            stack.state.put_holds(frozenset({"lone"}))
            assert (await ask(stack)).body == b"ok"
            assert stack.found(Served)[0].mode == "shadow"
            stack.state.put_holds(frozenset())
            assert (await ask(stack)).body == b"[1]"


async def test_after_the_engine_the_upstream_has_what_is_left_of_the_clients_time() -> None:
    async with scripted_upstream() as upstream:
        config = configure(upstream.port, Rule("engine"), timeout=60.0)
        config = replace(config, upstream=replace(upstream_of(config), timeout=0.2))
        seconds = iter([0.0, 0.0, 0.05, 0.2, *[0.2] * 50])
        async with front_door(config, ask_engine=hang, engine=ENGINE, clock=lambda: next(seconds)) as stack:
            got = await ask(stack)
            # The engine had half of it, the clock says that the rest is over: nothing is left to wait for.
            assert got.status == 504
            assert stack.found(FellBack) == [FellBack("lone", "timeout")]


def upstream_of(config: Config) -> UpstreamConfig:
    assert config.upstream is not None
    return config.upstream


def test_the_deadlines_of_both_sides_add_up_to_the_clients() -> None:
    config = Config(upstream=UpstreamConfig("http://a", timeout=6.0))
    assert find_engine_deadline(config) == 3.0
    assert find_upstream_deadline(config, 3.0) == 3.0
    assert find_upstream_deadline(config, 7.0) == 0.0
    patient = Config(upstream=UpstreamConfig("http://a", timeout=30.0))
    assert find_engine_deadline(patient) == 5.0
    assert find_engine_deadline(Config()) == 5.0


async def lose_the_database(request: Request, snapshot: Snapshot) -> Answer:
    raise EngineDown(ApiError(503, "PGRST000", "no connection"))


class Moody:
    """An engine that does as ``mood``, counts how often it is asked, and a clock."""

    def __init__(self, mood: Callable[[Request, Snapshot], Awaitable[Answer]]) -> None:
        self.mood = mood
        self.asked = 0
        self.now = 0.0

    async def __call__(self, request: Request, snapshot: Snapshot) -> Answer:
        self.asked += 1
        return await self.mood(request, snapshot)


@pytest.mark.parametrize("mood", [break_down, lose_the_database, hang])
async def test_a_broken_engine_is_left_alone_until_it_is_sound_again(mood: Any) -> None:
    engine = Moody(mood)
    async with scripted_upstream() as upstream:
        config = configure(upstream.port, Rule("engine"), timeout=0.01)
        async with front_door(config, ask_engine=engine, engine=ENGINE, clock=lambda: engine.now) as stack:
            for _ in range(20):
                assert (await ask(stack)).body == b"ok"
            assert engine.asked == 5
            assert [event.reason for event in stack.found(FellBack)][5:] == ["circuit"] * 15
            engine.now, engine.mood = 1.0, answer_well
            assert (await ask(stack)).body == b"[1]"
            assert (await ask(stack)).body == b"[1]"
            assert stack.found(CircuitChanged) == [CircuitChanged(True), CircuitChanged(False)]


async def test_who_rearms_a_table_has_the_engine_asked_at_once() -> None:
    engine = Moody(break_down)
    async with scripted_upstream() as upstream:
        config = configure(upstream.port, Rule("engine"))
        async with front_door(config, ask_engine=engine, engine=ENGINE, clock=lambda: engine.now) as stack:
            for _ in range(5):
                await ask(stack)
            engine.mood = answer_well
            assert (await ask(stack)).body == b"ok"
            assert stack.handler is not None
            stack.handler.ask_engine_again()
            assert (await ask(stack)).body == b"[1]"


async def test_what_the_engine_does_not_do_says_nothing_about_its_health() -> None:
    engine = Moody(decline)
    async with scripted_upstream() as upstream:
        config = configure(upstream.port, Rule("engine"))
        async with front_door(config, ask_engine=engine, engine=ENGINE) as stack:
            for _ in range(10):
                await ask(stack)
            assert engine.asked == 10
            assert stack.found(CircuitChanged) == []

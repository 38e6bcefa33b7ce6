"""Writes on stage: who does them, how often, and what a client is told when nobody knows."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from proxy.config import Config, EngineConfig, Limits, Rule, WriteMode
from proxy.database.snapshot import EngineSnapshot
from proxy.engine.schema import Schema
from proxy.errors import ApiError, EngineDown, OutcomeUnknown, Unsupported
from proxy.events import CircuitChanged, Crashed, FellBack, OutcomeLost, Served, Skipped
from proxy.messages import Answer, Request
from proxy.server.state import Snapshot
from proxy.shadow.policy import Hazards
from tests.server.support import (
    NAMES,
    OK,
    Raw,
    Stack,
    Wire,
    front_door,
    scripted_upstream,
    shadow_config,
    unused_port,
)

HOST = b"Host: a\r\n"
BODY = b'{"id": 1}'
POST = b"POST /lone HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\n" + BODY
ENGINE = EngineSnapshot(EngineConfig(), Schema())
CREATED = Answer(201, ((b"Content-Type", b"application/json; charset=utf-8"),), b"[1]")
SAFE = replace(NAMES, hazards=Hazards({("dlm", "lone"): ()}, {("dlm", "change"): ()}))
DOWN = EngineDown(ApiError(503, "PGRST001", "Database client error. Retrying the connection."))


def write_config(upstream_port: int | None, writes: WriteMode = "engine", **upstream: Any) -> Config:
    return replace(shadow_config(upstream_port, **upstream), defaults=Rule("shadow", writes))


async def ask(stack: Stack, request: bytes = POST) -> Raw:
    client = await stack.connect()
    return await asyncio.wait_for(client.ask(request), 5)


def code_of(answer: Raw) -> str:
    code: str = json.loads(answer.body)["code"]
    return code


@dataclass
class Engine:
    """Does writes, and counts those that it did; ``trouble`` is raised before one, or after."""

    trouble: BaseException | None = None
    done: list[Request] = field(default_factory=list)
    asked: int = 0

    async def __call__(self, request: Request, snapshot: Snapshot) -> Answer:
        self.asked += 1
        if self.trouble is not None:
            raise self.trouble
        self.done.append(request)
        return CREATED


async def hang(request: Request, snapshot: Snapshot) -> Answer:
    await asyncio.Event().wait()
    raise AssertionError


@pytest.mark.parametrize("method", [b"POST", b"PATCH", b"PUT", b"DELETE"])
async def test_the_engine_does_a_write_once_and_the_upstream_hears_nothing_of_it(method: bytes) -> None:
    engine = Engine()
    async with (
        scripted_upstream() as upstream,
        front_door(write_config(upstream.port), ask_engine=engine, engine=ENGINE) as stack,
    ):
        got = await ask(stack, POST.replace(b"POST", method))
        assert (got.status, got.body) == (201, b"[1]")
        (served,) = stack.found(Served)
        assert (served.mode, served.answered_by, served.code, served.read) == ("engine", "engine", 201, False)
        assert stack.found(Skipped) == []
    assert [request.body for request in engine.done] == [BODY]
    assert upstream.connections == 0


@pytest.mark.parametrize(
    ("trouble", "engine", "reason"),
    [(Unsupported("writes of this kind"), ENGINE, "unsupported"), (None, None, "no_schema")],
)
async def test_the_upstream_does_what_the_engine_has_surely_not_begun(
    trouble: Exception | None, engine: EngineSnapshot | None, reason: str
) -> None:
    fake = Engine(trouble)
    async with (
        scripted_upstream() as upstream,
        front_door(write_config(upstream.port), ask_engine=fake, engine=engine) as stack,
    ):
        assert (await ask(stack)).body == b"ok"
        assert [event.reason for event in stack.found(FellBack)] == [reason]
    assert fake.done == []
    assert [request.body for request in upstream.requests] == [BODY]


@pytest.mark.parametrize("size", [11, 200_000])
async def test_a_body_that_is_too_large_to_keep_goes_to_the_upstream_before_anything_is_done(
    size: int,
) -> None:
    engine = Engine()
    async with scripted_upstream() as upstream:
        config = write_config(upstream.port)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("proxy.server.engine_side.LARGEST_HELD", 10)
            async with front_door(config, ask_engine=engine, engine=ENGINE) as stack:
                head = b"POST /lone HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % size
                assert (await ask(stack, head + b"x" * size)).body == b"ok"
    assert engine.asked == 0
    assert [len(request.body) for request in upstream.requests] == [size]


async def test_a_body_above_the_limit_is_refused_before_anybody_does_anything() -> None:
    engine = Engine()
    async with scripted_upstream() as upstream:
        config = replace(write_config(upstream.port), limits=Limits(body=5))
        async with front_door(config, ask_engine=engine, engine=ENGINE) as stack:
            assert (await ask(stack)).status == 413
            chunked = b"POST /lone HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
            assert (await ask(stack, chunked + b"9\r\n" + BODY + b"\r\n0\r\n\r\n")).status == 413
    assert (engine.asked, upstream.requests) == (0, [])


@pytest.mark.parametrize(
    ("trouble", "status", "code", "lost"),
    [
        (DOWN, 503, "PGRST001", 0),
        (ApiError(409, "23505", "duplicate key"), 409, "23505", 0),
        (OutcomeUnknown(), 500, "08007", 1),
        (RuntimeError("password=hunter2"), 500, "08007", 1),
        (asyncio.CancelledError(), 500, "08007", 1),
    ],
)
async def test_any_other_trouble_of_the_engine_is_told_and_the_upstream_never_asked(
    trouble: BaseException, status: int, code: str, lost: int
) -> None:
    async with (
        scripted_upstream() as upstream,
        front_door(write_config(upstream.port), ask_engine=Engine(trouble), engine=ENGINE) as stack,
    ):
        got = await ask(stack)
        assert (got.status, code_of(got)) == (status, code)
        assert (b"Retry-After: 0" in got.lines) == (status == 503)
        assert stack.found(OutcomeLost) == [OutcomeLost("lone", "engine")] * lost
        assert stack.found(FellBack) == []
        assert "hunter2" not in str(stack.events) + str(got)
    assert upstream.connections == 0


async def test_an_engine_that_takes_longer_than_the_upstream_might_is_stopped_and_told() -> None:
    async with (
        scripted_upstream() as upstream,
        front_door(write_config(upstream.port, timeout=0.05), ask_engine=hang, engine=ENGINE) as stack,
    ):
        got = await ask(stack)
        assert (got.status, code_of(got)) == (504, "PGRST003")
        assert stack.found(OutcomeLost) == []
    assert upstream.connections == 0


async def test_an_engine_that_is_stopped_while_it_commits_has_an_unknown_outcome() -> None:
    begun = asyncio.Event()

    async def commit(request: Request, snapshot: Snapshot) -> Answer:
        begun.set()
        try:
            return await hang(request, snapshot)
        except asyncio.CancelledError:
            raise OutcomeUnknown from None

    async with (
        scripted_upstream() as upstream,
        front_door(write_config(upstream.port, timeout=0.05), ask_engine=commit, engine=ENGINE) as stack,
    ):
        assert code_of(await ask(stack)) == "08007"
        begun.clear()
        client = await stack.connect()
        await client.send(POST)
        await asyncio.wait_for(begun.wait(), 5)
        client.reset()
        assert await stack.wait_for(OutcomeLost, 2) == [OutcomeLost("lone", "engine")] * 2
        await stack.wait_for(Served, 2)
    assert upstream.connections == 0


async def test_a_client_that_leaves_does_not_take_its_write_back() -> None:
    """Reference 9.6. Until it has ended, readings of what it may change prove nothing."""
    begun, go_on = asyncio.Event(), asyncio.Event()
    engine = Engine()

    async def work(request: Request, snapshot: Snapshot) -> Answer:
        begun.set()
        await go_on.wait()
        return await engine(request, snapshot)

    async with (
        scripted_upstream() as upstream,
        front_door(write_config(upstream.port), ask_engine=work, engine=ENGINE) as stack,
    ):
        client = await stack.connect()
        await client.send(POST)
        await asyncio.wait_for(begun.wait(), 5)
        client.reset()
        (served,) = await stack.wait_for(Served)
        assert served.code == 499
        names, later = frozenset({("dlm", "lone")}), time.monotonic()
        assert stack.writes.overlapped(names, later)
        go_on.set()
        assert stack.handler is not None
        await stack.handler.close()
        await asyncio.sleep(0)
        assert not stack.writes.overlapped(names, time.monotonic())
        assert stack.found(OutcomeLost) == []
    assert [request.body for request in engine.done] == [BODY]
    assert upstream.connections == 0


async def test_the_engine_asks_the_client_to_go_on_with_its_body() -> None:
    engine = Engine()
    head = b"POST /lone HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n"
    async with (
        scripted_upstream() as upstream,
        front_door(write_config(upstream.port), ask_engine=engine, engine=ENGINE) as stack,
    ):
        client = await stack.connect()
        assert (await asyncio.wait_for(client.ask(head), 5)).status == 100
        assert (await asyncio.wait_for(client.ask(BODY), 5)).status == 201
    assert len(engine.done) == 1


async def test_each_of_pipelined_writes_is_done_once() -> None:
    engine = Engine()
    async with (
        scripted_upstream() as upstream,
        front_door(write_config(upstream.port), ask_engine=engine, engine=ENGINE) as stack,
    ):
        client = await stack.connect()
        await client.send(POST * 5)
        for _ in range(5):
            assert (await asyncio.wait_for(client.read_answer(), 5)).status == 201
    assert (len(engine.done), upstream.connections) == (5, 0)


async def test_without_an_upstream_an_unknown_outcome_is_told_and_noted() -> None:
    async with front_door(Config(), ask_engine=Engine(OutcomeUnknown()), engine=ENGINE) as stack:
        got = await ask(stack)
        assert (got.status, code_of(got)) == (500, "08007")
        assert stack.found(OutcomeLost) == [OutcomeLost("lone", "engine")]
        assert stack.found(Crashed) == []


async def close_unanswered(wire: Wire) -> None:
    await wire.read_request()


async def close_half_answered(wire: Wire) -> None:
    await wire.read_request()
    await wire.send(b"HTTP/1.1 20")


async def stay_silent(wire: Wire) -> None:
    await wire.read_request()
    await wire.wait_closed_by_peer()


@pytest.mark.parametrize(
    ("script", "status"), [(close_unanswered, 502), (close_half_answered, 502), (stay_silent, 504)]
)
@pytest.mark.parametrize("method", [b"POST", b"PATCH", b"PUT", b"DELETE"])
async def test_a_write_that_the_upstream_got_and_did_not_answer_has_an_unknown_outcome(
    script: Callable[[Wire], Any], status: int, method: bytes
) -> None:
    async with (
        scripted_upstream(script) as upstream,
        front_door(write_config(upstream.port, "upstream", timeout=0.05)) as stack,
    ):
        got = await ask(stack, POST.replace(b"POST", method))
        assert (got.status, code_of(got)) == (status, "08007")
        assert b"Retry-After: 0" not in got.lines
        assert stack.found(OutcomeLost) == [OutcomeLost("lone", "upstream")]
        assert upstream.connections == 1


@pytest.mark.parametrize("request_line", [b"GET /lone", b"OPTIONS /lone", b"POST /rpc/answer"])
async def test_what_does_not_write_has_no_outcome_to_be_unknown(request_line: bytes) -> None:
    async with (
        scripted_upstream(close_unanswered) as upstream,
        front_door(write_config(upstream.port, "upstream")) as stack,
    ):
        got = await ask(stack, request_line + b" HTTP/1.1\r\n" + HOST + b"\r\n")
        assert (got.status, code_of(got)) == (503, "PGRST000")
        assert stack.found(OutcomeLost) == []


async def test_a_write_that_never_reached_the_upstream_may_be_repeated() -> None:
    async with front_door(write_config(unused_port(), "upstream")) as stack:
        got = await ask(stack)
        assert (got.status, code_of(got)) == (503, "PGRST000")
        assert b"Retry-After: 0" in got.lines
        assert stack.found(OutcomeLost) == []


async def test_a_write_on_a_kept_connection_that_the_upstream_closes_is_not_sent_again() -> None:
    seen: list[bytes] = []

    async def script(wire: Wire) -> None:
        seen.append((await wire.read_request()).first_line)
        await wire.send(OK)
        seen.append((await wire.read_request()).first_line)

    async with (
        scripted_upstream(script) as upstream,
        front_door(write_config(upstream.port, "upstream")) as stack,
    ):
        assert (await ask(stack)).body == b"ok"
        assert (await ask(stack)).status == 502
        assert (len(seen), upstream.connections) == (2, 1)


async def test_a_broken_engine_costs_no_further_writes_and_gets_them_back_when_it_is_sound() -> None:
    engine, now = Engine(DOWN), [0.0]
    async with (
        scripted_upstream() as upstream,
        front_door(
            write_config(upstream.port), ask_engine=engine, engine=ENGINE, names=SAFE, clock=lambda: now[0]
        ) as stack,
    ):
        for _ in range(5):
            assert (await ask(stack)).status == 503
        for _ in range(5):
            assert (await ask(stack)).body == b"ok"
        assert engine.asked == 5
        assert stack.found(FellBack) == [FellBack("lone", "circuit")] * 5
        engine.trouble, now[0] = None, 1.0
        assert (await ask(stack)).status == 201
        assert len(engine.done) == 1
        assert stack.found(CircuitChanged) == [CircuitChanged(True), CircuitChanged(False)]

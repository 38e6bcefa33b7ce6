"""The engine on stage: when it answers, what happens when it cannot, and who answers then."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from proxy.config import Config, EngineConfig, Limits, Rule, ShadowConfig
from proxy.database.snapshot import EngineSnapshot
from proxy.engine.schema import Schema
from proxy.errors import ApiError, Unsupported
from proxy.events import FellBack, Served, SideAnswered, Skipped
from proxy.messages import Answer, Request
from proxy.server.state import Snapshot
from tests.server.support import (
    NAMES,
    OK,
    Raw,
    Stack,
    front_door,
    scripted_upstream,
    shadow_config,
    unused_port,
)

HOST = b"Host: a\r\n"
GET = b"GET /lone?id=eq.1 HTTP/1.1\r\n" + HOST + b"\r\n"
ENGINE = EngineSnapshot(EngineConfig(), Schema())
ENGINE_ANSWER = Answer(
    206, ((b"Content-Range", b"0-0/2"), (b"Content-Type", b"application/json; charset=utf-8")), b"[1]"
)


def engine_config(upstream_port: int | None, **shadow: Any) -> Config:
    """The engine answers reads; ``shadow`` changes what it may cost."""
    config = shadow_config(upstream_port)
    return replace(config, defaults=Rule(reads="engine"), shadow=ShadowConfig(**shadow))


async def ask(stack: Stack, request: bytes = GET, method: str = "GET") -> Raw:
    client = await stack.connect()
    return await asyncio.wait_for(client.ask(request, method), 5)


async def answer_well(request: Request, snapshot: Snapshot) -> Answer:
    return ENGINE_ANSWER


async def decline(request: Request, snapshot: Snapshot) -> Answer:
    raise Unsupported("embedding")


async def break_down(request: Request, snapshot: Snapshot) -> Answer:
    raise ConnectionRefusedError("password=hunter2")


async def hang(request: Request, snapshot: Snapshot) -> Answer:
    await asyncio.Event().wait()
    raise AssertionError


async def cancel_itself(request: Request, snapshot: Snapshot) -> Answer:
    raise asyncio.CancelledError


def accounted(stack: Stack) -> int:
    """How many reads ended in an offer to the mirror or a Skipped."""
    return len(stack.mirror.offers) + len(stack.found(Skipped))


async def test_the_engine_answers_where_it_is_to() -> None:
    asked: list[Request] = []

    async def answer(request: Request, snapshot: Snapshot) -> Answer:
        asked.append(request)
        return ENGINE_ANSWER

    async with (
        scripted_upstream() as upstream,
        front_door(engine_config(upstream.port), ask_engine=answer, engine=ENGINE) as stack,
    ):
        client = await stack.connect()
        got = await client.ask(GET)
        assert got.first_line == b"HTTP/1.1 206 Partial Content"
        assert got.lines[0].startswith(b"Date: ")
        assert got.lines[1:] == [
            b"Content-Range: 0-0/2",
            b"Content-Type: application/json; charset=utf-8",
            b"Content-Length: 3",
        ]
        assert got.body == b"[1]"
        assert (await client.ask(GET)).status == 206
        assert stack.found(Served)[0].answered_by == "engine"
        assert stack.found(SideAnswered)[0].side == "engine"
        assert stack.found(Skipped) == [Skipped("lone", "mode")] * 2
    assert asked[0] == Request("GET", b"/lone?id=eq.1", ((b"Host", b"a"),))
    assert upstream.connections == 0


async def test_the_engines_answer_to_head_has_no_body_and_no_length_of_its_own() -> None:
    async with scripted_upstream() as upstream:
        config = engine_config(upstream.port)
        async with front_door(config, ask_engine=answer_well, engine=ENGINE) as stack:
            client = await stack.connect()
            got = await client.ask(b"HEAD /lone HTTP/1.1\r\n" + HOST + b"\r\n", "HEAD")
            assert not [line for line in got.lines if line.lower().startswith(b"content-length")]
            assert (await client.ask(GET)).body == b"[1]"


async def test_an_error_of_the_engine_is_an_answer_like_others() -> None:
    async def refuse(request: Request, snapshot: Snapshot) -> Answer:
        raise ApiError(404, "PGRST205", "Could not find the table", reason="Not Here")

    async with (
        scripted_upstream() as upstream,
        front_door(engine_config(upstream.port), ask_engine=refuse, engine=ENGINE) as stack,
    ):
        got = await ask(stack)
        assert got.first_line == b"HTTP/1.1 404 Not Here"
        assert json.loads(got.body)["code"] == "PGRST205"
    assert upstream.connections == 0


async def test_a_line_break_in_the_engines_header_cannot_start_another_header() -> None:
    async def inject(request: Request, snapshot: Snapshot) -> Answer:
        return Answer(200, ((b"X-A", b"one\r\nX-B: two"),), b"")

    async with (
        scripted_upstream() as upstream,
        front_door(engine_config(upstream.port), ask_engine=inject, engine=ENGINE) as stack,
    ):
        assert (await ask(stack)).lines[1:] == [b"X-A: one X-B: two", b"Content-Length: 0"]


@pytest.mark.parametrize(
    ("engine", "schema", "reason"),
    [
        (decline, ENGINE, "unsupported"),
        (break_down, ENGINE, "failed"),
        (cancel_itself, ENGINE, "failed"),
        (hang, ENGINE, "timeout"),
        (answer_well, None, "no_schema"),
    ],
)
async def test_what_the_engine_cannot_answer_the_upstream_does(
    engine: Any, schema: EngineSnapshot | None, reason: str
) -> None:
    async with scripted_upstream() as upstream:
        config = engine_config(upstream.port, timeout=0.02)
        async with front_door(config, ask_engine=engine, engine=schema) as stack:
            assert await ask(stack) == Raw(OK[:-2], b"ok")
            (served,) = stack.found(Served)
            assert (served.answered_by, served.code, served.mode) == ("upstream", 200, "engine")
            assert [event.reason for event in stack.found(FellBack)] == [reason]
            assert stack.found(Skipped) == [Skipped("lone", "fell_back")]
            assert stack.mirror.offers == []
            assert "hunter2" not in str(stack.events)
    assert upstream.requests == [Raw(GET, b"")]


@pytest.mark.parametrize("size", [5, 50, 200_000])
async def test_a_body_that_the_engine_has_read_reaches_the_upstream_whole_after_all(size: int) -> None:
    body = b"0123456789" * (size // 10) + b"x" * (size % 10)
    head = b"POST /rpc/answer HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % size
    async with scripted_upstream() as upstream:
        config = engine_config(upstream.port, max_body=20)
        async with front_door(config, ask_engine=decline, engine=ENGINE) as stack:
            assert (await ask(stack, head + body)).body == b"ok"
            assert [event.reason for event in stack.found(FellBack)] == ["unsupported"]
    assert upstream.requests == [Raw(head, body)]


async def test_the_engine_gets_the_body_it_needs_and_asks_the_client_to_go_on() -> None:
    async def echo(request: Request, snapshot: Snapshot) -> Answer:
        return Answer(200, (), request.body)

    head = b"POST /rpc/answer HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    async with front_door(Config(), ask_engine=echo, engine=ENGINE) as stack:
        client = await stack.connect()
        assert (await asyncio.wait_for(client.ask(head), 5)).head == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert (await asyncio.wait_for(client.ask(b"body"), 5)).body == b"body"


@pytest.mark.parametrize(
    ("engine", "status", "code"),
    [
        (decline, 501, "PGRST127"),
        (break_down, 500, "PGRSTX00"),
    ],
)
async def test_without_an_upstream_the_engines_failures_are_told(engine: Any, status: int, code: str) -> None:
    async with front_door(Config(), ask_engine=engine, engine=ENGINE) as stack:
        got = await ask(stack)
        assert (got.status, json.loads(got.body)["code"]) == (status, code)
        assert b"hunter2" not in got.body
        assert "hunter2" not in str(stack.events)
        assert stack.found(Skipped) == [Skipped("lone", "mode")]
        assert stack.found(Served)[0].answered_by == "proxy"
        # The connection is as good as before.
        assert (await ask(stack)).status == status


async def test_without_an_upstream_the_engine_itself_tells_that_there_is_no_schema_cache() -> None:
    async def tell(request: Request, snapshot: Snapshot) -> Answer:
        return Answer(503 if snapshot.engine is None else 200)

    async with front_door(Config(), ask_engine=tell, engine=None) as stack:
        assert (await ask(stack)).status == 503


async def test_without_an_upstream_the_engine_answers_writes_too() -> None:
    async with front_door(Config(), ask_engine=answer_well, engine=ENGINE) as stack:
        got = await ask(stack, b"POST /lone HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\n{}")
        assert got.body == b"[1]"
        assert accounted(stack) == 0


async def test_a_client_that_leaves_while_the_engine_works_stops_it() -> None:
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def work(request: Request, snapshot: Snapshot) -> Answer:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        raise AssertionError

    async with (
        scripted_upstream() as upstream,
        front_door(engine_config(upstream.port), ask_engine=work, engine=ENGINE) as stack,
    ):
        client = await stack.connect()
        await client.send(GET)
        await asyncio.wait_for(begun.wait(), 5)
        await client.close()
        await asyncio.wait_for(stopped.wait(), 5)
        (served,) = await stack.wait_for(Served)
        assert served.code == 499
        assert accounted(stack) == 1
    assert upstream.connections == 0


async def test_overhead_is_what_neither_side_took() -> None:
    """Each reading of the clock is a second: begun, asked, answered, settled."""
    seconds = iter(range(100))
    async with scripted_upstream() as upstream:
        config = engine_config(upstream.port)
        async with front_door(
            config, ask_engine=answer_well, engine=ENGINE, clock=lambda: float(next(seconds))
        ) as stack:
            await ask(stack)
            (served,) = stack.found(Served)
            assert (served.seconds, served.overhead_seconds) == (3.0, 2.0)
            assert stack.found(SideAnswered) == [SideAnswered("lone", "engine", 1.0)]


async def test_configuration_is_taken_once_per_request_and_anew_for_the_next() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    limits: list[int | None] = []

    async def note(request: Request, snapshot: Snapshot) -> Answer:
        begun.set()
        await go_on.wait()
        limits.append(snapshot.config.limits.body)
        return ENGINE_ANSWER

    async with front_door(Config(), ask_engine=note, engine=ENGINE) as stack:
        client = await stack.connect()
        await client.send(GET)
        await begun.wait()
        stack.state.replace(Snapshot(Config(limits=Limits(body=7)), NAMES, ENGINE))
        go_on.set()
        await asyncio.wait_for(client.read_answer(), 5)
        await asyncio.wait_for(client.ask(GET), 5)
    assert limits == [None, 7]


async def test_an_upstream_that_is_down_is_the_upstreams_fault_after_a_fallback_too() -> None:
    config = engine_config(unused_port())
    async with front_door(config, ask_engine=decline, engine=ENGINE) as stack:
        assert (await ask(stack)).status == 503
        assert stack.found(Skipped) == [Skipped("lone", "fell_back")]

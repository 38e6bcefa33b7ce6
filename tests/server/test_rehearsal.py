"""Rehearsals on stage: before the upstream, never in its way, and every one accounted for."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from proxy.config import Config, EngineConfig, Limits, RehearsalConfig, Rule
from proxy.database.snapshot import EngineSnapshot
from proxy.engine.schema import Column, Relation, Schema
from proxy.errors import ApiError, EngineDown, OutcomeUnknown, Unsupported
from proxy.events import (
    Crashed,
    Event,
    OutcomeLost,
    Rehearsed,
    Served,
    SideAnswered,
    Skipped,
    Unrehearsed,
)
from proxy.messages import Answer, Request
from proxy.server.rehearsal import Rehearsals
from proxy.server.state import Snapshot
from proxy.server.writes import OVERLAPPED
from proxy.shadow.policy import Hazards
from tests.server.support import (
    NAMES,
    Raw,
    Stack,
    Wire,
    front_door,
    scripted_upstream,
    shadow_config,
    unused_port,
)

HOST = b"Host: a\r\n"
BODY = b'{"label":"x"}'
HEAD = b"POST /lone HTTP/1.1\r\n" + HOST + b"Prefer: return=representation\r\nContent-Length: 13\r\n\r\n"
POST = HEAD + BODY
LONE = Relation(
    "dlm",
    "lone",
    {
        "id": Column("id", "bigint", "bigint", default="nextval('dlm.lone_id_seq'::regclass)"),
        "label": Column("label", "text", "text"),
    },
    key=("id",),
)
ENGINE = EngineSnapshot(EngineConfig(db_schemas=("dlm",)), Schema({("dlm", "lone"): LONE}))
SAFE = replace(NAMES, hazards=Hazards({("dlm", "lone"): ()}, {("dlm", "change"): ()}))
JSON = (b"Content-Type", b"application/json; charset=utf-8")


def created(text: str) -> bytes:
    body = text.encode()
    head = b"HTTP/1.1 201 Created\r\nContent-Type: application/json; charset=utf-8\r\n"
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def answering(*texts: str) -> Callable[[Wire], Awaitable[None]]:
    """An upstream that answers writes with these bodies."""

    async def script(wire: Wire) -> None:
        for text in texts:
            await wire.read_request()
            await wire.send(created(text))
        await wire.wait_closed_by_peer()

    return script


def rehearse_config(upstream_port: int, **rehearsal: Any) -> Config:
    config = shadow_config(upstream_port)
    return replace(config, defaults=Rule(writes="rehearse"), rehearsal=RehearsalConfig(**rehearsal))


def engine_with(text: str) -> Callable[[Request, Snapshot], Awaitable[Answer]]:
    async def answer(request: Request, snapshot: Snapshot) -> Answer:
        return Answer(201, (JSON,), text.encode())

    return answer


async def hang(request: Request, snapshot: Snapshot) -> Answer:
    await asyncio.Event().wait()
    raise AssertionError


async def ask(stack: Stack, request: bytes = POST) -> Raw:
    client = await stack.connect()
    return await asyncio.wait_for(client.ask(request), 5)


def ends(stack: Stack) -> list[Event]:
    return [event for event in stack.events if isinstance(event, Rehearsed | Unrehearsed)]


async def the_end(stack: Stack) -> Event:
    """How the one write in rehearsal ended."""
    async with asyncio.timeout(5), stack.settled:
        await stack.settled.wait_for(lambda: bool(ends(stack)))
    (end,) = ends(stack)
    return end


async def test_the_engine_rehearses_with_all_of_the_request_before_the_upstream_gets_its_bytes() -> None:
    order: list[Any] = []

    async def rehearse(request: Request, snapshot: Snapshot) -> Answer:
        order.append(request)
        return Answer(201, (JSON,), b'[{"id":1,"label":"x"}]')

    async def script(wire: Wire) -> None:
        order.append(await wire.read_request())
        await wire.send(created('[{"id":2,"label":"x"}]'))
        await wire.wait_closed_by_peer()

    async with (
        scripted_upstream(script) as upstream,
        front_door(rehearse_config(upstream.port), rehearse=rehearse, engine=ENGINE, names=SAFE) as stack,
    ):
        assert (await ask(stack)).body == b'[{"id":2,"label":"x"}]'
        end = await the_end(stack)
        assert isinstance(end, Rehearsed)
        assert (end.table, end.verdict, end.request_line) == ("lone", "match", "POST /lone")
        (served,) = stack.found(Served)
        assert (served.mode, served.answered_by, served.code) == ("rehearse", "upstream", 201)
        assert {event.side for event in stack.found(SideAnswered)} == {"upstream", "engine"}
        assert stack.found(Skipped) == []
    headers = ((b"Host", b"a"), (b"Prefer", b"return=representation"), (b"Content-Length", b"13"))
    assert order == [Request("POST", b"/lone", headers, BODY), Raw(HEAD, BODY)]


async def test_a_difference_is_a_mismatch_and_the_client_has_the_upstreams_answer() -> None:
    async with scripted_upstream(answering('[{"id":2,"label":"y"}]')) as upstream:
        rehearse = engine_with('[{"id":1,"label":"x"}]')
        config = rehearse_config(upstream.port)
        async with front_door(config, rehearse=rehearse, engine=ENGINE, names=SAFE) as stack:
            assert (await ask(stack)).body == b'[{"id":2,"label":"y"}]'
            end = await the_end(stack)
            assert isinstance(end, Rehearsed)
            assert end.verdict == "mismatch"
            assert [difference.path for difference in end.differences] == ["$[0].label"]


@pytest.mark.parametrize(
    ("trouble", "verdict", "detail"),
    [
        (Unsupported("that"), "unsupported", "that"),
        (EngineDown(ApiError(503, "PGRST001", "secret")), "failed", "EngineDown"),
        (OutcomeUnknown(), "failed", "OutcomeUnknown"),
        (RuntimeError("password=hunter2"), "failed", "RuntimeError"),
        (asyncio.CancelledError(), "failed", "cancelled"),
        (ApiError(409, "23505", "duplicate key"), "mismatch", ""),
        (ApiError(500, "55P03", "canceling statement due to lock timeout"), "inconclusive", ""),
    ],
)
async def test_no_trouble_of_a_rehearsal_reaches_the_client_or_the_upstream(
    trouble: BaseException, verdict: str, detail: str
) -> None:
    async def fail(request: Request, snapshot: Snapshot) -> Answer:
        raise trouble

    async with (
        scripted_upstream() as upstream,
        front_door(rehearse_config(upstream.port), rehearse=fail, engine=ENGINE, names=SAFE) as stack,
    ):
        assert (await ask(stack)).body == b"ok"
        end = await the_end(stack)
        assert isinstance(end, Rehearsed)
        assert (end.verdict, end.detail) == (verdict, detail)
        assert stack.found(OutcomeLost) == []
        assert "hunter2" not in str(stack.events)
    assert upstream.requests == [Raw(HEAD, BODY)]


async def test_a_write_waits_no_longer_than_allowed_even_for_an_engine_that_ignores_cancellation() -> None:
    let_go = asyncio.Event()

    async def ignore(request: Request, snapshot: Snapshot) -> Answer:
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue
        return Answer(201)

    async with scripted_upstream() as upstream:
        config = rehearse_config(upstream.port, timeout=0.05, concurrency=1)
        async with front_door(config, rehearse=ignore, engine=ENGINE, names=SAFE) as stack:
            assert (await ask(stack)).body == b"ok"
            end = await the_end(stack)
            assert isinstance(end, Rehearsed)
            assert (end.verdict, end.detail) == ("failed", "timeout")
            assert (await ask(stack)).body == b"ok"
            assert ends(stack)[1:] == [Unrehearsed("lone", "busy")], "its connection is not free yet"
            let_go.set()
    assert len(upstream.requests) == 2


async def test_at_most_so_many_are_rehearsed_at_once_and_the_others_go_on_at_once() -> None:
    running, most = 0, 0
    go_on = asyncio.Event()

    async def rehearse(request: Request, snapshot: Snapshot) -> Answer:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await go_on.wait()
        running -= 1
        return Answer(200, (), b"ok")

    async with scripted_upstream() as upstream:
        config = rehearse_config(upstream.port, concurrency=2, timeout=5)
        async with front_door(config, rehearse=rehearse, engine=ENGINE, names=SAFE) as stack:
            writes = [asyncio.create_task(ask(stack)) for _ in range(5)]
            await stack.wait_for(Unrehearsed, 3)
            assert len(stack.found(Served)) == 3
            go_on.set()
            assert [answer.body for answer in await asyncio.gather(*writes)] == [b"ok"] * 5
            await stack.wait_for(Rehearsed, 2)
            assert Counter(map(type, ends(stack))) == {Rehearsed: 2, Unrehearsed: 3}
            assert {event.reason for event in stack.found(Unrehearsed)} == {"busy"}
            assert (await ask(stack)).body == b"ok"
            await stack.wait_for(Rehearsed, 3)
    assert (most, len(upstream.requests)) == (2, 6)


@pytest.mark.parametrize("size", [11, 300_000])
async def test_a_body_too_large_to_rehearse_reaches_the_upstream_whole(size: int) -> None:
    async with scripted_upstream() as upstream:
        config = rehearse_config(upstream.port, max_body=10)
        async with front_door(config, engine=ENGINE, names=SAFE) as stack:
            body = bytes(index % 251 for index in range(size))
            head = b"POST /lone HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % size
            assert (await ask(stack, head + body)).body == b"ok"
            assert await the_end(stack) == Unrehearsed("lone", "too_large")
    assert upstream.requests == [Raw(head, body)]


async def test_an_answer_too_large_to_compare_reaches_the_client_whole() -> None:
    text = '["' + "x" * 100_000 + '"]'
    async with scripted_upstream(answering(text)) as upstream:
        config = rehearse_config(upstream.port, max_body=1000)
        async with front_door(config, rehearse=engine_with("[]"), engine=ENGINE, names=SAFE) as stack:
            assert (await ask(stack)).body == text.encode()
            assert await the_end(stack) == Unrehearsed("lone", "too_large")


async def test_an_answer_of_the_engine_that_is_too_large_is_not_kept() -> None:
    async with scripted_upstream(answering("[]")) as upstream:
        config = rehearse_config(upstream.port, max_body=1000)
        huge = engine_with('["' + "x" * 1000 + '"]')
        async with front_door(config, rehearse=huge, engine=ENGINE, names=SAFE) as stack:
            assert (await ask(stack)).status == 201
            end = await the_end(stack)
            assert isinstance(end, Rehearsed)
            assert (end.verdict, end.detail) == ("failed", "the answer is too large")


@pytest.mark.parametrize("select", ["a(" * 600 + "b" + ")" * 600, "a(" * 9000, "," * 20_000, "%00%ff" * 300])
@pytest.mark.parametrize("writes", ["upstream", "rehearse"])
async def test_no_request_is_too_odd_to_be_passed_on(select: str, writes: Any) -> None:
    async def decline(request: Request, snapshot: Snapshot) -> Answer:
        raise Unsupported("this")

    async with scripted_upstream() as upstream:
        config = replace(rehearse_config(upstream.port), defaults=Rule(writes=writes))
        async with front_door(config, rehearse=decline, engine=ENGINE, names=SAFE) as stack:
            head = HEAD.replace(b"/lone", b"/lone?select=" + select.encode())
            assert (await ask(stack, head + BODY)).body == b"ok"
    assert upstream.requests == [Raw(head, BODY)]


async def test_a_body_that_does_not_come_in_time_is_streamed_on_and_not_rehearsed() -> None:
    connected = asyncio.Event()

    async def script(wire: Wire) -> None:
        connected.set()
        assert await wire.read_request() == Raw(HEAD, BODY)
        await wire.send(created("[]"))
        await wire.wait_closed_by_peer()

    async with scripted_upstream(script) as upstream:
        config = rehearse_config(upstream.port, timeout=0.05)
        async with front_door(config, engine=ENGINE, names=SAFE) as stack:
            client = await stack.connect()
            await client.send(HEAD + BODY[:5])
            await asyncio.wait_for(connected.wait(), 5)
            assert (await asyncio.wait_for(client.ask(BODY[5:]), 5)).status == 201
            assert await the_end(stack) == Unrehearsed("lone", "deadline")


async def test_a_client_that_asks_whether_to_go_on_is_answered_by_the_upstream() -> None:
    async def script(wire: Wire) -> None:
        assert b"Expect: 100-continue" in await wire.read_head()
        await wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert await wire.reader.readexactly(13) == BODY
        await wire.send(created("[]"))
        await wire.wait_closed_by_peer()

    async with (
        scripted_upstream(script) as upstream,
        front_door(rehearse_config(upstream.port), engine=ENGINE, names=SAFE) as stack,
    ):
        client = await stack.connect()
        head = HEAD[:-2] + b"Expect: 100-continue\r\n\r\n"
        assert (await asyncio.wait_for(client.ask(head), 5)).status == 100
        assert (await asyncio.wait_for(client.ask(BODY), 5)).status == 201
        assert await the_end(stack) == Unrehearsed("lone", "expects_continue")


async def test_a_client_that_leaves_during_the_rehearsal_withdraws_its_write() -> None:
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def rehearse(request: Request, snapshot: Snapshot) -> Answer:
        begun.set()
        try:
            return await hang(request, snapshot)
        finally:
            stopped.set()

    async with (
        scripted_upstream() as upstream,
        front_door(
            rehearse_config(upstream.port, timeout=60, concurrency=1),
            rehearse=rehearse,
            engine=ENGINE,
            names=SAFE,
        ) as stack,
    ):
        for number in (1, 2):
            begun.clear()
            client = await stack.connect()
            await client.send(POST)
            await asyncio.wait_for(begun.wait(), 5)
            client.reset()
            await asyncio.wait_for(stopped.wait(), 5)
            assert await stack.wait_for(Unrehearsed, number) == [Unrehearsed("lone", "client_gone")] * number
    assert upstream.connections == 0


async def test_an_upstream_that_does_not_answer_leaves_nothing_to_compare_with() -> None:
    async with front_door(
        rehearse_config(unused_port()), rehearse=engine_with("[]"), engine=ENGINE, names=SAFE
    ) as stack:
        assert (await ask(stack)).status == 503
        assert await the_end(stack) == Unrehearsed("lone", "upstream_error")


async def test_what_is_refused_at_the_door_is_accounted_for_too() -> None:
    async with scripted_upstream() as upstream:
        config = replace(rehearse_config(upstream.port), limits=Limits(body=5))
        async with front_door(config, engine=ENGINE, names=SAFE) as stack:
            assert (await ask(stack)).status == 413
            assert await the_end(stack) == Unrehearsed("lone", "refused")
    assert upstream.connections == 0


async def test_without_a_schema_cache_the_write_goes_on_unrehearsed() -> None:
    async with (
        scripted_upstream() as upstream,
        front_door(rehearse_config(upstream.port), engine=None, names=SAFE) as stack,
    ):
        assert (await ask(stack)).body == b"ok"
        assert await the_end(stack) == Unrehearsed("lone", "no_schema")


async def test_a_table_that_must_not_be_rehearsed_is_the_upstreams_alone() -> None:
    async with (
        scripted_upstream() as upstream,
        front_door(rehearse_config(upstream.port), engine=ENGINE, names=NAMES) as stack,
    ):
        assert (await ask(stack)).body == b"ok"
        (served,) = stack.found(Served)
        assert served.mode == "upstream"
        assert ends(stack) == []


async def test_a_difference_that_another_write_came_between_proves_nothing() -> None:
    async with scripted_upstream(answering('[{"id":2,"label":"y"}]')) as upstream:
        config = rehearse_config(upstream.port)
        rehearse = engine_with('[{"id":1,"label":"x"}]')
        async with front_door(config, rehearse=rehearse, engine=ENGINE, names=SAFE) as stack:
            other = stack.writes.begin(frozenset({("dlm", "lone")}))
            await ask(stack)
            end = await the_end(stack)
            assert isinstance(end, Rehearsed)
            assert (end.verdict, end.detail, end.differences) == ("inconclusive", OVERLAPPED, ())
            stack.writes.end(other)


async def test_a_listener_that_fails_is_told_and_changes_nothing() -> None:
    seen: list[Event] = []

    def emit(event: Event) -> None:
        seen.append(event)
        if isinstance(event, Rehearsed):
            raise RuntimeError

    async with scripted_upstream() as upstream:
        config = rehearse_config(upstream.port)
        clock = asyncio.get_running_loop().time
        rehearsals = Rehearsals(engine_with("[]"), emit, concurrency=1, clock=clock)
        async with front_door(config, rehearsals=rehearsals, engine=ENGINE, names=SAFE) as stack:
            for _ in range(3):
                assert (await ask(stack)).body == b"ok"
    assert [type(event) for event in seen if not isinstance(event, SideAnswered)] == [Rehearsed, Crashed] * 3


async def test_a_fault_in_rehearsing_itself_keeps_no_write_from_going_on() -> None:
    class Faulty:
        async def attempt(self, *arguments: Any) -> Any:
            raise RuntimeError("password=hunter2")

    async with scripted_upstream() as upstream:
        config = rehearse_config(upstream.port)
        async with front_door(config, rehearsals=Faulty(), engine=ENGINE, names=SAFE) as stack:
            assert (await ask(stack)).body == b"ok"
            assert await the_end(stack) == Unrehearsed("lone", "crashed")
            assert stack.found(Crashed) == [Crashed("rehearsal", "RuntimeError")]
    assert upstream.requests == [Raw(HEAD, BODY)]


async def test_what_a_write_touches_may_be_beyond_us(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> Any:
        raise RecursionError

    monkeypatch.setattr("proxy.server.handler.find_names", fail)
    async with (
        scripted_upstream() as upstream,
        front_door(shadow_config(upstream.port), engine=ENGINE) as stack,
    ):
        assert (await ask(stack)).body == b"ok"
        assert stack.found(Crashed) == [Crashed("writes", "RecursionError")]
        assert stack.writes.overlapped(frozenset({("dlm", "storage")}), 0.0)


async def test_every_write_in_rehearsal_ends_exactly_once_whatever_happens() -> None:
    async def script(wire: Wire) -> None:
        while True:
            request = await wire.read_request()
            if b"drop" in request.first_line:
                return
            if b"hang" in request.first_line:
                await wire.wait_closed_by_peer()
                return
            await wire.send(created("[]"))

    async def rehearse(request: Request, snapshot: Snapshot) -> Answer:
        if b"slow" in request.target:
            await hang(request, snapshot)
        if b"decline" in request.target:
            raise Unsupported("this")
        return Answer(201, (JSON,), b"[1]" if b"differ" in request.target else b"[]")

    def post(query: bytes, body: bytes = BODY) -> bytes:
        head = b"POST /lone?" + query + b" HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(body)
        return head + body

    async with scripted_upstream(script) as upstream:
        config = shadow_config(upstream.port, timeout=0.1)
        config = replace(
            config,
            defaults=Rule(writes="rehearse"),
            rehearsal=RehearsalConfig(concurrency=3, timeout=0.05, max_body=100),
        )
        async with front_door(config, rehearse=rehearse, engine=ENGINE, names=SAFE) as stack:

            async def visit(request: bytes, leave: bool = False) -> None:
                client = await stack.connect()
                await client.send(request)
                if not leave:
                    await client.read_head()
                await client.close()

            kinds = [
                (post(b"ok"), False),
                (post(b"differ"), False),
                (post(b"decline"), False),
                (post(b"slow"), False),
                (post(b"slow"), True),
                (post(b"hang"), False),
                (post(b"hang"), True),
                (post(b"drop"), False),
                (post(b"large", b"x" * 101), False),
            ]
            await asyncio.wait_for(asyncio.gather(*(visit(*kind) for kind in kinds * 6)), 30)
            served = await stack.wait_for(Served, 54)
            async with asyncio.timeout(5), stack.settled:
                await stack.settled.wait_for(lambda: len(ends(stack)) >= 54)
            assert len(served) == len(ends(stack)) == sum(event.mode == "rehearse" for event in served) == 54
            assert stack.found(Crashed) == []

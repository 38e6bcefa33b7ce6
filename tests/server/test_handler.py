"""Who answers, what the mirror is given, and that everything is accounted for."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import cycle
from typing import Any

import pytest

from proxy.config import EngineConfig, LogConfig, Rule, ShadowConfig
from proxy.database.snapshot import EngineSnapshot
from proxy.engine.schema import Schema
from proxy.errors import Unsupported
from proxy.events import Crashed, Event, Served, SideAnswered, Skipped
from proxy.messages import Answer, Exchange, Request
from proxy.server.state import Snapshot
from proxy.shadow.policy import Decision
from proxy.trace import TraceParent
from tests.server.support import (
    OK,
    Raw,
    Stack,
    Wire,
    front_door,
    scripted_upstream,
    shadow_config,
)

HOST = b"Host: a\r\n"
GET = b"GET /lone?id=eq.1 HTTP/1.1\r\n" + HOST + b"\r\n"
ENGINE = EngineSnapshot(EngineConfig(), Schema())


async def ask(stack: Stack, request: bytes = GET, method: str = "GET") -> Raw:
    client = await stack.connect()
    return await asyncio.wait_for(client.ask(request, method), 5)


async def decline(request: Request, snapshot: Snapshot) -> Answer:
    raise Unsupported("embedding")


def accounted(stack: Stack) -> int:
    """How many reads ended in an offer to the mirror or a Skipped."""
    return len(stack.mirror.offers) + len(stack.found(Skipped))


async def test_a_read_in_shadow_is_offered_to_the_mirror_with_all_of_both_messages() -> None:
    answer = (
        b"HTTP/1.1 200 Fine\r\nDate: x\r\nTransfer-Encoding: chunked\r\nConnection: x\r\nA: 1\r\n\r\n"
        b"2\r\n[1\r\n1\r\n]\r\n0\r\n\r\n"
    )

    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.send(answer)
        await wire.wait_closed_by_peer()

    async with scripted_upstream(script) as upstream, front_door(shadow_config(upstream.port)) as stack:
        await ask(
            stack, b"GET /lone?id=eq.1 HTTP/1.1\r\n" + HOST + b"Connection: x\r\nX: 1\r\nAccept: */*\r\n\r\n"
        )
        ((decision, exchange),) = stack.mirror.offers
        assert decision == Decision("lone", "shadow", True, "upstream", None)
        assert exchange == Exchange(
            Request("GET", b"/lone?id=eq.1", ((b"Host", b"a"), (b"Accept", b"*/*"))),
            Answer(200, ((b"Date", b"x"), (b"A", b"1")), b"[1]", b"Fine"),
            exchange.seconds,
        )
        (served,) = stack.found(Served)
        assert (served.table, served.method, served.mode, served.read) == ("lone", "GET", "shadow", True)
        assert (served.answered_by, served.code) == ("upstream", 200)
        assert stack.found(SideAnswered) == [SideAnswered("lone", "upstream", exchange.seconds)]
        assert stack.found(Skipped) == []


async def test_the_mirror_is_told_only_after_the_client_has_its_answer() -> None:
    order: list[str] = []

    class Mirror:
        def offer(self, decision: Decision, exchange: Exchange, snapshot: Snapshot) -> None:
            order.append("mirror")

    last, sent = asyncio.Event(), asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        sent.set()
        await last.wait()
        await wire.send(b"cd")
        await wire.wait_closed_by_peer()

    async with (
        scripted_upstream(script) as upstream,
        front_door(shadow_config(upstream.port), mirror=Mirror()) as stack,
    ):
        client = await stack.connect()
        await client.send(GET)
        await client.read_head()
        assert await client.reader.readexactly(2) == b"ab"
        assert order == []
        last.set()
        assert await client.reader.readexactly(2) == b"cd"
        await stack.wait_for(Served)
        assert order == ["mirror"]


async def test_a_read_that_is_not_sampled_is_skipped() -> None:
    async with scripted_upstream() as upstream:
        config = replace(shadow_config(upstream.port), defaults=Rule(sample=10))
        async with front_door(config, roll=lambda: 10.0) as stack:
            await ask(stack)
            assert stack.found(Skipped) == [Skipped("lone", "not_sampled")]
            assert stack.mirror.offers == []


async def test_a_write_is_answered_and_neither_offered_nor_skipped() -> None:
    async with scripted_upstream() as upstream, front_door(shadow_config(upstream.port)) as stack:
        await ask(stack, b"POST /lone HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\n{}")
        assert accounted(stack) == 0
        (served,) = stack.found(Served)
        assert (served.read, served.mode, served.code) == (False, "upstream", 200)


async def test_a_function_that_only_reads_is_offered_with_its_body() -> None:
    async with scripted_upstream() as upstream, front_door(shadow_config(upstream.port)) as stack:
        client = await stack.connect()
        await client.send(b"POST /rpc/answer HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n")
        await client.send(b'3\r\n{"a\r\n')
        await asyncio.sleep(0)
        await asyncio.wait_for(client.ask(b'4\r\n":1}\r\n0\r\n\r\n'), 5)
        ((decision, exchange),) = stack.mirror.offers
        assert decision.read
        assert exchange.request.body == b'{"a":1}'
    assert upstream.requests[0].body == b'{"a":1}'


@pytest.mark.parametrize("body", [b"x" * 11, b"x" * 100_000])
async def test_an_answer_too_large_to_keep_reaches_the_client_and_is_skipped(body: bytes) -> None:
    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await wire.wait_closed_by_peer()

    async with scripted_upstream(script) as upstream:
        config = replace(shadow_config(upstream.port), shadow=ShadowConfig(max_body=10))
        async with front_door(config) as stack:
            assert (await ask(stack)).body == body
            assert await stack.wait_for(Skipped) == [Skipped("lone", "too_large")]
            assert stack.mirror.offers == []


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_an_upstream_that_cannot_answer_now_reaches_the_client_and_is_skipped(status: int) -> None:
    async def script(wire: Wire) -> None:
        await wire.read_request()
        await wire.send(b"HTTP/1.1 %d No\r\nContent-Length: 2\r\n\r\n{}" % status)
        await wire.wait_closed_by_peer()

    async with (
        scripted_upstream(script) as upstream,
        front_door(shadow_config(upstream.port)) as stack,
    ):
        assert (await ask(stack)).status == status
        assert await stack.wait_for(Skipped) == [Skipped("lone", "upstream_error")]
        assert stack.mirror.offers == []


async def test_an_answer_just_as_large_as_may_be_kept_is_offered() -> None:
    async with scripted_upstream() as upstream:
        config = replace(shadow_config(upstream.port), shadow=ShadowConfig(max_body=2))
        async with front_door(config) as stack:
            await ask(stack)
            assert stack.mirror.offers[0][1].answer.body == b"ok"


async def test_a_request_body_too_large_to_keep_is_skipped() -> None:
    async with scripted_upstream() as upstream:
        config = replace(shadow_config(upstream.port), shadow=ShadowConfig(max_body=2))
        async with front_door(config) as stack:
            await ask(stack, b"POST /rpc/answer HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\n{ }")
            assert stack.found(Skipped) == [Skipped("rpc/answer", "too_large")]


def faulty(*arguments: Any) -> Any:
    raise ZeroDivisionError("hunter2")


@pytest.mark.parametrize("parts", [{"decide": faulty}, {"roll": faulty}])
async def test_a_fault_in_choosing_leaves_plain_forwarding(parts: dict[str, Any]) -> None:
    async with scripted_upstream() as upstream, front_door(shadow_config(upstream.port), **parts) as stack:
        assert await ask(stack) == Raw(OK[:-2], b"ok")
        assert stack.found(Crashed) == [Crashed("policy", "ZeroDivisionError")]
        assert accounted(stack) == 0
        assert not stack.found(Served)[0].read


async def test_a_fault_in_the_mirror_stays_there() -> None:
    class Mirror:
        offer = faulty

    async with (
        scripted_upstream() as upstream,
        front_door(shadow_config(upstream.port), mirror=Mirror()) as stack,
    ):
        client = await stack.connect()
        for _ in range(2):
            assert (await client.ask(GET)).body == b"ok"
        assert stack.found(Crashed) == [Crashed("mirror", "ZeroDivisionError")] * 2
        assert stack.found(Skipped) == []


async def test_a_fault_in_a_listener_stays_there() -> None:
    heard: list[Event] = []

    def emit(event: Event) -> None:
        heard.append(event)
        raise ZeroDivisionError

    async with scripted_upstream() as upstream, front_door(shadow_config(upstream.port), emit=emit) as stack:
        client = await stack.connect()
        for _ in range(2):
            assert (await client.ask(GET)).body == b"ok"
        assert len(stack.mirror.offers) == 2
    assert Crashed("emit", "ZeroDivisionError") in heard


async def test_every_read_is_offered_or_skipped_exactly_once_whatever_becomes_of_it() -> None:
    """Promise 3, at the front door: reads = offered + skipped."""

    async def script(wire: Wire) -> None:
        while True:
            request = await wire.read_request()
            if b"hang" in request.head:
                await wire.wait_closed_by_peer()
            elif b"drop" in request.head:
                return
            elif b"half" in request.head:
                await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
                return
            elif b"large" in request.head:
                await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + b"x" * 99)
            else:
                await wire.send(OK)

    def get(query: bytes) -> bytes:
        return b"GET /lone?" + query + b" HTTP/1.1\r\n" + HOST + b"\r\n"

    async with scripted_upstream(script) as upstream:
        config = replace(
            shadow_config(upstream.port, timeout=0.05),
            shadow=ShadowConfig(max_body=50),
            tables={"storage": Rule(reads="engine")},
        )
        rolls = cycle([0.0, 0.0, 100.0])
        config = replace(config, defaults=Rule(sample=50))
        async with front_door(config, ask_engine=decline, engine=ENGINE, roll=lambda: next(rolls)) as stack:

            async def visit(request: bytes, leave: bool = False) -> None:
                client = await stack.connect()
                await client.send(request)
                if not leave:
                    await client.wait_closed_by_peer() if b"half" in request else await client.read_head()
                await client.close()

            kinds: list[Callable[[], Awaitable[None]]] = [
                lambda: visit(get(b"ok")),
                lambda: visit(get(b"hang")),
                lambda: visit(get(b"hang"), leave=True),
                lambda: visit(get(b"drop")),
                lambda: visit(get(b"half")),
                lambda: visit(get(b"large")),
                lambda: visit(get(b"ok").replace(b"GET /lone", b"HEAD /storage")),
                lambda: visit(get(b"ok").replace(b"GET", b"DELETE")),
            ]
            await asyncio.wait_for(asyncio.gather(*(kind() for kind in kinds * 6)), 20)
            served = await stack.wait_for(Served, 48)
            assert len(served) == 48
            reads = sum(event.read for event in served)
            assert reads == 42
            assert accounted(stack) == reads
            reasons = {event.reason for event in stack.found(Skipped)}
            assert reasons == {"not_sampled", "client_gone", "upstream_error", "too_large", "fell_back"}
            assert stack.found(Crashed) == []


NAMED = (
    b"GET /lone HTTP/1.1\r\nHost: a\r\nx-request-id: r-1\r\nTRACEPARENT: 00-x\r\ntracestate:a=1 , b=2\r\n\r\n"
)


async def test_the_ids_of_request_and_trace_pass_as_they_are_and_none_is_added() -> None:
    async with scripted_upstream() as upstream, front_door(shadow_config(upstream.port)) as stack:
        await ask(stack, NAMED)
        await ask(stack, GET)
        assert [request.head for request in upstream.requests] == [NAMED, GET]
        served = await stack.wait_for(Served, 2)
        assert served[0].request.header(b"x-request-id") == b"r-1"
        assert [event.trace for event in served] == [None, None]


async def test_a_request_without_an_id_gets_one_where_that_is_configured() -> None:
    async with scripted_upstream() as upstream:
        config = replace(
            shadow_config(upstream.port), log=LogConfig(add_request_id=True, request_id="X-Call")
        )
        async with front_door(config, make_request_id=lambda: "made") as stack:
            await ask(stack, NAMED)
            await ask(stack, NAMED.replace(b"x-request-id", b"x-call"))
            first, second = upstream.requests
            assert first.head == NAMED.removesuffix(b"\r\n") + b"X-Call: made\r\n\r\n"
            assert second.head == NAMED.replace(b"x-request-id", b"x-call")
            (_, exchange), _ = stack.mirror.offers
            assert exchange.request.header(b"x-call") == b"made", "the engine is asked the same"


async def test_a_traced_request_takes_its_span_to_the_mirror_and_tells_when_each_side_was_asked() -> None:
    span = TraceParent("1" * 32, "2" * 16, True)
    async with (
        scripted_upstream() as upstream,
        front_door(shadow_config(upstream.port), trace=lambda request: span) as stack,
    ):
        await ask(stack)
        (served,) = await stack.wait_for(Served)
        ((_, exchange),) = stack.mirror.offers
        assert served.trace == exchange.trace == span
        start, end = served.upstream
        assert 0 <= start <= end <= served.seconds
        assert served.engine is None


async def test_tracing_that_fails_is_told_and_harms_no_client() -> None:
    def trace(request: Request) -> TraceParent | None:
        raise ValueError("secret")

    async with (
        scripted_upstream() as upstream,
        front_door(shadow_config(upstream.port), trace=trace) as stack,
    ):
        assert (await ask(stack)).status == 200
        assert stack.found(Crashed) == [Crashed("trace", "ValueError")]

"""The mirror where the engine has served the client: the same words, with the sides exchanged."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from proxy.errors import UpstreamRefused
from proxy.events import Event, Judged, SideAnswered
from proxy.messages import Answer, Exchange, Request
from proxy.server.comparing import Comparer
from proxy.server.mirror import Mirror
from proxy.server.settling import Settling
from proxy.shadow.policy import Decision
from proxy.trace import TraceParent
from tests.server.test_mirror import OTHER_ROWS, REQUEST, ROWS, Gatekeeper, believing, hearing, hung, limited
from tests.server.virtual_time import now, run

SERVED = Decision("storage", "canary", True, "engine", None)

AskUpstream = Callable[[Request, int], Awaitable[Answer]]


async def play(
    upstream: AskUpstream, served: Answer, trace: TraceParent | None = None
) -> tuple[list[Judged], list[Event]]:
    """Offer one read that the engine has answered in a quarter of a second, and wait for its end."""
    events: list[Event] = []
    keeper = Gatekeeper()
    settling = Settling(
        hearing(hung),
        Comparer(),
        believing,
        events.append,
        ask_upstream=upstream,
        clock=now,
    )
    mirror = Mirror(settling, keeper, events.append, concurrency=1, clock=now)
    mirror.open()
    mirror.offer(SERVED, Exchange(REQUEST, served, 0.25, trace), limited(timeout=2.0))
    await asyncio.sleep(5)
    await mirror.close()
    return [event for event in events if isinstance(event, Judged)], events


def answering(answer: Answer, seconds: float = 1.0) -> AskUpstream:
    async def ask(request: Request, room: int) -> Answer:
        assert request == REQUEST
        await asyncio.sleep(seconds)
        return answer

    return ask


async def refuse(request: Request, room: int) -> Answer:
    raise UpstreamRefused("no")


def test_the_upstream_is_asked_and_the_engine_is_not() -> None:
    (judged,), events = run(play(answering(ROWS), ROWS))
    assert (judged.verdict, judged.mode) == ("match", "canary")
    assert (judged.upstream_seconds, judged.engine_seconds) == (1.0, 0.25)
    assert SideAnswered("storage", "upstream", 1.0) in events


def test_the_version_and_the_status_are_the_upstreams_whoever_served() -> None:
    """Else every table that comes to the engine would lose its evidence, as by a new upstream."""
    named = ROWS._replace(status=206, headers=(*ROWS.headers, (b"Server", b"postgrest/14")))
    (judged,), _ = run(play(answering(named), ROWS))
    assert (judged.upstream_version, judged.status) == ("postgrest/14", 206)
    (judged,), _ = run(play(refuse, ROWS))
    assert (judged.upstream_version, judged.status) == ("", 200)


def test_a_difference_names_the_sides_as_they_are() -> None:
    (judged,), _ = run(play(answering(ROWS), OTHER_ROWS))
    assert judged.verdict == "mismatch"
    assert (judged.upstream, judged.engine) == (ROWS, OTHER_ROWS)
    assert [(one.upstream, one.engine) for one in judged.differences] == [("1", "2")]


@pytest.mark.parametrize("upstream", [refuse, answering(ROWS, seconds=3.0)])
def test_a_silent_upstream_says_nothing_about_the_engine(upstream: AskUpstream) -> None:
    (judged,), _ = run(play(upstream, ROWS))
    assert (judged.verdict, judged.detail) == ("inconclusive", "the upstream did not answer")


def test_a_verdict_on_a_traced_read_tells_its_span_who_was_asked_and_how_long_it_took() -> None:
    span = TraceParent("1" * 32, "2" * 16, True)
    (judged,), _ = run(play(answering(ROWS), ROWS, span))
    assert (judged.trace, judged.asked, judged.seconds) == (span, "upstream", 1.0)
    (untraced,), _ = run(play(answering(ROWS), ROWS))
    assert (untraced.trace, untraced.asked, untraced.seconds) == (None, None, 0.0)

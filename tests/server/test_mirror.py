"""The mirror: what fits is compared, what does not is shed, and nothing is lost or waited for."""

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVarTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config import CompareConfig, Config, IgnoreRule, ShadowConfig
from proxy.errors import ApiError, Unsupported, render_error
from proxy.events import (
    Crashed,
    Event,
    Judged,
    ReadAgain,
    RuleHit,
    Shed,
    ShedReason,
    SideAnswered,
    Verdict,
    VolatileFound,
)
from proxy.messages import Answer, Exchange, Request
from proxy.server.comparing import SMALL, Comparer, Pair
from proxy.server.failures import describe
from proxy.server.mirror import LATE, Mirror, wait_for_nobody
from proxy.server.proof import Proof
from proxy.server.settling import Check, Prove, Settling, check_nothing
from proxy.server.state import Snapshot
from proxy.server.witness import Witness
from proxy.shadow.compare import Comparison, compare
from proxy.shadow.policy import Decision, Names, Side
from tests.server.virtual_time import VirtualTimeLoop, now, run

ROWS = Answer(200, ((b"Content-Type", b"application/json"),), b'[{"id":1}]')
OTHER_ROWS = ROWS._replace(body=b'[{"id":2}]')
REQUEST = Request("GET", b"/storage?id=eq.1")
STORAGE = Names(("s",), frozenset({("s", "storage")}))

Engine = Callable[[Request, Snapshot], Awaitable[Answer]]

Given = TypeVarTuple("Given")


def limited(**limits: Any) -> Snapshot:
    return Snapshot(Config(shadow=ShadowConfig(**limits)), Names(), None)


def decision(table: str = "storage") -> Decision:
    return Decision(table, "shadow", True, "upstream", None)


async def fast(request: Request, snapshot: Snapshot) -> Answer:
    return ROWS


async def differing(request: Request, snapshot: Snapshot) -> Answer:
    return OTHER_ROWS


async def hung(request: Request, snapshot: Snapshot) -> Answer:
    await asyncio.get_running_loop().create_future()
    raise AssertionError("unreachable")


async def refusing(request: Request, snapshot: Snapshot) -> Answer:
    raise Unsupported("embedding")


async def raising(request: Request, snapshot: Snapshot) -> Answer:
    raise ValueError("SELECT secret FROM storage")


async def cancelling_itself(request: Request, snapshot: Snapshot) -> Answer:
    raise asyncio.CancelledError


async def impossible_to_cancel(request: Request, snapshot: Snapshot) -> Answer:
    for _ in range(100):
        try:
            await asyncio.sleep(1000.0)
        except asyncio.CancelledError:
            continue
    return ROWS


def answering(answer: Answer) -> Engine:
    async def engine(request: Request, snapshot: Snapshot) -> Answer:
        return answer

    return engine


def taking(seconds: float) -> Engine:
    async def engine(request: Request, snapshot: Snapshot) -> Answer:
        await asyncio.sleep(seconds)
        return ROWS

    return engine


@dataclass
class Gate:
    """An engine that answers when it is told to."""

    opened: asyncio.Event = field(default_factory=asyncio.Event)
    asked: int = 0
    answered: int = 0

    async def __call__(self, request: Request, snapshot: Snapshot) -> Answer:
        self.asked += 1
        await self.opened.wait()
        self.answered += 1
        return ROWS


@dataclass
class Stage:
    """A mirror with everything it said, in order."""

    mirror: Mirror
    events: list[Event]
    heard: asyncio.Event
    offered: int = 0

    def offer(
        self, snapshot: Snapshot | None = None, table: str = "storage", answer: Answer = ROWS, times: int = 1
    ) -> None:
        for _ in range(times):
            self.offered += 1
            self.mirror.offer(decision(table), Exchange(REQUEST, answer, 0.25), snapshot or limited())

    async def settled(self) -> None:
        """Wait until nothing is queued or in work."""
        while self.mirror.entries or self.mirror.in_flight:
            self.heard.clear()
            await self.heard.wait()

    @property
    def ends(self) -> Counter[str]:
        """How the offers ended: verdicts and reasons."""
        ends: Counter[str] = Counter()
        for event in self.events:
            if isinstance(event, Judged):
                ends[event.verdict] += 1
            elif isinstance(event, Shed):
                ends[event.reason] += 1
        return ends

    def assert_accounted(self) -> None:
        assert self.ends.total() == self.offered
        assert (self.mirror.entries, self.mirror.bytes, self.mirror.in_flight) == (0, 0, 0)
        assert self.mirror.oldest_seconds == 0.0


async def believing(request: Request, pair: Pair, snapshot: Snapshot) -> Proof:
    """Takes the first difference for proven."""
    return Proof("mismatch", compare(request, pair.upstream, pair.engine).differences, pair)


async def quiet() -> str:
    """The snapshot of a database that is well."""
    return "1:1:"


def hearing(engine: Engine) -> Witness:
    return Witness(engine, quiet, now)


@dataclass
class Gatekeeper:
    """A throttle that says ``reason`` to everybody, and adds up what was spent."""

    reason: ShedReason | None = None
    spent: float = 0.0

    def admit(self, served_by: Side, seconds: float, limits: ShadowConfig) -> ShedReason | None:
        return self.reason

    def spend(self, seconds: float) -> None:
        self.spent += seconds


def stage(
    engine: Engine,
    concurrency: int = 2,
    comparing: Callable[..., Comparison] = compare,
    prove: Prove = believing,
    throttle: Gatekeeper | None = None,
    check: Check = check_nothing,
    wait: Callable[[], Awaitable[None]] = wait_for_nobody,
) -> Stage:
    events: list[Event] = []
    heard = asyncio.Event()

    def listen(event: Event) -> None:
        events.append(event)
        heard.set()

    keeper = throttle or Gatekeeper()
    comparer = Comparer(comparing=comparing)
    settling = Settling(hearing(engine), comparer, prove, listen, check=check, clock=now)
    mirror = Mirror(settling, keeper, listen, concurrency=concurrency, wait=wait, clock=now)
    mirror.open()
    return Stage(mirror, events, heard)


async def play(engine: Engine, snapshot: Snapshot | None = None, answer: Answer = ROWS) -> Stage:
    """Offer one read, wait for its end, close."""
    scene = stage(engine)
    scene.offer(snapshot, answer=answer)
    await scene.settled()
    await scene.mirror.close()
    scene.assert_accounted()
    return scene


def judged(scene: Stage) -> Judged:
    (event,) = (event for event in scene.events if isinstance(event, Judged))
    return event


def test_equal_answers_are_a_match_with_both_times() -> None:
    scene = run(play(taking(0.5)))
    verdict = judged(scene)
    assert (verdict.table, verdict.verdict, verdict.upstream_seconds) == ("storage", "match", 0.25)
    assert verdict.engine_seconds == pytest.approx(0.5)
    assert verdict.request_line == "GET /storage?id=eq.1"
    assert scene.events[0] == SideAnswered("storage", "engine", verdict.engine_seconds)


def test_different_answers_are_a_mismatch_with_its_differences() -> None:
    verdict = judged(run(play(differing)))
    assert verdict.verdict == "mismatch"
    assert [(item.path, item.upstream, item.engine) for item in verdict.differences] == [
        ("$[0].id", "1", "2")
    ]


def test_a_refusal_is_unsupported_and_says_what() -> None:
    verdict = judged(run(play(refusing)))
    assert (verdict.verdict, verdict.detail) == ("unsupported", "embedding")


def test_an_error_is_failed_and_tells_its_kind_but_not_its_text() -> None:
    verdict = judged(run(play(raising)))
    assert (verdict.verdict, verdict.detail) == ("failed", "ValueError")


def test_an_error_for_the_client_is_an_answer_like_any_other() -> None:
    error = ApiError(404, "PGRST205", "Could not find the table")

    async def engine(request: Request, snapshot: Snapshot) -> Answer:
        raise error

    assert judged(run(play(engine, answer=render_error(error)))).verdict == "match"


def test_an_error_that_says_only_that_the_engine_cannot_answer_now_is_failed() -> None:
    async def engine(request: Request, snapshot: Snapshot) -> Answer:
        raise ApiError(504, "PGRST003", "Timed out acquiring connection from connection pool.")

    assert judged(run(play(engine))).verdict == "failed"


def test_a_hung_engine_fails_after_its_time_and_not_before() -> None:
    async def main() -> None:
        scene = stage(hung)
        scene.offer(limited(timeout=5.0))
        await asyncio.sleep(4.9)
        assert scene.mirror.in_flight == 1
        await asyncio.sleep(0.2)
        verdict = judged(scene)
        assert (verdict.verdict, verdict.detail) == ("failed", "timeout")
        await scene.mirror.close()
        scene.assert_accounted()

    run(main())


def test_what_rests_is_shed_and_what_failed_has_taken_its_time() -> None:
    async def main() -> None:
        keeper = Gatekeeper()
        scene = stage(hung, concurrency=1, throttle=keeper)
        scene.offer(limited(timeout=2.0), times=2)
        await scene.settled()
        assert scene.ends == {"failed": 1, "resting": 1}
        assert (keeper.spent, now()) == (2.0, 2.0)
        await scene.mirror.close()
        scene.assert_accounted()

    run(main())


def test_an_engine_that_cancels_itself_costs_no_worker() -> None:
    async def main() -> None:
        scene = stage(cancelling_itself, concurrency=1)
        scene.offer(times=3)
        await scene.settled()
        assert scene.ends == {"failed": 3}
        await scene.mirror.close()

    run(main())


def test_offering_returns_at_once_and_a_full_queue_sheds() -> None:
    async def main() -> None:
        gate = Gate()
        scene = stage(gate, concurrency=1)
        snapshot = limited(queue=3)
        scene.offer(snapshot)
        await asyncio.sleep(0)
        scene.offer(snapshot, times=8)
        assert (scene.mirror.in_flight, scene.mirror.entries, now()) == (1, 3, 0.0)
        assert scene.ends == {"queue": 5}
        gate.opened.set()
        await scene.settled()
        assert scene.ends == {"queue": 5, "match": 4}
        assert gate.asked == gate.answered == 4
        await scene.mirror.close()
        scene.assert_accounted()

    run(main())


def test_what_would_exceed_the_bytes_is_shed_and_reads_in_work_count() -> None:
    async def main() -> None:
        size = Exchange(REQUEST, ROWS, 0.0).size
        scene = stage(hung, concurrency=1)
        snapshot = limited(queue_bytes=3 * size, timeout=1.0)
        scene.offer(snapshot, times=4)
        await asyncio.sleep(0)
        assert scene.mirror.in_flight == 1
        assert scene.mirror.bytes == 3 * size
        scene.offer(snapshot)
        assert scene.ends == {"bytes": 2}
        await scene.settled()
        await scene.mirror.close()
        scene.assert_accounted()

    run(main())


def test_a_read_that_waited_too_long_is_shed_without_asking_the_engine() -> None:
    async def main() -> None:
        gate = Gate()
        scene = stage(gate, concurrency=1)
        scene.offer(limited(timeout=10.0))
        scene.offer(limited(timeout=1.0))
        await asyncio.sleep(2.0)
        assert scene.mirror.oldest_seconds == pytest.approx(2.0)
        gate.opened.set()
        await scene.settled()
        assert scene.ends == {"match": 1, "deadline": 1}
        assert gate.asked == 1
        await scene.mirror.close()
        scene.assert_accounted()

    run(main())


def test_hung_reads_do_not_stop_the_other_workers() -> None:
    async def engine(request: Request, snapshot: Snapshot) -> Answer:
        hangs = request.target == b"/hung"
        return await (hung if hangs else fast)(request, snapshot)

    async def main() -> None:
        scene = stage(engine, concurrency=2)
        scene.offered += 1
        scene.mirror.offer(decision(), Exchange(Request("GET", b"/hung"), ROWS, 0.1), limited())
        scene.offer(times=50)
        await asyncio.sleep(2 * LATE)
        assert scene.ends == {"match": 50}
        assert scene.mirror.in_flight == 1
        await scene.mirror.close()
        assert scene.ends == {"match": 50, "shutdown": 1}
        scene.assert_accounted()

    run(main())


def test_one_read_follows_the_other_as_long_as_that_keeps_up() -> None:
    async def main() -> None:
        busiest = 0

        async def engine(request: Request, snapshot: Snapshot) -> Answer:
            nonlocal busiest
            busiest = max(busiest, scene.mirror.in_flight)
            return await taking(LATE / 4)(request, snapshot)

        scene = stage(engine, concurrency=4)
        for _ in range(20):
            scene.offer(times=3)
            await asyncio.sleep(LATE)
        assert busiest == 1
        await scene.settled()
        await scene.mirror.close()
        scene.assert_accounted()

    run(main())


def test_what_is_late_is_begun_beside_others_and_the_later_the_more() -> None:
    async def main() -> None:
        gate = Gate()
        scene = stage(gate, concurrency=4)
        scene.offer(times=6)
        seen = []
        for _ in range(5):
            await asyncio.sleep(LATE / 2)
            seen.append(scene.mirror.in_flight)
            await asyncio.sleep(LATE / 2)
        assert seen == [1, 2, 3, 4, 4]
        gate.opened.set()
        await scene.settled()
        assert now() == pytest.approx(5 * LATE)
        await scene.mirror.close()
        scene.assert_accounted()

    run(main())


class HastyLoop(VirtualTimeLoop):
    """Its timers are early by a part of a millisecond, as uvloop's may be; to set one takes some time."""

    timers = 0

    def call_at(
        self,
        when: float,
        callback: Callable[[*Given], object],
        *args: *Given,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        self.timers += 1
        self.jumping.now += 0.00001
        return super().call_at(when - 0.0004, callback, *args, context=context)


def test_a_timer_that_is_early_is_not_set_again_and_again_for_no_time() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, HastyLoop)
        scene = stage(hung, concurrency=2)
        scene.offer(times=2)
        await asyncio.sleep(2 * LATE)
        assert scene.mirror.in_flight == 2
        assert loop.timers < 10
        await scene.mirror.close()
        scene.assert_accounted()

    with asyncio.Runner(loop_factory=HastyLoop) as runner:
        runner.run(main())


@pytest.mark.parametrize(
    ("limits", "begun"),
    [({}, 1), ({"queue": 7}, 3), ({"queue_bytes": 11 * Exchange(REQUEST, ROWS, 0.0).size}, 4)],
)
def test_nothing_waits_until_there_is_no_room_for_more(limits: dict[str, int], begun: int) -> None:
    async def main() -> None:
        gate = Gate()
        scene = stage(gate, concurrency=4)
        scene.offer(limited(**limits), times=6)
        await asyncio.sleep(0.001)
        assert scene.mirror.in_flight == begun
        gate.opened.set()
        await scene.settled()
        await scene.mirror.close()
        scene.assert_accounted()

    run(main())


def test_nothing_waits_until_it_is_too_late() -> None:
    async def main() -> None:
        scene = stage(hung, concurrency=4)
        scene.offer(limited(timeout=LATE), times=2)
        await asyncio.sleep(0.6 * LATE)
        assert scene.mirror.in_flight == 2
        await scene.mirror.close()
        scene.assert_accounted()

    run(main())


def test_the_limits_of_a_reload_apply_to_the_next_read() -> None:
    async def main() -> None:
        scene = stage(hung, concurrency=1)
        scene.offer(limited(queue=5), times=3)
        await asyncio.sleep(0)
        scene.offer(limited(queue=1))
        assert scene.ends == {"queue": 1}
        scene.offer(limited(queue=5))
        assert scene.mirror.entries == 3
        await scene.mirror.close()
        scene.assert_accounted()

    run(main())


def test_closing_lets_work_finish_and_sheds_what_waits() -> None:
    async def main() -> None:
        scene = stage(taking(0.5), concurrency=2)
        scene.offer(times=5)
        await asyncio.sleep(0.1)
        await scene.mirror.close(grace=1.0)
        assert scene.ends == {"match": 2, "shutdown": 3}
        assert now() == pytest.approx(0.5 + LATE)
        scene.offer()
        assert scene.ends == {"match": 2, "shutdown": 4}
        scene.assert_accounted()

    run(main())


@pytest.mark.parametrize("engine", [hung, impossible_to_cancel])
def test_closing_takes_no_longer_than_its_grace_whatever_the_engine_does(engine: Engine) -> None:
    async def main() -> None:
        scene = stage(engine, concurrency=2)
        scene.offer(limited(timeout=100.0), times=5)
        await asyncio.sleep(0)
        await scene.mirror.close(grace=1.0)
        assert now() <= 2.0
        assert scene.ends == {"shutdown": 5}
        scene.assert_accounted()

    run(main())


def test_what_ends_after_the_mirror_was_closed_is_not_counted_again() -> None:
    async def main() -> None:
        late = asyncio.Event()

        async def stubborn(request: Request, snapshot: Snapshot) -> Answer:
            while not late.is_set():
                try:
                    await late.wait()
                except asyncio.CancelledError:
                    continue
            return ROWS

        scene = stage(stubborn, concurrency=1)
        scene.offer(limited(timeout=100.0))
        await asyncio.sleep(0)
        await scene.mirror.close(grace=0.1)
        scene.assert_accounted()
        late.set()
        await asyncio.sleep(1.0)
        scene.assert_accounted()

    run(main())


def test_closing_that_is_itself_cancelled_still_accounts_for_everything() -> None:
    async def main() -> None:
        scene = stage(hung, concurrency=2)
        scene.offer(limited(timeout=100.0), times=5)
        await asyncio.sleep(0)
        closing = asyncio.create_task(scene.mirror.close(grace=10.0))
        await asyncio.sleep(1.0)
        closing.cancel()
        await asyncio.wait({closing})
        assert scene.ends == {"shutdown": 5}
        scene.assert_accounted()

    run(main())


def test_a_fault_in_comparing_is_caught_counted_and_over() -> None:
    def broken(*_: object, **__: object) -> Comparison:
        raise RuntimeError("row 5 says secret")

    async def main() -> None:
        scene = stage(fast, comparing=broken)
        scene.offer(times=3)
        await scene.settled()
        await scene.mirror.close()
        assert scene.ends == {"failed": 3}
        assert scene.events.count(Crashed("mirror", "RuntimeError")) == 3
        assert "secret" not in repr(scene.events)
        scene.assert_accounted()

    run(main())


def test_a_read_is_begun_when_a_turn_has_come_and_one_that_is_late_takes_none() -> None:
    turns: list[float] = []

    async def wait() -> None:
        await asyncio.sleep(1.0)
        turns.append(now())

    async def main() -> None:
        scene = stage(fast, concurrency=1, wait=wait)
        for number in range(6):
            scene.offer(limited(timeout=2.5 if number < 4 else 10.0))
        await scene.settled()
        scene.assert_accounted()
        assert [type(event) for event in scene.events if isinstance(event, Judged | Shed)] == [
            *(Judged, Judged, Shed, Shed, Judged, Judged)
        ]
        assert turns == [1.0, 2.0, 3.0, 4.0]
        await scene.mirror.close()

    run(main())


def test_one_worker_at_a_time_waits_for_a_turn() -> None:
    async def main() -> None:
        waiting, most = 0, 0

        async def wait() -> None:
            nonlocal waiting, most
            waiting += 1
            most = max(most, waiting)
            await asyncio.sleep(0.1)
            waiting -= 1

        scene = stage(taking(1.0), concurrency=4, wait=wait)
        scene.offer(times=4)
        await asyncio.sleep(0.5)
        assert (most, scene.mirror.in_flight) == (1, 4)
        await scene.settled()
        await scene.mirror.close()
        scene.assert_accounted()

    run(main())


def test_closing_waits_for_no_turn() -> None:
    async def main() -> None:
        scene = stage(fast, concurrency=1, wait=asyncio.get_running_loop().create_future)
        scene.offer()
        await asyncio.sleep(0.1)
        await scene.mirror.close()
        scene.assert_accounted()
        assert [event.reason for event in scene.events if isinstance(event, Shed)] == ["shutdown"]

    run(main())


def test_a_listener_that_fails_stops_neither_the_client_nor_the_workers() -> None:
    heard: list[Event] = []

    def failing(event: Event) -> None:
        heard.append(event)
        raise OSError("disk full")

    async def main() -> None:
        keeper = Gatekeeper()
        settling = Settling(hearing(fast), Comparer(), believing, failing, clock=now)
        mirror = Mirror(settling, keeper, failing, concurrency=1, clock=now)
        mirror.open()
        for _ in range(3):
            mirror.offer(decision(), Exchange(REQUEST, ROWS, 0.1), limited(queue=2))
        await asyncio.sleep(0.1)
        await mirror.close()
        assert (mirror.entries, mirror.bytes, mirror.in_flight) == (0, 0, 0)

    run(main())
    assert sum(isinstance(event, Judged | Shed) for event in heard) == 3


def test_large_bodies_that_differ_are_compared_in_another_thread() -> None:
    threads: list[bool] = []

    def watching(*arguments: Any, **options: Any) -> Comparison:
        threads.append(threading.current_thread() is threading.main_thread())
        return compare(*arguments, **options)

    async def main() -> None:
        large = ROWS._replace(body=b"[" + b" " * SMALL + b"1]")
        longer = large._replace(body=large.body + b" ")
        for upstream, engine in ((ROWS, ROWS), (large, large), (longer, large)):
            scene = stage(answering(engine), comparing=watching)
            scene.offer(answer=upstream)
            await scene.settled()
            await scene.mirror.close()
            assert scene.ends == {"match": 1}

    run(main())
    assert threads == [True, True, False]


@pytest.mark.parametrize("verdict", ["race", "inconclusive", "volatile"])
def test_what_the_prover_says_is_the_verdict_and_a_first_difference_is_none(verdict: Verdict) -> None:
    async def doubting(request: Request, pair: Pair, snapshot: Snapshot) -> Proof:
        return Proof(verdict, detail="why", upstream_seconds=0.5, engine_seconds=0.25)

    async def main() -> None:
        scene = stage(differing, prove=doubting)
        scene.offer()
        await scene.settled()
        await scene.mirror.close()
        event = judged(scene)
        assert (event.verdict, event.detail, event.differences) == (verdict, "why", ())
        assert (event.request, event.upstream, event.engine, event.signature) == (None, None, None, "")
        assert ReadAgain("storage", 0.5, 0.25) in scene.events

    run(main())


def test_a_mismatch_has_its_shape_its_signature_and_the_answers_that_show_it() -> None:
    event = judged(run(play(differing)))
    assert event.shape == "GET storage?id=eq.*"
    assert event.signature == "storage GET 2xx json: body $[*].id value"
    assert (event.request, event.upstream, event.engine) == (REQUEST, ROWS, OTHER_ROWS)


def test_every_other_verdict_has_its_shape_and_no_answers() -> None:
    event = judged(run(play(fast)))
    assert (event.shape, event.signature, event.request) == ("GET storage?id=eq.*", "", None)


@pytest.mark.parametrize("reason", ["budget", "breaker", "paused"])
def test_what_the_throttle_does_not_admit_is_shed_without_asking_the_engine(reason: ShedReason) -> None:
    async def main() -> None:
        gate = Gate()
        scene = stage(gate, throttle=Gatekeeper(reason))
        scene.offer(times=3)
        assert scene.ends == {reason: 3}
        await scene.mirror.close()
        scene.assert_accounted()
        assert gate.asked == 0

    run(main())


def test_the_rules_that_were_hit_are_told_and_what_they_excuse_is_a_match() -> None:
    rule = IgnoreRule("they count", date(2100, 1, 1), table="storage", path="id")
    config = Config(compare=CompareConfig(ignore=(rule,)))
    names = Names(("dlm",), frozenset({("dlm", "storage")}))
    scene = run(play(differing, Snapshot(config, names, None)))
    assert judged(scene).verdict == "match"
    assert RuleHit("storage", "storage: id") in scene.events


def test_volatile_fields_are_proposed_as_rules() -> None:
    async def seeing(request: Request, pair: Pair, snapshot: Snapshot) -> Proof:
        return Proof("volatile", volatile=frozenset({("row", "seen"), ("headers", "x-id"), ("status",)}))

    async def main() -> None:
        scene = stage(differing, prove=seeing)
        scene.offer()
        await scene.settled()
        await scene.mirror.close()
        shape = "GET storage?id=eq.*"
        assert [event for event in scene.events if isinstance(event, VolatileFound)] == [
            VolatileFound("storage", shape, header="x-id"),
            VolatileFound("storage", shape, path="seen"),
        ]

    run(main())


def test_a_match_is_checked_and_a_fault_of_the_check_changes_no_verdict() -> None:
    checked: list[str] = []

    async def failing(table: str, request: Request, pair: Pair, snapshot: Snapshot) -> None:
        checked.append(table)
        raise KeyError("secret")

    async def hanging(table: str, request: Request, pair: Pair, snapshot: Snapshot) -> None:
        await asyncio.get_running_loop().create_future()

    async def main() -> None:
        for check in (failing, hanging):
            scene = stage(fast, check=check)
            scene.offer(times=2)
            await scene.settled()
            await scene.mirror.close()
            assert scene.ends == {"match": 2}
        assert checked == ["storage", "storage"]

    run(main())


def test_the_request_line_is_short_and_printable() -> None:
    async def main() -> Stage:
        scene = stage(fast)
        request = Request("GET", b"/\xff\n" + b"x" * 10_000)
        scene.offered += 1
        scene.mirror.offer(decision(), Exchange(request, ROWS, 0.1), limited())
        await scene.settled()
        await scene.mirror.close()
        return scene

    line = judged(run(main())).request_line
    assert len(line) < 2100
    assert line.startswith("GET /\\xff")
    assert line.isascii()


def test_an_error_is_described_by_its_class_and_its_causes_class() -> None:
    error = ValueError("password=x")
    error.__cause__ = ConnectionError("at secret host")
    assert describe(error) == "ValueError from ConnectionError"


ENGINES: dict[str, Engine] = {
    "fast": fast,
    "differing": differing,
    "hung": hung,
    "refusing": refusing,
    "raising": raising,
    "cancelling": cancelling_itself,
    "slow": taking(0.7),
    "too slow": taking(3.0),
}

steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("offer"), st.sampled_from(sorted(ENGINES)), st.sampled_from(["storage", "location"])
        ),
        st.tuples(st.just("wait"), st.sampled_from([0.0, 0.001, 0.5, 2.0]), st.just("")),
        st.tuples(st.just("reload"), st.sampled_from([0, 1, 4]), st.just("")),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(steps, st.integers(1, 3), st.sampled_from([0.0, 0.1, 5.0]), st.booleans())
def test_every_offer_of_every_table_ends_exactly_once(
    script: list[tuple[str, Any, str]], concurrency: int, grace: float, fails: bool
) -> None:
    async def engine(request: Request, snapshot: Snapshot) -> Answer:
        return await ENGINES[request.target.decode()](request, snapshot)

    def comparing(*arguments: Any, **options: Any) -> Comparison:
        if fails:
            raise KeyError("a fault")
        return compare(*arguments, **options)

    async def main() -> None:
        scene = stage(engine, concurrency, comparing)
        offered: Counter[str] = Counter()
        snapshot = limited(queue=4, queue_bytes=9000, timeout=1.0)
        for step, argument, table in script:
            if step == "offer":
                offered[table] += 1
                exchange = Exchange(Request("GET", argument.encode()), ROWS, 0.1)
                scene.mirror.offer(decision(table), exchange, snapshot)
            elif step == "wait":
                await asyncio.sleep(argument)
            else:
                snapshot = limited(queue=argument, queue_bytes=3000 * (argument + 1), timeout=1.0)
            assert scene.mirror.bytes <= 15_000
            assert scene.mirror.in_flight <= concurrency
            pending = scene.mirror.entries + scene.mirror.in_flight
            assert scene.ends.total() + pending == offered.total()
        await scene.mirror.close(grace)
        ended = Counter(event.table for event in scene.events if isinstance(event, Judged | Shed))
        assert ended == offered
        assert (scene.mirror.entries, scene.mirror.bytes, scene.mirror.in_flight) == (0, 0, 0)

    run(main())

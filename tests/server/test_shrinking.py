"""Mismatches are shrunk one at a time, in bounds, by asking both sides."""

import asyncio
from collections.abc import Callable, Sequence

from proxy.difference import Difference
from proxy.events import Crashed, Event, MismatchOpened, MismatchShrunk
from proxy.messages import Request
from proxy.server.shrinking import MAX_WAITING, PAUSE, REST, FindDifferences, Shrinker

URI = (Difference("body", "$[3].uri", "a", "b"),)
KIND = (Difference("body", "$[0].storage.kind", "a", "b"),)
STATUS = (Difference("status", "", "200", "500"), *URI)
NOTHING: tuple[Difference, ...] = ()
REQUEST = Request("GET", b"/storage?select=uid,uri,kind&limit=64&order=uid")


class Clock:
    """Seconds that pass with each question and with each rest."""

    def __init__(self, seconds_each: float = 0.1) -> None:
        self.now = 0.0
        self.asked: list[Request] = []
        self.rested: list[float] = []
        self._each = seconds_each

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.rested.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def asking(self, judge: Callable[[Request], Sequence[Difference]]) -> FindDifferences:
        async def find(table: str, request: Request) -> Sequence[Difference]:
            self.asked.append(request)
            self.now += self._each
            return judge(request)

        return find


def make(clock: Clock, find: FindDifferences, events: list[Event], **limits: float) -> Shrinker:
    tries, seconds = int(limits.get("max_tries", 200)), limits.get("max_seconds", 60.0)
    return Shrinker(find, events.append, clock=clock, sleep=clock.sleep, max_tries=tries, max_seconds=seconds)


def shows_uri(request: Request) -> Sequence[Difference]:
    return URI if b"uri" in request.target else NOTHING


async def test_the_smallest_request_that_shows_it_is_found() -> None:
    clock = Clock()
    found = await make(clock, clock.asking(shows_uri), []).shrink("storage", REQUEST)
    assert found == (Request("GET", b"/storage?select=uri&limit=1"), len(clock.asked))
    assert len(clock.asked) < 20


async def test_what_does_not_show_again_is_left() -> None:
    clock = Clock()
    assert await make(clock, clock.asking(lambda _: NOTHING), []).shrink("storage", REQUEST) is None
    assert len(clock.asked) == 1


async def test_a_request_that_differs_in_another_aspect_is_another_fault() -> None:
    def judge(request: Request) -> Sequence[Difference]:
        if b"limit" not in request.target:
            return STATUS
        return shows_uri(request)

    clock = Clock()
    found = await make(clock, clock.asking(judge), []).shrink("storage", REQUEST)
    assert found is not None
    assert found[0].target == b"/storage?select=uri&limit=1"


async def test_a_request_that_differs_in_another_place_is_another_fault() -> None:
    def judge(request: Request) -> Sequence[Difference]:
        return URI if b"uri" in request.target else KIND

    clock = Clock()
    found = await make(clock, clock.asking(judge), []).shrink("storage", REQUEST)
    assert found is not None
    assert found[0].target == b"/storage?select=uri&limit=1"


async def test_tries_and_time_are_bounded() -> None:
    clock = Clock()
    found = await make(clock, clock.asking(shows_uri), [], max_tries=5).shrink("storage", REQUEST)
    assert found is not None
    assert found[1] == len(clock.asked) == 5
    slow = Clock(seconds_each=10.0)
    await make(slow, slow.asking(shows_uri), [], max_seconds=45.0).shrink("storage", REQUEST)
    assert len(slow.asked) == 2


async def test_it_rests_longer_than_it_worked() -> None:
    clock = Clock(seconds_each=0.25)
    await make(clock, clock.asking(shows_uri), []).shrink("storage", REQUEST)
    assert clock.rested == [REST * 0.25] * len(clock.asked)


async def run_until(shrinker: Shrinker, done: Callable[[], bool]) -> None:
    task = asyncio.create_task(shrinker.keep())
    for _ in range(100_000):
        if done():
            break
        await asyncio.sleep(0)
    task.cancel()
    assert done()


async def test_each_is_shrunk_once_and_told() -> None:
    clock, events = Clock(0.0), list[Event]()
    shrinker = make(clock, clock.asking(shows_uri), events)
    for _ in range(3):
        shrinker.listen(MismatchOpened("storage", "uri", REQUEST))
    shrinker.listen(MismatchOpened("storage", "other", REQUEST))
    await run_until(shrinker, lambda: len(events) == 2)
    assert [event.signature for event in events if isinstance(event, MismatchShrunk)] == ["uri", "other"]
    clock.now = 61.0
    shrinker.listen(MismatchOpened("storage", "uri", REQUEST))
    await run_until(shrinker, lambda: len(events) == 3)


async def test_few_wait_and_only_one_is_in_work() -> None:
    clock, events = Clock(0.0), list[Event]()
    at_once = most = 0

    async def find(table: str, request: Request) -> Sequence[Difference]:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1
        return shows_uri(request)

    shrinker = make(clock, find, events)
    for number in range(3 * MAX_WAITING):
        shrinker.listen(MismatchOpened("storage", f"kind {number}", REQUEST))
    await run_until(shrinker, lambda: len(events) == MAX_WAITING)
    assert most == 1


async def test_writes_are_never_repeated() -> None:
    clock, events = Clock(0.0), list[Event]()
    shrinker = make(clock, clock.asking(shows_uri), events)
    shrinker.listen(MismatchOpened("storage", "write", Request("POST", b"/rpc/f")))
    shrinker.listen(MismatchOpened("storage", "read", REQUEST))
    await run_until(shrinker, lambda: bool(events))
    assert {request.method for request in clock.asked} == {"GET"}


async def test_a_fault_of_ours_ends_one_search_and_not_the_next() -> None:
    clock, events = Clock(0.0), list[Event]()

    async def find(table: str, request: Request) -> Sequence[Difference]:
        if not clock.asked:
            clock.asked.append(request)
            raise ValueError("a secret value")
        return shows_uri(request)

    finding: FindDifferences = find
    shrinker = make(clock, finding, events)
    for name in ("first", "second"):
        shrinker.listen(MismatchOpened("storage", name, REQUEST))
    await run_until(shrinker, lambda: len(events) == 2)
    assert events[0] == Crashed("shrinking", "ValueError")
    assert isinstance(events[1], MismatchShrunk)


async def test_nothing_is_asked_while_the_mirror_is_held_back() -> None:
    clock, answers = Clock(), [False, False, True]
    shrinker = Shrinker(
        clock.asking(lambda _: NOTHING),
        list[Event]().append,
        clock=clock,
        sleep=clock.sleep,
        may_ask=lambda: answers.pop(0) if answers else True,
    )
    assert await shrinker.shrink("storage", REQUEST) is None
    assert clock.rested[:2] == [PAUSE, PAUSE]

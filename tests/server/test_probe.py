"""Probes: the upstream is asked twice at one moment, once for each shape, and only what it says is told."""

import asyncio
from dataclasses import dataclass, field
from itertools import cycle

from proxy.config import CompareConfig, Config
from proxy.errors import UpstreamRefused
from proxy.events import Event, ReadAgain, VolatileFound
from proxy.messages import Answer, Request
from proxy.server.comparing import Comparer
from proxy.server.probe import Probe
from proxy.server.state import Snapshot
from proxy.shadow.policy import Names

SNAPSHOT = Snapshot(Config(compare=CompareConfig(probes=10.0)), Names(), None)
REQUEST = Request("GET", b"/storage?id=eq.1")


def rows(moment: int) -> Answer:
    headers = ((b"Content-Type", b"application/json"), (b"X-Id", b"%d" % moment))
    return Answer(200, headers, b'[{"id":1,"now":%d,"v":5}]' % moment)


@dataclass
class Scene:
    answers: tuple[Answer, ...] = (rows(1), rows(2))
    snapshots: tuple[str, ...] = ("same",)
    roll: float = 0.0
    fails: bool = False
    asked: int = 0
    events: list[Event] = field(default_factory=list)

    def probe(self, *requests: Request) -> list[Event]:
        answers, snapshots = cycle(self.answers), cycle(self.snapshots)

        async def ask(request: Request, room: int) -> Answer:
            self.asked += 1
            if self.fails:
                raise UpstreamRefused("gone")
            return next(answers)

        async def read_snapshot() -> str:
            return next(snapshots)

        async def main() -> None:
            probe = Probe(
                ask, read_snapshot, Comparer(), self.events.append, roll=lambda: self.roll, clock=lambda: 0.0
            )
            for request in requests or (REQUEST,):
                await probe("storage", request, SNAPSHOT)

        asyncio.run(main())
        return [event for event in self.events if isinstance(event, VolatileFound)]


def test_what_differs_at_one_moment_is_told() -> None:
    assert Scene().probe() == [
        VolatileFound("storage", "GET storage?id=eq.*", header="x-id"),
        VolatileFound("storage", "GET storage?id=eq.*", path="now"),
    ]


def test_what_was_written_in_between_is_not() -> None:
    scene = Scene(snapshots=("one", "other"))
    assert scene.probe() == []
    # The shape's turn comes again.
    assert scene.probe(REQUEST, REQUEST) == []
    assert scene.asked == 6


def test_an_upstream_that_agrees_with_itself_has_nothing_volatile() -> None:
    assert Scene(answers=(rows(1),)).probe() == []


def test_each_shape_is_probed_once() -> None:
    scene = Scene()
    scene.probe(REQUEST, Request("GET", b"/storage?id=eq.2"), Request("GET", b"/storage?v=eq.2"))
    assert scene.asked == 4


def test_only_the_configured_share_is_probed() -> None:
    scene = Scene(roll=10.0)
    scene.probe()
    assert scene.asked == 0


def test_an_upstream_that_fails_is_left_alone() -> None:
    scene = Scene(fails=True)
    assert scene.probe() == []
    assert scene.events == [ReadAgain("storage", 0.0, 0.0)]

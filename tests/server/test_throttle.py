"""The throttle: what it asks before a read is mirrored, in which order."""

from dataclasses import dataclass

from proxy.config import ShadowConfig
from proxy.events import ReadAgain
from proxy.server.throttle import Throttle
from proxy.shadow.policy import Side

LIMITED = ShadowConfig(budget=0.5)


@dataclass
class World:
    now: float = 0.0
    waiting: int = 0

    def throttle(self) -> Throttle:
        return Throttle(lambda: self.now, lambda: self.waiting)


def test_without_a_budget_everything_is_admitted() -> None:
    throttle = World().throttle()
    throttle.spend(1000.0)
    assert throttle.admit("upstream", 0.1, ShadowConfig()) is None


def test_a_budget_that_is_spent_sheds_until_it_is_earned_again() -> None:
    world = World()
    throttle = world.throttle()
    world.now = 1.0
    assert throttle.admit("upstream", 0.1, LIMITED) is None
    throttle.spend(1.0)
    assert throttle.admit("upstream", 0.1, LIMITED) == "budget"
    world.now = 2.0
    assert throttle.admit("upstream", 0.1, LIMITED) == "budget"
    world.now = 2.1
    assert throttle.admit("upstream", 0.1, LIMITED) is None


def test_what_proving_took_is_spent_too() -> None:
    world = World()
    throttle = world.throttle()
    world.now = 1.0
    throttle.listen(ReadAgain("storage", 0.3, 0.3))
    assert throttle.admit("upstream", 0.1, LIMITED) == "budget"
    world.now = 1.3
    assert throttle.admit("upstream", 0.1, LIMITED) is None


def test_a_budget_in_a_reloaded_configuration_counts_at_once() -> None:
    throttle = World(now=0.0).throttle()
    throttle.spend(5.0)
    assert throttle.admit("upstream", 0.1, ShadowConfig()) is None
    assert throttle.admit("upstream", 0.1, LIMITED) == "budget"


def test_an_operator_comes_before_everything() -> None:
    throttle = World().throttle()
    throttle.spend(5.0)
    throttle.paused = True
    assert throttle.admit("upstream", 0.1, LIMITED) == "paused"
    throttle.paused = False
    assert throttle.admit("upstream", 0.1, LIMITED) == "budget"


def test_waiting_clients_stop_it_and_reads_are_still_counted_while_it_is_stopped() -> None:
    world = World(waiting=2)
    throttle = world.throttle()
    assert throttle.admit("upstream", 0.1, ShadowConfig()) is None
    world.now = 2.0
    assert throttle.admit("upstream", 0.1, ShadowConfig()) == "breaker"
    assert throttle.stopped
    world.waiting, world.now = 0, 20.0
    assert throttle.admit("upstream", 0.1, ShadowConfig()) is None
    assert not throttle.stopped


def test_an_engine_that_is_slower_than_the_upstream_is_not_taken_for_trouble() -> None:
    """A table that comes to the engine brings other latencies with it; only their own rise counts."""
    world = World()
    throttle = world.throttle()
    sides: tuple[tuple[Side, float], ...] = (("upstream", 0.06), ("engine", 0.6))
    for side, seconds in sides:
        for _ in range(400):
            world.now += 0.1
            assert throttle.admit(side, seconds, ShadowConfig()) is None
    for _ in range(100):
        world.now += 0.1
        throttle.admit("engine", 6.0, ShadowConfig())
    assert throttle.stopped
    assert throttle.admit("upstream", 0.06, ShadowConfig()) == "breaker"

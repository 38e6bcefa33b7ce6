"""A little of ``make fuzz``, and proof that it finds what there is to find."""

import pytest

from proxy.config import EngineConfig
from proxy.engine.schema import Schema
from tests.engine.random.world import World
from tests.fuzz.run import HANG, play
from tests.fuzz.targets import Target, make_targets

NAMES = list(make_targets(Schema(), EngineConfig()))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_found_in_some_hundred_inputs(observatory: World, name: str) -> None:
    targets = make_targets(observatory.schema, observatory.options)
    result = play(name, targets[name], seed=0, inputs=500, seconds=60)
    assert result.faults == []
    assert result.inputs == 500
    assert result.slowest < HANG


def test_an_input_that_breaks_a_promise_is_told_with_what_makes_it_again() -> None:
    def check(number: int) -> None:
        assert number != 7

    result = play("numbers", Target(lambda dice: dice.randrange(10), check), seed=3, inputs=500, seconds=60)
    assert result.faults
    assert result.faults[0].startswith("numbers/3/")


def test_an_input_that_hangs_is_ended() -> None:
    def check(_: int) -> None:
        while True:
            pass

    result = play("loop", Target(lambda dice: 0, check), seed=0, inputs=1, seconds=60)
    assert "Hang" in result.faults[0]

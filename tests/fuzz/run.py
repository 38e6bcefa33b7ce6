"""Play one target for so many inputs, each made from the number of its round."""

import gc
import resource
import signal
import time
from dataclasses import dataclass, field
from random import Random
from types import FrameType

from tests.fuzz.targets import Target

HANG = 1.0
"""Seconds of this process's own time that one input may take: other processes' load does not count."""

_ROUND = 500
_MOST_FAULTS = 20


@dataclass(slots=True)
class Result:
    """What came of it. ``seconds`` are of the processor, ``growth`` is in bytes since a fifth was played."""

    inputs: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    growth: int = 0
    faults: list[str] = field(default_factory=list)


class Hang(Exception):
    """One input has taken too long."""


class Watch:
    """Raises ``Hang`` into an input that is still the same one when a second of processor time is over."""

    def __init__(self) -> None:
        self.number = -1
        self._seen = -1

    def __enter__(self) -> "Watch":
        self._before = signal.signal(signal.SIGVTALRM, self._look)
        signal.setitimer(signal.ITIMER_VIRTUAL, HANG, HANG)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, self._before)

    def _look(self, number: int, frame: FrameType | None) -> None:
        hangs, self._seen = self._seen == self.number, self.number
        if hangs:
            raise Hang


def play(name: str, target: Target, seed: int, inputs: int, seconds: float) -> Result:
    """Play until ``inputs`` or ``seconds`` of wall time are used up, or too much was found."""
    result = Result()
    began, worked = time.monotonic(), time.process_time()
    dice = Random()
    settled = 0
    with Watch() as watch:
        while result.inputs < inputs and time.monotonic() - began < seconds:
            for number in range(result.inputs, min(result.inputs + _ROUND, inputs)):
                dice.seed(f"{name}/{seed}/{number}")
                made = target.make(dice)
                watch.number = number
                started = time.process_time()
                try:
                    target.check(made)
                except Exception as error:
                    result.faults.append(f"{name}/{seed}/{number}: {error!r:.300} for {made!r:.600}")
                result.slowest = max(result.slowest, time.process_time() - started)
            result.inputs = number + 1
            if len(result.faults) > _MOST_FAULTS:
                break
            if not settled and result.inputs >= inputs / 5:
                settled = _memory()
    result.seconds = time.process_time() - worked
    result.growth = _memory() - (settled or _memory())
    return result


def _memory() -> int:
    """The most memory that this process has had so far."""
    gc.collect()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

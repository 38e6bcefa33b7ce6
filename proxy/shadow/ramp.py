"""The steps of a promotion: how much of a table's reads the engine answers, and from when on."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias

Promoted: TypeAlias = Literal["canary", "engine"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step: ``after`` seconds from the start, the mode, and in ``canary`` the share in percent."""

    after: float
    mode: Promoted
    share: float | None = None


def plan_steps(to: Promoted, shares: Sequence[float], every: float) -> tuple[Step, ...]:
    """The steps of a ramp over ``shares``, one ``every`` so many seconds, to a canary or to the engine.

    Without shares there is one step. Raises ``ValueError`` when the shares do not grow.
    """
    if any(one >= other for one, other in pairwise(shares)):
        raise ValueError("the shares of a ramp have to grow")
    steps = [Step(number * every, "canary", share) for number, share in enumerate(shares)]
    if to == "engine":
        steps.append(Step(len(shares) * every, "engine"))
    return tuple(steps)

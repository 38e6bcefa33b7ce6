"""Hold the mirror back: where its budget is spent, where clients feel it, and where an operator says so."""

from collections.abc import Callable

from proxy.config import ShadowConfig
from proxy.events import ShedReason
from proxy.shadow.throttle import Breaker, Budget, judge_breaker, observe, refill, spend


class Throttle:
    """Asked before each read is mirrored, and told what each one took.

    ``clock`` gives seconds that only grow, ``waiting`` how many requests of clients wait for a connection.
    """

    def __init__(self, clock: Callable[[], float], waiting: Callable[[], int]) -> None:
        self._clock = clock
        self._waiting = waiting
        self._budget = Budget(since=clock())
        self._breaker = Breaker()
        self.paused = False

    @property
    def stopped(self) -> bool:
        """Whether the breaker is open."""
        return self._breaker.opened is not None

    def admit(self, seconds: float, limits: ShadowConfig) -> ShedReason | None:
        """Why a read is not to be mirrored for which the upstream took ``seconds``; None if it is."""
        now = self._clock()
        self._breaker = judge_breaker(
            observe(self._breaker, now, seconds), now, self._waiting(), limits.breaker
        )
        if self.paused:
            return "paused"
        if self.stopped:
            return "breaker"
        if limits.budget is None:
            return None
        self._budget = refill(self._budget, now, limits.budget)
        return None if self._budget.left > 0 else "budget"

    def spend(self, seconds: float) -> None:
        """A mirrored read, or proving what it showed, took ``seconds`` of database time."""
        self._budget = spend(self._budget, seconds)

"""Hold the mirror back: where its budget is spent, where clients feel it, and where an operator says so."""

from collections.abc import Callable

from proxy.config import ShadowConfig
from proxy.events import Listener, ReadAgain, ShedReason
from proxy.shadow.policy import Side
from proxy.shadow.throttle import Breaker, Budget, judge_breaker, observe, refill, spend


class Throttle(Listener):
    """Asked before each read is mirrored, told what each one took, and a listener to what it took to prove.

    ``clock`` gives seconds that only grow, ``waiting`` how many requests of clients wait for a connection.
    """

    def __init__(self, clock: Callable[[], float], waiting: Callable[[], int]) -> None:
        super().__init__({ReadAgain: lambda again: self.spend(again.upstream_seconds + again.engine_seconds)})
        self._clock = clock
        self._waiting = waiting
        self._budget = Budget(since=clock())
        # What is usual for one side says nothing of the other.
        self._breakers: dict[Side, Breaker] = {"upstream": Breaker(), "engine": Breaker()}
        self.paused = False

    @property
    def stopped(self) -> bool:
        """Whether a breaker is open: clients feel it, whichever side answers them."""
        upstream, engine = self._breakers.values()
        return upstream.opened is not None or engine.opened is not None

    def admit(self, served_by: Side, seconds: float, limits: ShadowConfig) -> ShedReason | None:
        """Why a read is not to be mirrored that ``served_by`` has answered in ``seconds``; None if it is."""
        now, waiting = self._clock(), self._waiting()
        breakers = self._breakers
        breakers[served_by] = observe(breakers[served_by], now, seconds)
        for side, breaker in breakers.items():
            breakers[side] = judge_breaker(breaker, now, waiting, limits.breaker)
        if self.paused:
            return "paused"
        if self.stopped:
            return "breaker"
        if limits.budget is None:
            return None
        self._budget = refill(self._budget, now, limits.budget)
        return None if self._budget.left > 0 else "budget"

    def spend(self, seconds: float) -> None:
        """``seconds`` of database time were taken."""
        self._budget = spend(self._budget, seconds)

"""A circuit breaker: an engine that fails again and again is left alone for a while.

Closed, every request goes to the engine. After some failures in a row it opens, and none does: a broken
engine must not cost every request its timeout. After a wait it is half-open: one request per wait goes to
the engine. If that is answered the breaker closes; if it fails, the next wait is twice as long. A request
that never comes back costs no more than its wait.
"""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

CircuitState: TypeAlias = Literal["closed", "open", "half_open"]

FIRST_WAIT = 1.0


@dataclass(frozen=True, slots=True)
class Circuit:
    """One circuit breaker, as a value: each step gives the next one. Times are seconds that only grow.

    It opens at ``threshold`` failures in a row, for ``wait``, which grows to ``longest``. ``probing``: the
    last request that went to the engine while it was half-open has not come back.
    """

    threshold: int = 5
    longest: float = 30.0
    failures: int = 0
    wait: float = FIRST_WAIT
    opened_at: float | None = None
    probing: bool = False

    def find_state(self, now: float) -> CircuitState:
        """The state at ``now``."""
        if self.opened_at is None:
            return "closed"
        return "half_open" if now >= self.opened_at + self.wait else "open"

    def ask(self, now: float) -> tuple[bool, "Circuit"]:
        """Whether a request may go to the engine now."""
        match self.find_state(now):
            case "closed":
                return True, self
            case "half_open":
                return True, replace(self, opened_at=now, probing=True)
            case "open":
                return False, self

    def succeed(self) -> "Circuit":
        """The engine has answered."""
        if self.opened_at is None and not self.failures:
            return self
        return replace(self, failures=0, wait=FIRST_WAIT, opened_at=None, probing=False)

    def fail(self, now: float) -> "Circuit":
        """The engine has failed, or did not answer in time."""
        if self.probing:
            return replace(self, wait=min(2 * self.wait, self.longest), opened_at=now, probing=False)
        if self.opened_at is not None:
            # It was under way when the breaker opened, and tells nothing new.
            return self
        failures = self.failures + 1
        return replace(self, failures=failures, opened_at=now if failures >= self.threshold else None)

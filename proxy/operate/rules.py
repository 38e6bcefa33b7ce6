"""Which rules of ``compare.ignore`` do something: how often each was hit, which are stale, which expired."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal, TypeAlias

from proxy.config import IgnoreRule
from proxy.events import Listener, RuleHit

State: TypeAlias = Literal["active", "stale", "expired"]
"""``stale`` is a rule that was never hit since the start."""


@dataclass(frozen=True, slots=True)
class RuleReport:
    """One rule, with what became of it."""

    rule: str
    state: State
    hits: int
    reason: str
    owner: str
    expires: str


class Rules(Listener):
    """A listener that counts hits."""

    def __init__(self) -> None:
        super().__init__({RuleHit: self._count})
        self._hits: Counter[str] = Counter()

    def _count(self, hit: RuleHit) -> None:
        self._hits[hit.rule] += 1

    def report(self, rules: Iterable[IgnoreRule], today: date) -> tuple[RuleReport, ...]:
        """What became of ``rules``, those in force."""
        return tuple(self._report(rule, today) for rule in rules)

    def _report(self, rule: IgnoreRule, today: date) -> RuleReport:
        hits = self._hits[rule.name]
        state: State = "expired" if is_expired(rule, today) else "active" if hits else "stale"
        return RuleReport(rule.name, state, hits, rule.reason, rule.owner or "", rule.expires.isoformat())


def is_expired(rule: IgnoreRule, today: date) -> bool:
    """Whether the rule's last day is over."""
    return today > rule.expires

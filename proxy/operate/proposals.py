"""What the upstream says differently on every call, as rules that an operator may adopt."""

from dataclasses import dataclass

from proxy.events import Listener, VolatileFound

KEPT = 100


@dataclass(frozen=True, slots=True)
class ProposedRule:
    """What a rule of ``compare.ignore`` might say; a reason and a last day are the operator's to add."""

    table: str
    shape: str
    path: str
    header: str


class Proposals(Listener):
    """A listener that keeps what was found, each once, and no more than the first ``KEPT``."""

    def __init__(self) -> None:
        super().__init__({VolatileFound: self._keep})
        self._found: dict[ProposedRule, None] = {}

    def _keep(self, found: VolatileFound) -> None:
        if len(self._found) < KEPT:
            self._found[ProposedRule(found.table, found.shape, found.path, found.header)] = None

    def report(self) -> tuple[ProposedRule, ...]:
        """What was found, in the order in which it was."""
        return tuple(self._found)

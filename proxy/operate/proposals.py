"""What the upstream says differently on every call, as rules that an operator may adopt."""

from dataclasses import dataclass

from proxy.events import Event, VolatileFound

KEPT = 100


@dataclass(frozen=True, slots=True)
class ProposedRule:
    """What a rule of ``compare.ignore`` might say; a reason and a last day are the operator's to add."""

    table: str
    shape: str
    path: str
    header: str


class Proposals:
    """A listener that keeps what was found, each once, and no more than the first ``KEPT``."""

    def __init__(self) -> None:
        self._found: dict[ProposedRule, None] = {}

    def listen(self, event: Event) -> None:
        """Keep ``event`` if it is such a finding."""
        if isinstance(event, VolatileFound) and len(self._found) < KEPT:
            self._found[ProposedRule(event.table, event.shape, event.path, event.header)] = None

    def report(self) -> tuple[ProposedRule, ...]:
        """What was found, in the order in which it was."""
        return tuple(self._found)

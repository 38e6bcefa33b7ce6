"""Fields in which the upstream disagrees with itself, as rules that an operator may adopt."""

from collections.abc import Iterable
from dataclasses import dataclass

from proxy.config.paths import read_steps
from proxy.shadow.parts import Place

PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


@dataclass(frozen=True, slots=True)
class Proposal:
    """A rule for ``compare.ignore``: the member at ``path``, or the ``header``."""

    path: str = ""
    header: str = ""


def propose(fields: Iterable[Place]) -> tuple[Proposal, ...]:
    """A rule for each of ``fields`` that a rule can name; a whole row, or a status, is none."""
    found = {_propose_one(field) for field in fields}
    return tuple(sorted((one for one in found if one is not None), key=lambda one: (one.path, one.header)))


def _propose_one(field: Place) -> Proposal | None:
    match field:
        case ("headers", name):
            return Proposal(header=name)
        case ("row" | "body", name) if name:
            path = name if set(name) <= PLAIN else '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
            try:
                read_steps(path)
            except ValueError:
                return None
            return Proposal(path=path)
        case _:
            return None

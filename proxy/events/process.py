"""Of the process itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Crashed:
    """A fault of ours, caught at a boundary: where, and what. It never reaches a client."""

    where: str
    problem: str

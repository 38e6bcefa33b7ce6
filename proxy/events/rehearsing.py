"""Of writes in the mode ``rehearse``: each ends in exactly one of ``Rehearsed`` and ``Unrehearsed``."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from proxy.difference import Difference

RehearsalVerdict: TypeAlias = Literal[
    "match", "equivalent", "indeterminate", "mismatch", "inconclusive", "unsupported", "failed"
]
UnrehearsedReason: TypeAlias = Literal[
    "no_schema",
    "expects_continue",
    "too_large",
    "busy",
    "deadline",
    "refused",
    "crashed",
    "upstream_error",
    "client_gone",
    "shutdown",
]


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A write was done by the engine and undone, then done by the upstream; how the two answers compare.

    ``detail`` says what was unsupported, how it failed, or why it is inconclusive.
    """

    table: str
    verdict: RehearsalVerdict
    request_line: str
    differences: tuple[Difference, ...] = ()
    upstream_seconds: float = 0.0
    engine_seconds: float = 0.0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Unrehearsed:
    """A write that was to be rehearsed and was not, or whose rehearsal has nothing to be compared with."""

    table: str
    reason: UnrehearsedReason


@dataclass(frozen=True, slots=True)
class RehearsalRefused:
    """A table's writes are not rehearsed although they are meant to be: a rollback would not undo them."""

    table: str
    hazards: tuple[str, ...]

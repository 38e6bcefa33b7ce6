"""Of answering clients: every request ends in ``Served``."""

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from proxy.messages import Request
from proxy.trace import TraceParent

Side: TypeAlias = Literal["upstream", "engine", "proxy"]
FallbackReason: TypeAlias = Literal["unsupported", "failed", "timeout", "no_schema", "circuit"]
Interval: TypeAlias = tuple[float, float]


class Served(NamedTuple):
    """A client's request has been answered, or the client has gone (``code`` 499).

    ``request`` is None where what came was none, and holds whatever the client sent. ``upstream`` and
    ``engine`` say when each side's part began and ended, in seconds after the request came; ``trace`` is its
    span, where it is traced.
    """

    table: str
    method: str
    mode: str
    read: bool
    answered_by: Side
    code: int
    seconds: float
    overhead_seconds: float
    request: Request | None = None
    upstream: Interval | None = None
    engine: Interval | None = None
    trace: TraceParent | None = None


class SideAnswered(NamedTuple):
    """One side has produced an answer for a table, in ``seconds`` of its own."""

    table: str
    side: Side
    seconds: float


@dataclass(frozen=True, slots=True)
class OutcomeLost:
    """Nobody knows whether a write was done: ``side`` was to do it and gave no answer. It is not repeated."""

    table: str
    side: Side


@dataclass(frozen=True, slots=True)
class FellBack:
    """The engine was to answer and could not; the upstream answered instead (promise 5)."""

    table: str
    reason: FallbackReason


@dataclass(frozen=True, slots=True)
class CircuitChanged:
    """The engine is left alone for a while, or asked again."""

    open: bool

"""Of mirrored reads, and of what keeps the comparison honest.

Every mirrored or skipped read ends in exactly one of ``Judged``, ``Skipped`` and ``Shed``, so that for every
table ``reads = judged + skipped + shed`` (promise 3).
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from proxy.difference import Difference
from proxy.events.rehearsing import RehearsalVerdict
from proxy.messages import Answer, Request
from proxy.trace import TraceParent

Verdict: TypeAlias = Literal[RehearsalVerdict, "race", "volatile"]
SkipReason: TypeAlias = Literal[
    "mode",
    "not_sampled",
    "acts_outside",
    "too_large",
    "method",
    "upstream_error",
    "client_gone",
    "fell_back",
    "no_schema",
]
ShedReason: TypeAlias = Literal[
    "queue",
    "bytes",
    "deadline",
    "budget",
    "breaker",
    "resting",
    "paused",
    "shutdown",
]


@dataclass(frozen=True, slots=True)
class Judged:
    """A mirrored read has its verdict. ``detail`` says what was unsupported or how it failed.

    ``shape`` is the request's, ``signature`` groups mismatches that are alike. The messages themselves are
    there for a mismatch only, and hold whatever the client sent: who keeps them has to redact them.
    ``role`` is whose request it was, empty if its token was refused; ``status`` the upstream's answer's, and
    ``upstream_version`` what the upstream says it is; ``mode`` the one in which the request was answered.
    Where the request is traced, ``trace`` is its span, ``seconds`` says how long the verdict took, and
    ``asked`` which side was asked for it.
    """

    table: str
    verdict: Verdict
    request_line: str
    differences: tuple[Difference, ...] = ()
    upstream_seconds: float = 0.0
    engine_seconds: float = 0.0
    detail: str = ""
    shape: str = ""
    signature: str = ""
    request: Request | None = None
    upstream: Answer | None = None
    engine: Answer | None = None
    role: str = ""
    status: int = 0
    upstream_version: str = ""
    mode: str = ""
    trace: TraceParent | None = None
    seconds: float = 0.0
    asked: Literal["upstream", "engine"] | None = None


@dataclass(frozen=True, slots=True)
class ReadAgain:
    """Both sides were read again to prove or to shrink a difference, or the upstream to probe it.

    How many seconds each took.
    """

    table: str
    upstream_seconds: float
    engine_seconds: float


@dataclass(frozen=True, slots=True)
class Skipped:
    """A read that was never to be compared."""

    table: str
    reason: SkipReason


@dataclass(frozen=True, slots=True)
class Shed:
    """A read that was to be compared and did not fit."""

    table: str
    reason: ShedReason


@dataclass(frozen=True, slots=True)
class VolatileFound:
    """The upstream disagrees with itself in a member of its rows, at ``path``, or in a ``header``.

    Nothing is ignored for that: it is what a rule of ``compare.ignore`` might say.
    """

    table: str
    shape: str
    path: str = ""
    header: str = ""


@dataclass(frozen=True, slots=True)
class SelfTested:
    """A copy of an answer was falsified on purpose, in the way called ``kind``; whether it was found."""

    kind: str
    detected: bool


@dataclass(frozen=True, slots=True)
class RuleHit:
    """Two answers differed in what the rule says is not compared."""

    table: str
    rule: str


@dataclass(frozen=True, slots=True)
class RuleExpired:
    """The rule's last day, ``expires``, is over: it is not applied any more."""

    rule: str
    expires: str

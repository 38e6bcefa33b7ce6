"""What happens, as frozen values. Metrics, log and admin page are listeners; nobody else knows them.

Every event names its ``table`` with the label that metrics use: a relation or function of the schema
cache, else ``other``. Every mirrored or skipped read ends in exactly one of ``Judged``, ``Skipped`` and
``Shed``, so that for every table ``reads = judged + skipped + shed`` (promise 3). Every write in the mode
``rehearse`` ends in exactly one of ``Rehearsed`` and ``Unrehearsed``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from proxy.difference import Difference
from proxy.messages import Answer, Request

Side: TypeAlias = Literal["upstream", "engine", "proxy"]
RehearsalVerdict: TypeAlias = Literal[
    "match", "equivalent", "indeterminate", "mismatch", "inconclusive", "unsupported", "failed"
]
Verdict: TypeAlias = Literal[RehearsalVerdict, "race", "volatile"]
SkipReason: TypeAlias = Literal[
    "mode", "not_sampled", "too_large", "method", "upstream_error", "client_gone", "fell_back", "no_schema"
]
LedgerKind: TypeAlias = Literal["evidence", "traffic", "mismatch", "example", "mode", "batch"]
ShedReason: TypeAlias = Literal["queue", "bytes", "deadline", "budget", "breaker", "paused", "shutdown"]
FallbackReason: TypeAlias = Literal["unsupported", "failed", "timeout", "no_schema", "circuit"]
TripReason: TypeAlias = Literal["mismatches", "errors", "latency"]
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
class Served:
    """A client's request has been answered, or the client has gone (``code`` 499)."""

    table: str
    method: str
    mode: str
    read: bool
    answered_by: Side
    code: int
    seconds: float
    overhead_seconds: float


@dataclass(frozen=True, slots=True)
class SideAnswered:
    """One side has produced an answer for a table, in ``seconds`` of its own."""

    table: str
    side: Side
    seconds: float


@dataclass(frozen=True, slots=True)
class Judged:
    """A mirrored read has its verdict. ``detail`` says what was unsupported or how it failed.

    ``shape`` is the request's, ``signature`` groups mismatches that are alike. The messages themselves are
    there for a mismatch only, and hold whatever the client sent: who keeps them has to redact them.
    ``role`` is whose request it was, empty if its token was refused; ``status`` the upstream's answer's, and
    ``upstream_version`` what the upstream says it is; ``mode`` the one in which the request was answered.
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


@dataclass(frozen=True, slots=True)
class ReadAgain:
    """Both sides were read again to prove a difference, or the upstream to probe it; how long they took."""

    table: str
    upstream_seconds: float
    engine_seconds: float


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
class Held:
    """The guard, here or on another replica, has put a table back to ``shadow``; ``words`` say why."""

    table: str
    reason: TripReason
    words: str


@dataclass(frozen=True, slots=True)
class Rearmed:
    """A person has taken the hold from a table; it does what the file says again."""

    table: str
    who: str
    why: str


@dataclass(frozen=True, slots=True)
class GuardAlarmed:
    """A table is beyond a limit, and there is no upstream to go back to."""

    table: str
    reason: TripReason
    words: str


@dataclass(frozen=True, slots=True)
class CircuitChanged:
    """The engine is left alone for a while, or asked again."""

    open: bool


@dataclass(frozen=True, slots=True)
class ConfigReloaded:
    """A new configuration is in force, or was refused for the reasons in ``problem``."""

    accepted: bool
    problem: str = ""
    needs_restart: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModeChanged:
    """A table's reads or writes do something else from now on; by whom, and why."""

    table: str
    operation: Literal["reads", "writes"]
    before: str
    after: str
    who: str = "file"
    why: str = "reload"


@dataclass(frozen=True, slots=True)
class SchemaLoaded:
    """The schema cache was read from the catalog, or could not be."""

    accepted: bool
    relations: int = 0
    seconds: float = 0.0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class DatabaseReached:
    """The schema cache is about to be read from ``server``, which is how it describes itself."""

    server: str


@dataclass(frozen=True, slots=True)
class LoadDelayed:
    """The schema cache could not be read; the next attempt is ``seconds`` away."""

    seconds: float


@dataclass(frozen=True, slots=True)
class SettingsUnread:
    """The settings that are kept in the database could not be read: of the engine, or of its roles."""

    kind: Literal["options", "roles"]
    problem: str


@dataclass(frozen=True, slots=True)
class ListenerStarted:
    """Notifications on ``channel`` are listened for."""

    channel: str
    server: str
    address: str


@dataclass(frozen=True, slots=True)
class ListenerFailed:
    """Notifications cannot be listened for; the next attempt is ``seconds`` away, if there is one."""

    channel: str
    problem: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class ReloadNotified:
    """A notification on ``channel`` asks for a reload."""

    channel: str
    wanted: Literal["schema", "config"]


@dataclass(frozen=True, slots=True)
class LedgerFlushed:
    """What was counted since the last time is in the ledger, or could not be written for now."""

    accepted: bool
    seconds: float
    problem: str = ""


@dataclass(frozen=True, slots=True)
class LedgerShed:
    """``count`` things were not kept, since the ledger has no room for them or was gone too long."""

    kind: LedgerKind
    count: int


@dataclass(frozen=True, slots=True)
class MismatchOpened:
    """A kind of mismatch is in the ledger that has no smallest request yet; ``request`` showed it."""

    table: str
    signature: str
    request: Request


@dataclass(frozen=True, slots=True)
class MismatchShrunk:
    """The smallest request found that still shows a kind of mismatch, after so many ``tries``."""

    table: str
    signature: str
    request: Request
    tries: int


@dataclass(frozen=True, slots=True)
class Crashed:
    """A fault of ours, caught at a boundary: where, and what. It never reaches a client."""

    where: str
    problem: str


Event: TypeAlias = (
    Served
    | SideAnswered
    | Judged
    | ReadAgain
    | VolatileFound
    | SelfTested
    | RuleHit
    | RuleExpired
    | Skipped
    | Shed
    | Rehearsed
    | Unrehearsed
    | RehearsalRefused
    | OutcomeLost
    | FellBack
    | Held
    | Rearmed
    | GuardAlarmed
    | CircuitChanged
    | ConfigReloaded
    | ModeChanged
    | SchemaLoaded
    | DatabaseReached
    | LoadDelayed
    | SettingsUnread
    | ListenerStarted
    | ListenerFailed
    | ReloadNotified
    | LedgerFlushed
    | LedgerShed
    | MismatchOpened
    | MismatchShrunk
    | Crashed
)
Emit: TypeAlias = Callable[[Event], None]

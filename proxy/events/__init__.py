"""What happens, as frozen values. Metrics, log and admin page are listeners; nobody else knows them.

Every event names its ``table`` with the label that metrics use: a relation or function of the schema
cache, else ``other``. They are here by whom they concern, and all are imported from ``proxy.events``.

serving        clients' requests, and which side answered them
mirroring      mirrored reads, their verdicts, and what keeps the comparison honest
rehearsing     writes in the mode ``rehearse``
guarding       holds on tables
configuration  the file, and the modes in it
database       schema cache, settings, notifications
ledger         evidence that outlives the process
process        faults of ours
listener       who hears of which of them
"""

from collections.abc import Callable
from typing import TypeAlias

from proxy.events.configuration import ConfigReloaded, ModeChanged
from proxy.events.database import (
    DatabaseReached,
    ListenerFailed,
    ListenerStarted,
    LoadDelayed,
    ReloadNotified,
    ReplicaChanged,
    SchemaLoaded,
    SettingsUnread,
)
from proxy.events.guarding import GuardAlarmed, Held, Rearmed, TripReason
from proxy.events.ledger import LedgerFlushed, LedgerKind, LedgerShed, MismatchOpened, MismatchShrunk
from proxy.events.listener import Hearing, Listener
from proxy.events.mirroring import (
    Judged,
    ReadAgain,
    RuleExpired,
    RuleHit,
    SelfTested,
    Shed,
    ShedReason,
    Skipped,
    SkipReason,
    Verdict,
    VolatileFound,
)
from proxy.events.process import Crashed
from proxy.events.rehearsing import (
    RehearsalRefused,
    RehearsalVerdict,
    Rehearsed,
    Unrehearsed,
    UnrehearsedReason,
)
from proxy.events.serving import (
    CircuitChanged,
    FallbackReason,
    FellBack,
    Interval,
    OutcomeLost,
    Served,
    Side,
    SideAnswered,
)

__all__ = [
    "CircuitChanged",
    "ConfigReloaded",
    "Crashed",
    "DatabaseReached",
    "Emit",
    "Event",
    "FallbackReason",
    "FellBack",
    "GuardAlarmed",
    "Hearing",
    "Held",
    "Interval",
    "Judged",
    "LedgerFlushed",
    "LedgerKind",
    "LedgerShed",
    "Listener",
    "ListenerFailed",
    "ListenerStarted",
    "LoadDelayed",
    "MismatchOpened",
    "MismatchShrunk",
    "ModeChanged",
    "OutcomeLost",
    "ReadAgain",
    "Rearmed",
    "RehearsalRefused",
    "RehearsalVerdict",
    "Rehearsed",
    "ReloadNotified",
    "ReplicaChanged",
    "RuleExpired",
    "RuleHit",
    "SchemaLoaded",
    "SelfTested",
    "Served",
    "SettingsUnread",
    "Shed",
    "ShedReason",
    "Side",
    "SideAnswered",
    "SkipReason",
    "Skipped",
    "TripReason",
    "Unrehearsed",
    "UnrehearsedReason",
    "Verdict",
    "VolatileFound",
]

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
    | ReplicaChanged
    | LedgerFlushed
    | LedgerShed
    | MismatchOpened
    | MismatchShrunk
    | Crashed
)
Emit: TypeAlias = Callable[[Event], None]

"""Log what an operator should notice, through the standard library's logging.

A record is one line of ``key=value`` pairs after the kind of event; the same pairs are the record's
attribute ``fields``, for formatters that write JSON. Values of answers and of requests are never logged:
a mismatch is told by its shape and by the paths at which the sides differ (promise 10).
"""

import json
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from proxy.events import (
    CircuitChanged,
    ConfigReloaded,
    Crashed,
    Event,
    FellBack,
    GuardAlarmed,
    Held,
    Judged,
    LedgerFlushed,
    LedgerShed,
    ModeChanged,
    OutcomeLost,
    Rearmed,
    RehearsalRefused,
    Rehearsed,
    RuleExpired,
    SchemaLoaded,
    SelfTested,
    Shed,
    VolatileFound,
)
from proxy.shadow.scrub import scrub
from proxy.shadow.shape import read_line_shape

BURST = 5
"""How many records of one kind are written in one window; the rest are counted in the next record."""

WINDOW_SECONDS = 10.0
MAX_PATHS = 5
BARE = re.compile(r"[A-Za-z0-9_.:/@$*%+-]+")

Fields: TypeAlias = Mapping[str, str | int | float]


@dataclass(frozen=True, slots=True)
class Record:
    """What is to be written of one event. ``kind`` is what the rate is limited by."""

    level: int
    kind: str
    fields: Fields


@dataclass(slots=True)
class _Window:
    started: float
    written: int = 0
    suppressed: int = 0


class EventLog:
    """A listener that writes noteworthy events to ``logger``, no more than ``burst`` of a kind per window.

    ``clock`` counts seconds.
    """

    def __init__(
        self,
        logger: logging.Logger,
        clock: Callable[[], float],
        burst: int = BURST,
        window_seconds: float = WINDOW_SECONDS,
    ) -> None:
        self._logger = logger
        self._clock = clock
        self._burst = burst
        self._window_seconds = window_seconds
        self._windows: dict[str, _Window] = {}

    def listen(self, event: Event) -> None:
        """Write ``event`` if it is noteworthy and its kind's rate allows."""
        record = describe_event(event)
        if record is None or not self._logger.isEnabledFor(record.level):
            return
        now = self._clock()
        window = self._windows.setdefault(record.kind, _Window(now))
        suppressed = 0
        if now - window.started >= self._window_seconds:
            suppressed = window.suppressed
            self._windows[record.kind] = window = _Window(now)
        if window.written >= self._burst:
            window.suppressed += 1
            return
        window.written += 1
        fields = {**record.fields, "suppressed": suppressed} if suppressed else dict(record.fields)
        self._logger.log(record.level, "%s", render_line(record.kind, fields), extra={"fields": fields})


def describe_event(event: Event) -> Record | None:
    """What to write of ``event``, or None when it is everyday business."""
    match event:
        case Judged(verdict="mismatch"):
            return Record(logging.WARNING, "mismatch", _mismatch_fields(event))
        case Judged(verdict="failed"):
            fields = {
                "table": event.table,
                "detail": scrub(event.detail),
                "shape": read_line_shape(event.request_line),
            }
            return Record(logging.WARNING, "failed", fields)
        case SelfTested(detected=False):
            return Record(logging.ERROR, "selftest_missed", {"kind": event.kind})
        case VolatileFound():
            return Record(logging.INFO, "volatile_found", _volatile_fields(event))
        case RuleExpired():
            return Record(
                logging.WARNING, "rule_expired", {"rule": scrub(event.rule), "expires": event.expires}
            )
        case Shed():
            return Record(logging.WARNING, f"shed_{event.reason}", {"table": event.table})
        case Rehearsed(verdict="mismatch"):
            return Record(logging.WARNING, "rehearsal_mismatch", _mismatch_fields(event))
        case Rehearsed(verdict="failed"):
            fields = {
                "table": event.table,
                "detail": scrub(event.detail),
                "shape": read_line_shape(event.request_line),
            }
            return Record(logging.WARNING, "rehearsal_failed", fields)
        case RehearsalRefused():
            fields = {"table": event.table, "hazards": "; ".join(event.hazards)}
            return Record(logging.WARNING, "rehearsal_refused", fields)
        case OutcomeLost():
            return Record(logging.ERROR, "outcome_unknown", {"table": event.table, "side": event.side})
        case FellBack():
            return Record(logging.WARNING, "fell_back", {"table": event.table, "reason": event.reason})
        case Held():
            return Record(logging.ERROR, "held", {"table": event.table, "why": event.words})
        case GuardAlarmed():
            return Record(logging.ERROR, "guard_alarmed", {"table": event.table, "why": event.words})
        case Rearmed():
            return Record(
                logging.WARNING, "rearmed", {"table": event.table, "who": event.who, "why": event.why}
            )
        case CircuitChanged():
            return Record(logging.ERROR if event.open else logging.INFO, "circuit", {"open": event.open})
        case ConfigReloaded(accepted=True):
            restart = ",".join(event.needs_restart)
            return Record(logging.INFO, "config_reloaded", {"needs_restart": restart} if restart else {})
        case ConfigReloaded():
            return Record(logging.ERROR, "config_refused", {"problem": scrub(event.problem)})
        case ModeChanged():
            fields = {"table": event.table, "operation": event.operation, "before": event.before}
            by = {"after": event.after, "who": scrub(event.who), "why": scrub(event.why)}
            return Record(logging.INFO, "mode_changed", {**fields, **by})
        case SchemaLoaded(accepted=True):
            fields_loaded: Fields = {"relations": event.relations, "seconds": round(event.seconds, 3)}
            return Record(logging.INFO, "schema_loaded", fields_loaded)
        case SchemaLoaded():
            return Record(logging.ERROR, "schema_failed", {"problem": scrub(event.problem)})
        case LedgerFlushed(accepted=False):
            return Record(logging.WARNING, "ledger_down", {"problem": scrub(event.problem)})
        case LedgerShed():
            return Record(logging.WARNING, "ledger_shed", {"what": event.kind, "count": event.count})
        case Crashed():
            return Record(logging.ERROR, "crashed", {"where": event.where, "problem": scrub(event.problem)})
        case _:
            return None


def render_line(kind: str, fields: Fields) -> str:
    """``kind key=value …`` on one line; a value that could be misread is a JSON string."""
    return " ".join([kind, *(f"{key}={_render_value(value)}" for key, value in fields.items())])


def _render_value(value: str | int | float) -> str:
    text = str(value)
    return text if BARE.fullmatch(text) else json.dumps(text)


def _volatile_fields(event: VolatileFound) -> Fields:
    what = {"path": event.path} if event.path else {"header": event.header}
    return {"table": event.table, **what, "shape": event.shape}


def _mismatch_fields(event: Judged | Rehearsed) -> Fields:
    aspects = ",".join(sorted({difference.aspect for difference in event.differences}))
    paths = " ".join(difference.path for difference in event.differences[:MAX_PATHS] if difference.path)
    return {
        "table": event.table,
        "aspects": aspects,
        "differences": len(event.differences),
        "paths": paths,
        "shape": read_line_shape(event.request_line),
    }

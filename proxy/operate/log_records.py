"""What of an event is written down: its kind, its level and its fields, without secrets.

Values of answers and of requests are never among them: a request is told by its shape, and a mismatch by the
paths at which the sides differ (promise 10). What remains of free text is scrubbed.
"""

import json
import logging
import re
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

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
    ReplicaChanged,
    RuleExpired,
    SchemaLoaded,
    SelfTested,
    Served,
    Shed,
    VolatileFound,
)
from proxy.messages import Request
from proxy.shadow.scrub import scrub
from proxy.shadow.shape import read_line_shape, read_shape
from proxy.trace import TraceParent, read_traceparent

MAX_PATHS = 5
MAX_REQUEST_ID = 128
"""Characters of a request's id that are written."""

BARE = re.compile(r"[A-Za-z0-9_.:/@$*%+-]+")

Fields: TypeAlias = Mapping[str, str | int | float]


class Record(NamedTuple):
    """What is to be written of one event. ``kind`` is what the rate is limited by.

    As a text it is one line: ``kind key=value …``. A value that could be misread is a JSON string.
    """

    level: int
    kind: str
    fields: Fields

    def __str__(self) -> str:
        return " ".join([self.kind, *(f"{key}={_render(value)}" for key, value in self.fields.items())])


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
            fields = {"table": event.table, "who": scrub(event.who), "why": scrub(event.why)}
            return Record(logging.WARNING, "rearmed", fields)
        case ReplicaChanged(fresh=True):
            return Record(logging.INFO, "replica_used", {})
        case ReplicaChanged():
            return Record(logging.WARNING, "replica_unused", {"problem": event.problem})
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


def describe_request(served: Served, request_id: str) -> Record:
    """The line for one request of a client; ``request_id`` is the header that names it."""
    request = served.request
    fields: dict[str, str | int | float] = {
        "shape": served.method if request is None else scrub(read_shape(request)),
        "table": served.table,
        "mode": served.mode,
        "answered_by": served.answered_by,
        "status": served.code,
        "ms": round(served.seconds * 1000, 3),
        "overhead_ms": round(served.overhead_seconds * 1000, 3),
    }
    if request is not None:
        fields |= identify(request, request_id, served.trace)
    return Record(logging.INFO, "request", fields)


def identify(request: Request, request_id: str, trace: TraceParent | None) -> Fields:
    """By what a request can be found elsewhere: its own name, and its trace."""
    fields = {}
    name = request.header(request_id.lower().encode())
    if name:
        fields["request_id"] = scrub(name.decode("utf-8", "backslashreplace")[:MAX_REQUEST_ID])
    trace = trace or read_traceparent(request.headers)
    if trace is not None:
        fields["trace_id"] = trace.trace_id
    return fields


def render_json(fields: Fields) -> str:
    """``fields`` as a JSON object on one line of ASCII."""
    # JSON leaves this one control character as it is.
    return json.dumps(fields).replace("\x7f", "\\u007f")


def _render(value: str | int | float) -> str:
    text = str(value)
    return text if BARE.fullmatch(text) else json.dumps(text).replace("\x7f", "\\u007f")

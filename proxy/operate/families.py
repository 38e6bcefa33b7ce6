"""The metrics' names, labels, help and buckets (design section 8), as one set of families.

Labels are few and bounded: ``table`` by the schema cache, everything else by the words below.
"""

import platform
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

import proxy
from proxy.config import ReadMode, WriteMode
from proxy.difference import Aspect
from proxy.events import (
    FallbackReason,
    LedgerKind,
    RehearsalVerdict,
    ShedReason,
    SkipReason,
    TripReason,
    UnrehearsedReason,
    Verdict,
)
from proxy.shadow.readiness import ReadinessVerdict

PREFIX = "understudy"

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SHORT_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)
RATIOS = (0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)

READ_MODES: tuple[str, ...] = get_args(ReadMode)
WRITE_MODES: tuple[str, ...] = get_args(WriteMode)
VERDICTS: tuple[str, ...] = get_args(Verdict)
ASPECTS: tuple[str, ...] = get_args(Aspect)
SKIP_REASONS: tuple[str, ...] = get_args(SkipReason)
SHED_REASONS: tuple[str, ...] = get_args(ShedReason)
REHEARSAL_VERDICTS: tuple[str, ...] = get_args(RehearsalVerdict)
UNREHEARSED_REASONS: tuple[str, ...] = get_args(UnrehearsedReason)
FALLBACK_REASONS: tuple[str, ...] = get_args(FallbackReason)
LEDGER_KINDS: tuple[str, ...] = get_args(LedgerKind)
TRIP_REASONS: tuple[str, ...] = get_args(TripReason)
READINESS_VERDICTS: tuple[str, ...] = get_args(ReadinessVerdict)
SIDES = ("upstream", "engine")
RESULTS = ("success", "failure")
POOL_STATES = ("in_use", "idle", "max")

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Methods that are labels of their own; a client may send any word, which counts as ``other``."""

CODES = frozenset(
    {200, 201, 204, 206, 300, 304, 400, 401, 403, 404, 405, 406, 409, 413, 414, 415, 416, 431, 499}
    | {500, 501, 502, 503, 504}
)
"""Codes that are labels of their own; SQL may set any (reference 8.4), which count by their class."""

WATCHED_CODES = ("200", "400", "404", "500", "503", "504")
"""The codes whose children exist from the start, so that an alert sees the first one."""


def read_method(method: str) -> str:
    """The label of ``method``."""
    return method if method in METHODS else "other"


def read_code(code: int) -> str:
    """The label of the status ``code``: itself, or its class as in ``4xx``."""
    if code in CODES:
        return str(code)
    return f"{code // 100}xx" if 100 <= code < 600 else "other"


class Families:
    """Every metric family, registered with ``registry``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # A creation time for every child doubles the output and serves no panel.
        disable_created_metrics()  # type: ignore[no-untyped-call]

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, namespace=PREFIX, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, namespace=PREFIX, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(name, text, labels, namespace=PREFIX, buckets=buckets, registry=registry)

        self.requests = counter(
            "requests_total",
            "Requests answered, by table, method, mode of the table, who answered, and status code.",
            *("table", "method", "mode", "answered_by", "code"),
        )
        self.request_duration = histogram(
            "request_duration_seconds",
            "Time from a client's request to the end of its answer, as the client saw it.",
            SECONDS,
            *("table", "answered_by"),
        )
        self.overhead = histogram(
            "overhead_seconds", "Time of a request that was spent in the proxy itself.", SHORT_SECONDS
        )
        self.side_duration = histogram(
            "side_duration_seconds",
            "Time that one side took to answer, for a client or for the mirror.",
            SECONDS,
            *("table", "side"),
        )
        self.latency_ratio = histogram(
            "latency_ratio",
            "Engine's time divided by the upstream's, for each read that both answered.",
            RATIOS,
            "table",
        )
        self.verdicts = counter(
            "verdicts_total", "Mirrored reads, by what became of them.", "table", "verdict"
        )
        self.mismatches = counter(
            "mismatches_total",
            "Mismatches, by what differs; one that differs in two aspects counts in both.",
            *("table", "aspect"),
        )
        self.rule_hits = counter(
            "ignore_rule_hits_total",
            "Comparisons in which answers differed in what a rule says is not compared.",
            "rule",
        )
        self.selftest_injected = counter(
            "selftest_injected_total", "Answers that were falsified on purpose to check the comparison."
        )
        self.selftest_detected = counter(
            "selftest_detected_total", "Answers falsified on purpose that the comparison found."
        )
        self.database_seconds = counter(
            "database_seconds_total",
            "Seconds that a side took to answer: for clients, the mirror, proofs, probes and shrinking.",
            "side",
        )
        self.mirror_paused = gauge("mirror_paused", "1 while an operator has paused mirroring.")
        self.breaker_open = gauge("breaker_open", "1 while mirroring is stopped because clients feel it.")
        self.skipped = counter(
            "skipped_total", "Requests that were never to be compared, by reason.", "table", "reason"
        )
        self.shed = counter(
            "shed_total", "Reads that were to be compared and did not fit, by reason.", "table", "reason"
        )
        self.rehearsals = counter(
            "rehearsals_total",
            "Writes that the engine rehearsed before the upstream did them, by how the answers compare.",
            *("table", "verdict"),
        )
        self.unrehearsed = counter(
            "unrehearsed_total",
            "Writes that were to be rehearsed and were not, or came to nothing to compare with, by reason.",
            *("table", "reason"),
        )
        self.rehearsal_refused = gauge(
            "rehearsal_refused",
            "1 for a table whose writes must not be rehearsed although the configuration wants it.",
            "table",
        )
        self.outcomes_lost = counter(
            "unknown_outcomes_total",
            "Writes of which nobody knows whether they were done, by the side that was to do them.",
            *("table", "side"),
        )
        self.queue_entries = gauge("queue_entries", "Reads that wait to be compared.")
        self.queue_bytes = gauge("queue_bytes", "Bytes of all reads that the mirror holds.")
        self.queue_oldest = gauge("queue_oldest_seconds", "How long the next read has waited.")
        self.in_flight = gauge("in_flight", "Reads that are with the engine or being compared.")
        self.table_held = gauge(
            "table_held", "1 while a hold keeps a table in shadow, whatever the configuration says.", "table"
        )
        self.rollbacks = counter(
            "rollbacks_total", "Holds that the guard put on tables, by reason.", "table", "reason"
        )
        self.guard_alarms = counter(
            "guard_alarms_total",
            "Tables found beyond a limit of the guard while no upstream can be gone back to, by reason.",
            *("table", "reason"),
        )
        self.circuit_open = gauge(
            "circuit_open", "1 while the engine is left alone, since it failed again and again."
        )
        self.readiness = gauge(
            "readiness",
            "1 for the verdict on whether a table may be promoted; all 0 until the table was first judged.",
            *("table", "verdict"),
        )
        self.mismatch_bound = gauge(
            "mismatch_bound_ratio",
            "What a table's share of mismatches is surely below; 1 while nothing is known.",
            "table",
        )
        self.unseen_shapes = gauge(
            "unseen_shapes_ratio",
            "What the share of reads that are of a shape never compared is below; 1 while nothing is known.",
            "table",
        )
        self.table_mode = gauge(
            "table_mode",
            "1 for the mode that is in force for a table's reads or writes, 0 for the others.",
            *("table", "operation", "mode"),
        )
        self.mode_change = gauge(
            "mode_change_timestamp_seconds",
            "When the table was last put into the mode; 0 if never since the start.",
            *("table", "mode"),
        )
        self.engine_share = gauge(
            "engine_share_ratio", "Share of the table's reads that the engine is to answer.", "table"
        )
        self.fallbacks = counter(
            "fallbacks_total",
            "Requests that the engine was to answer and the upstream answered, by reason.",
            *("table", "reason"),
        )
        self.crashes = counter("crashes_total", "Faults of the proxy's own that were caught.")
        self.config_reloads = counter("config_reloads_total", "Configuration reloads, by result.", "result")
        self.config_successful = gauge(
            "config_last_reload_successful", "1 if the newest configuration was accepted, 0 if refused."
        )
        self.config_timestamp = gauge(
            "config_last_reload_timestamp_seconds", "When the configuration in force was loaded."
        )
        self.schema_loads = counter(
            "schema_cache_loads_total", "Loads of the schema cache, by result.", "result"
        )
        self.pool_connections = gauge(
            "pool_connections", "Connections of the engine's pool, by state.", "state"
        )
        self.replica_lag = gauge(
            "replica_lag_seconds",
            "How far the replica may be behind; +Inf if that is not known, or none is set.",
        )
        self.ledger_up = gauge("ledger_up", "1 if the last flush reached the ledger, 0 if not.")
        self.ledger_entries = gauge("ledger_pending_entries", "Counts that wait to be written to the ledger.")
        self.ledger_bytes = gauge(
            "ledger_pending_bytes", "Bytes of mismatches that wait to be written to the ledger."
        )
        self.ledger_timestamp = gauge(
            "ledger_last_flush_timestamp_seconds", "When the ledger was last written to; 0 if never."
        )
        self.ledger_flushes = counter("ledger_flushes_total", "Flushes to the ledger, by result.", "result")
        self.ledger_duration = histogram(
            "ledger_flush_duration_seconds", "Time that a flush to the ledger took.", SECONDS
        )
        self.ledger_shed = counter(
            "ledger_shed_total", "What was not kept for want of room in memory or ledger, by kind.", "kind"
        )
        self.loop_lag = histogram(
            "event_loop_lag_seconds", "How late the event loop runs what is due.", SHORT_SECONDS
        )
        self.build_info = gauge("build_info", "1, with the versions as labels.", "version", "python")
        self.build_info.labels(proxy.__version__, platform.python_version()).set(1)

"""Turn events into Prometheus metrics. A listener; nobody who emits knows of it.

Every child that an alert may look at exists with the value 0 before anything happens: an increase from
"absent" to 1 is none to Prometheus. They are made at the start and at each load of the schema cache.
"""

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, ProcessCollector

from proxy.events import (
    CircuitChanged,
    ConfigReloaded,
    Crashed,
    FellBack,
    GuardAlarmed,
    Hearing,
    Held,
    Judged,
    LedgerFlushed,
    LedgerShed,
    Listener,
    ModeChanged,
    OutcomeLost,
    ReadAgain,
    Rehearsed,
    RuleHit,
    SchemaLoaded,
    SelfTested,
    Served,
    Shed,
    SideAnswered,
    Skipped,
    Unrehearsed,
)
from proxy.operate.families import (
    ASPECTS,
    FALLBACK_REASONS,
    LEDGER_KINDS,
    POOL_STATES,
    READ_MODES,
    READINESS_VERDICTS,
    REHEARSAL_VERDICTS,
    RESULTS,
    SHED_REASONS,
    SIDES,
    SKIP_REASONS,
    TRIP_REASONS,
    UNREHEARSED_REASONS,
    VERDICTS,
    WATCHED_CODES,
    WRITE_MODES,
    Families,
    read_code,
    read_method,
)
from proxy.shadow.evidence import BOTH_ANSWERED
from proxy.shadow.policy import TableModes
from proxy.shadow.readiness import Readiness
from proxy.shadow.subject import OTHER

MAX_TABLES = 200


class Queue(Protocol):
    """The mirror's queue, as far as it is watched."""

    @property
    def entries(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def oldest_seconds(self) -> float: ...
    @property
    def in_flight(self) -> int: ...


class Pending(Protocol):
    """The ledger, as far as it is watched."""

    @property
    def up(self) -> bool: ...
    @property
    def entries(self) -> int: ...
    @property
    def bytes(self) -> int: ...


class Stoppable(Protocol):
    """The mirror's throttle, as far as it is watched."""

    @property
    def paused(self) -> bool: ...
    @property
    def stopped(self) -> bool: ...


class Metrics(Listener):
    """A listener that keeps the metrics in ``registry``.

    ``wall_clock`` gives the time in seconds since 1970. A table that once had a label keeps it, so that
    counters never go backwards; when ``MAX_TABLES`` labels are given away, further tables are ``other``.
    """

    def __init__(self, wall_clock: Callable[[], float], registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._wall_clock = wall_clock
        self._families = Families(self.registry)
        super().__init__(self._listening())
        self._tables: set[str] = set()
        self._children: dict[tuple[Any, tuple[str, ...]], Any] = {}
        ProcessCollector(registry=self.registry)
        for result in RESULTS:
            self._families.config_reloads.labels(result)
            self._families.schema_loads.labels(result)
            self._families.ledger_flushes.labels(result)
        for kind in LEDGER_KINDS:
            self._families.ledger_shed.labels(kind)
        self._families.config_successful.set(1)
        self._families.config_timestamp.set(wall_clock())
        for side in SIDES:
            self._families.database_seconds.labels(side)
        self._add_table(OTHER)

    def set_tables(self, modes: Iterable[TableModes]) -> None:
        """Make the children of every table, and show the modes in force.

        To be called after each load of the schema cache and each change of the configuration, with the
        tables that matter most first (``list_modes`` of ``proxy.shadow.policy``).
        """
        for table in modes:
            if table.table not in self._tables:
                if len(self._tables) > MAX_TABLES:
                    continue
                self._add_table(table.table)
            self._show_mode(table.table, "reads", table.reads)
            self._show_mode(table.table, "writes", table.writes)
            self._families.engine_share.labels(table.table).set(table.engine_share)
            self._families.table_held.labels(table.table).set(table.held)
            self._families.rehearsal_refused.labels(table.table).set(bool(table.hazards))
            self._expect_requests(table)

    def show_readiness(self, readiness: Readiness) -> None:
        """Show the newest judgement on a table, if it has a label of its own."""
        families, table = self._families, readiness.table
        if table in self._tables:
            for verdict in READINESS_VERDICTS:
                families.readiness.labels(table, verdict).set(verdict == readiness.verdict)
            families.mismatch_bound.labels(table).set(readiness.mismatch_bound)
            families.unseen_shapes.labels(table).set(readiness.unseen.bound)

    def set_rules(self, rules: Iterable[str]) -> None:
        """Make the children of the rules in force, by their names."""
        for rule in rules:
            self._families.rule_hits.labels(rule)

    def watch_queue(self, queue: Queue) -> None:
        """Read the queue's gauges from ``queue`` whenever they are asked for, from any thread."""
        self._families.queue_entries.set_function(lambda: queue.entries)
        self._families.queue_bytes.set_function(lambda: queue.bytes)
        self._families.queue_oldest.set_function(lambda: queue.oldest_seconds)
        self._families.in_flight.set_function(lambda: queue.in_flight)

    def watch_throttle(self, throttle: Stoppable) -> None:
        """Read from ``throttle`` whether mirroring is paused or stopped."""
        self._families.mirror_paused.set_function(lambda: throttle.paused)
        self._families.breaker_open.set_function(lambda: throttle.stopped)

    def watch_pool(self, count: Callable[[], Mapping[str, int]]) -> None:
        """Read the pool's gauges from ``count``, which maps states (``POOL_STATES``) to connections."""

        def read(state: str) -> Callable[[], float]:
            return lambda: count().get(state, 0)

        for state in POOL_STATES:
            self._families.pool_connections.labels(state).set_function(read(state))

    def watch_replica(self, measure: Callable[[], float]) -> None:
        """Read the replica's lag from ``measure`` whenever it is asked for."""
        self._families.replica_lag.set_function(measure)

    def watch_ledger(self, ledger: Pending) -> None:
        """Read the ledger's gauges from ``ledger`` whenever they are asked for, from any thread."""
        self._families.ledger_up.set_function(lambda: ledger.up)
        self._families.ledger_entries.set_function(lambda: ledger.entries)
        self._families.ledger_bytes.set_function(lambda: ledger.bytes)

    def observe_lag(self, seconds: float) -> None:
        """Take note of how late the event loop was."""
        self._families.loop_lag.observe(seconds)

    def _listening(self) -> Hearing:
        families = self._families
        return {
            Served: self._count_served,
            SideAnswered: self._time_side,
            Judged: self._count_verdict,
            ReadAgain: self._time_readings,
            SelfTested: self._count_selftest,
            Skipped: self._by(families.skipped, "reason"),
            Shed: self._by(families.shed, "reason"),
            Rehearsed: self._by(families.rehearsals, "verdict"),
            Unrehearsed: self._by(families.unrehearsed, "reason"),
            OutcomeLost: self._by(families.outcomes_lost, "side"),
            FellBack: self._by(families.fallbacks, "reason"),
            Held: self._by(families.rollbacks, "reason"),
            GuardAlarmed: self._by(families.guard_alarms, "reason"),
            RuleHit: lambda hit: families.rule_hits.labels(hit.rule).inc(),
            CircuitChanged: lambda changed: families.circuit_open.set(changed.open),
            SchemaLoaded: lambda loaded: families.schema_loads.labels(_result(loaded.accepted)).inc(),
            LedgerShed: lambda shed: families.ledger_shed.labels(shed.kind).inc(shed.count),
            Crashed: lambda _: families.crashes.inc(),
            ConfigReloaded: self._note_config,
            ModeChanged: self._note_mode,
            LedgerFlushed: self._note_flush,
        }

    def _by(self, family: Any, what: str) -> Callable[[Any], None]:
        """Counts an event of a table in ``family``, by ``what`` it says."""
        read: Callable[[Any], str] = attrgetter(what)
        return lambda event: self._child(family, self._label(event.table), read(event)).inc()

    def _time_side(self, answered: SideAnswered) -> None:
        families, table = self._families, self._label(answered.table)
        self._child(families.side_duration, table, answered.side).observe(answered.seconds)
        self._child(families.database_seconds, answered.side).inc(answered.seconds)

    def _time_readings(self, again: ReadAgain) -> None:
        self._families.database_seconds.labels("upstream").inc(again.upstream_seconds)
        self._families.database_seconds.labels("engine").inc(again.engine_seconds)

    def _count_selftest(self, tested: SelfTested) -> None:
        self._families.selftest_injected.inc()
        self._families.selftest_detected.inc(tested.detected)

    def _note_config(self, reloaded: ConfigReloaded) -> None:
        families = self._families
        families.config_reloads.labels(_result(reloaded.accepted)).inc()
        families.config_successful.set(reloaded.accepted)
        if reloaded.accepted:
            families.config_timestamp.set(self._wall_clock())

    def _note_mode(self, changed: ModeChanged) -> None:
        table = self._label(changed.table)
        if table == changed.table:
            self._show_mode(table, changed.operation, changed.after)
            self._families.mode_change.labels(table, changed.after).set(self._wall_clock())

    def _note_flush(self, flushed: LedgerFlushed) -> None:
        families = self._families
        families.ledger_flushes.labels(_result(flushed.accepted)).inc()
        families.ledger_duration.observe(flushed.seconds)
        if flushed.accepted:
            families.ledger_timestamp.set(self._wall_clock())

    def _count_served(self, event: Served) -> None:
        families, table = self._families, self._label(event.table)
        method, code = read_method(event.method), read_code(event.code)
        self._child(families.requests, table, method, event.mode, event.answered_by, code).inc()
        self._child(families.request_duration, table, event.answered_by).observe(event.seconds)
        families.overhead.observe(event.overhead_seconds)

    def _count_verdict(self, event: Judged) -> None:
        families, table = self._families, self._label(event.table)
        self._child(families.verdicts, table, event.verdict).inc()
        if event.verdict == "mismatch":
            for aspect in {difference.aspect for difference in event.differences}:
                families.mismatches.labels(table, aspect).inc()
        if event.verdict in BOTH_ANSWERED and event.upstream_seconds > 0:
            ratio = event.engine_seconds / event.upstream_seconds
            self._child(families.latency_ratio, table).observe(ratio)

    def _child(self, family: Any, *values: str) -> Any:
        """The child of ``family`` with these labels, looked up once: no child is ever removed."""
        key = (family, values)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = family.labels(*values)
        return child

    def _label(self, table: str) -> str:
        return table if table in self._tables else OTHER

    def _add_table(self, table: str) -> None:
        families = self._families
        self._tables.add(table)
        for side in SIDES:
            families.request_duration.labels(table, side)
            families.side_duration.labels(table, side)
        families.latency_ratio.labels(table)
        families.engine_share.labels(table)
        families.table_held.labels(table)
        for verdict in READINESS_VERDICTS:
            families.readiness.labels(table, verdict)
        # Nothing is known of the table: its rates may be anything, and 0 would be the best of all.
        families.mismatch_bound.labels(table).set(1)
        families.unseen_shapes.labels(table).set(1)
        for reason in TRIP_REASONS:
            families.rollbacks.labels(table, reason)
            families.guard_alarms.labels(table, reason)
        for verdict in VERDICTS:
            families.verdicts.labels(table, verdict)
        for aspect in ASPECTS:
            families.mismatches.labels(table, aspect)
        for reason in SKIP_REASONS:
            families.skipped.labels(table, reason)
        for reason in SHED_REASONS:
            families.shed.labels(table, reason)
        for verdict in REHEARSAL_VERDICTS:
            families.rehearsals.labels(table, verdict)
        for reason in UNREHEARSED_REASONS:
            families.unrehearsed.labels(table, reason)
        for side in SIDES:
            families.outcomes_lost.labels(table, side)
        families.rehearsal_refused.labels(table)
        for reason in FALLBACK_REASONS:
            families.fallbacks.labels(table, reason)
        for mode in READ_MODES:
            families.table_mode.labels(table, "reads", mode)
            families.mode_change.labels(table, mode)
        for mode in WRITE_MODES:
            families.table_mode.labels(table, "writes", mode)

    def _expect_requests(self, table: TableModes) -> None:
        """The children for what a table's reads are likely to come to; the full product would be too many."""
        side = "engine" if table.reads == "engine" else "upstream"
        for code in WATCHED_CODES:
            self._families.requests.labels(table.table, "GET", table.reads, side, code)

    def _show_mode(self, table: str, operation: str, mode: str) -> None:
        for known in READ_MODES if operation == "reads" else WRITE_MODES:
            self._families.table_mode.labels(table, operation, known).set(known == mode)


def _result(accepted: bool) -> str:
    return "success" if accepted else "failure"

"""The metrics: exact names, zeros from the start, bounded labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from proxy.difference import Difference
from proxy.events import (
    CircuitChanged,
    ConfigReloaded,
    Crashed,
    FellBack,
    GuardAlarmed,
    Held,
    Judged,
    LedgerFlushed,
    LedgerShed,
    ModeChanged,
    OutcomeLost,
    Rehearsed,
    SchemaLoaded,
    Served,
    Shed,
    ShedReason,
    SideAnswered,
    Skipped,
    SkipReason,
    Unrehearsed,
    Verdict,
)
from proxy.operate.metrics import MAX_TABLES, Metrics
from proxy.shadow.policy import TableModes
from proxy.shadow.readiness import ReadinessVerdict

MODES = (TableModes("storage", "shadow", "upstream"), TableModes("location", "engine", "upstream"))


FAMILIES = {
    "requests",
    "request_duration_seconds",
    "overhead_seconds",
    "side_duration_seconds",
    "latency_ratio",
    "verdicts",
    "mismatches",
    "ignore_rule_hits",
    "selftest_injected",
    "selftest_detected",
    "database_seconds",
    "mirror_paused",
    "breaker_open",
    "skipped",
    "shed",
    "rehearsals",
    "unrehearsed",
    "rehearsal_refused",
    "unknown_outcomes",
    "queue_entries",
    "queue_bytes",
    "queue_oldest_seconds",
    "in_flight",
    "readiness",
    "mismatch_bound_ratio",
    "unseen_shapes_ratio",
    "table_mode",
    "table_held",
    "rollbacks",
    "guard_alarms",
    "circuit_open",
    "mode_change_timestamp_seconds",
    "engine_share_ratio",
    "fallbacks",
    "crashes",
    "config_reloads",
    "config_last_reload_successful",
    "config_last_reload_timestamp_seconds",
    "schema_cache_loads",
    "pool_connections",
    "replica_lag_seconds",
    "event_loop_lag_seconds",
    "ledger_up",
    "ledger_pending_entries",
    "ledger_pending_bytes",
    "ledger_last_flush_timestamp_seconds",
    "ledger_flushes",
    "ledger_flush_duration_seconds",
    "ledger_shed",
    "build_info",
}

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"}


@pytest.fixture
def metrics() -> Metrics:
    made = Metrics(wall_clock=lambda: 1000.0)
    made.set_tables(MODES)
    return made


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"understudy_{name}", labels)


def series(metrics: Metrics) -> int:
    families = text_string_to_metric_families(generate_latest(metrics.registry).decode())
    return sum(len(family.samples) for family in families)


def test_the_names_are_those_of_the_design(metrics: Metrics) -> None:
    families = text_string_to_metric_families(generate_latest(metrics.registry).decode())
    names = {family.name for family in families if family.name.startswith("understudy_")}
    assert names == {f"understudy_{name}" for name in FAMILIES}


@pytest.mark.parametrize("table", ["storage", "location", "other"])
def test_every_child_is_zero_before_anything_happens(metrics: Metrics, table: str) -> None:
    for verdict in get_args(Verdict):
        assert value(metrics, "verdicts_total", table=table, verdict=verdict) == 0
    for reason in get_args(SkipReason):
        assert value(metrics, "skipped_total", table=table, reason=reason) == 0
    for reason in get_args(ShedReason):
        assert value(metrics, "shed_total", table=table, reason=reason) == 0
    for aspect in ("status", "headers", "body", "order"):
        assert value(metrics, "mismatches_total", table=table, aspect=aspect) == 0
    for reason in ("unsupported", "failed", "timeout", "no_schema", "circuit"):
        assert value(metrics, "fallbacks_total", table=table, reason=reason) == 0
    for side in ("upstream", "engine"):
        assert value(metrics, "side_duration_seconds_count", table=table, side=side) == 0
        assert value(metrics, "request_duration_seconds_count", table=table, answered_by=side) == 0
    assert value(metrics, "latency_ratio_count", table=table) == 0
    for verdict in get_args(ReadinessVerdict):
        assert value(metrics, "readiness", table=table, verdict=verdict) == 0
    # But for what would be good news if it were 0.
    assert value(metrics, "mismatch_bound_ratio", table=table) == 1
    assert value(metrics, "unseen_shapes_ratio", table=table) == 1
    for result in ("success", "failure"):
        assert value(metrics, "config_reloads_total", result=result) == 0
        assert value(metrics, "schema_cache_loads_total", result=result) == 0


def test_likely_requests_are_zero_before_they_come(metrics: Metrics) -> None:
    labels = {"table": "location", "method": "GET", "mode": "engine", "answered_by": "engine"}
    for code in ("200", "500", "503"):
        assert value(metrics, "requests_total", **labels, code=code) == 0


def test_a_request_is_counted_with_its_times(metrics: Metrics) -> None:
    metrics.listen(Served("storage", "GET", "shadow", True, "upstream", 206, 0.02, 0.0004))
    labels = {"table": "storage", "method": "GET", "mode": "shadow", "answered_by": "upstream"}
    assert value(metrics, "requests_total", **labels, code="206") == 1
    assert value(metrics, "request_duration_seconds_sum", table="storage", answered_by="upstream") == 0.02
    assert value(metrics, "overhead_seconds_bucket", le="0.00025") == 0
    assert value(metrics, "overhead_seconds_bucket", le="0.0005") == 1


@pytest.mark.parametrize(
    ("code", "label"), [(200, "200"), (499, "499"), (299, "2xx"), (418, "4xx"), (799, "other"), (0, "other")]
)
def test_codes_are_bounded(metrics: Metrics, code: int, label: str) -> None:
    metrics.listen(Served("storage", "BREW", "shadow", False, "upstream", code, 0.1, 0.0))
    labels = {"table": "storage", "method": "other", "mode": "shadow", "answered_by": "upstream"}
    assert value(metrics, "requests_total", **labels, code=label) == 1


def test_a_mismatch_counts_once_in_each_of_its_aspects(metrics: Metrics) -> None:
    differences = tuple(Difference(aspect, "", "", "") for aspect in ("body", "body", "status"))
    metrics.listen(Judged("storage", "mismatch", "GET /", differences, 0.1, 0.15))
    assert value(metrics, "verdicts_total", table="storage", verdict="mismatch") == 1
    assert value(metrics, "mismatches_total", table="storage", aspect="body") == 1
    assert value(metrics, "mismatches_total", table="storage", aspect="status") == 1
    assert value(metrics, "mismatches_total", table="storage", aspect="headers") == 0


def test_the_latency_ratio_is_engine_by_upstream_for_pairs_only(metrics: Metrics) -> None:
    metrics.listen(Judged("storage", "match", "GET /", (), 0.010, 0.012))
    metrics.listen(Judged("storage", "failed", "GET /", (), 0.010, 0.0))
    metrics.listen(Judged("storage", "unsupported", "GET /", (), 0.010, 0.0))
    assert value(metrics, "latency_ratio_count", table="storage") == 1
    assert value(metrics, "latency_ratio_sum", table="storage") == pytest.approx(1.2)
    assert value(metrics, "latency_ratio_bucket", table="storage", le="1.1") == 0
    assert value(metrics, "latency_ratio_bucket", table="storage", le="1.25") == 1


def test_skipped_shed_fallbacks_sides_and_crashes_are_counted(metrics: Metrics) -> None:
    metrics.listen(Skipped("storage", "not_sampled"))
    metrics.listen(Shed("storage", "queue"))
    metrics.listen(FellBack("location", "timeout"))
    metrics.listen(SideAnswered("storage", "engine", 0.5))
    metrics.listen(Crashed("mirror", "KeyError"))
    assert value(metrics, "skipped_total", table="storage", reason="not_sampled") == 1
    assert value(metrics, "shed_total", table="storage", reason="queue") == 1
    assert value(metrics, "fallbacks_total", table="location", reason="timeout") == 1
    assert value(metrics, "side_duration_seconds_sum", table="storage", side="engine") == 0.5
    assert value(metrics, "crashes_total") == 1


def test_rehearsals_and_unknown_outcomes_are_counted_apart_from_reads(metrics: Metrics) -> None:
    metrics.listen(Rehearsed("storage", "match", "POST /storage"))
    metrics.listen(Unrehearsed("storage", "busy"))
    metrics.listen(OutcomeLost("storage", "upstream"))
    assert value(metrics, "rehearsals_total", table="storage", verdict="match") == 1
    assert value(metrics, "rehearsals_total", table="storage", verdict="mismatch") == 0
    assert value(metrics, "unrehearsed_total", table="storage", reason="busy") == 1
    assert value(metrics, "unknown_outcomes_total", table="storage", side="upstream") == 1
    assert value(metrics, "unknown_outcomes_total", table="storage", side="engine") == 0
    assert value(metrics, "verdicts_total", table="storage", verdict="match") == 0


def test_a_table_that_must_not_be_rehearsed_is_shown_until_it_may(metrics: Metrics) -> None:
    assert value(metrics, "rehearsal_refused", table="storage") == 0
    metrics.set_tables([TableModes("storage", "shadow", "upstream", ("its trigger calls dblink",))])
    assert value(metrics, "rehearsal_refused", table="storage") == 1
    assert value(metrics, "table_mode", table="storage", operation="writes", mode="upstream") == 1
    metrics.set_tables([TableModes("storage", "shadow", "rehearse")])
    assert value(metrics, "rehearsal_refused", table="storage") == 0
    assert value(metrics, "table_mode", table="storage", operation="writes", mode="rehearse") == 1


def test_one_mode_is_in_force_and_a_change_has_its_time() -> None:
    times = iter([5.0, 77.0])
    metrics = Metrics(wall_clock=lambda: next(times))
    metrics.set_tables(MODES)
    labels = {"table": "storage", "operation": "reads"}
    assert [
        value(metrics, "table_mode", **labels, mode=mode) for mode in ("upstream", "shadow", "engine")
    ] == [0, 1, 0]
    assert value(metrics, "engine_share_ratio", table="storage") == 0
    metrics.listen(ModeChanged("storage", "reads", "shadow", "engine"))
    assert [
        value(metrics, "table_mode", **labels, mode=mode) for mode in ("upstream", "shadow", "engine")
    ] == [0, 0, 1]
    metrics.set_tables([TableModes("storage", "canary", "upstream", held=True, engine_share=0.25)])
    assert value(metrics, "engine_share_ratio", table="storage") == 0.25
    assert value(metrics, "table_held", table="storage") == 1
    assert value(metrics, "mode_change_timestamp_seconds", table="storage", mode="engine") == 77
    assert value(metrics, "mode_change_timestamp_seconds", table="storage", mode="shadow") == 0
    assert value(metrics, "table_mode", table="storage", operation="writes", mode="upstream") == 1


def test_a_refused_configuration_leaves_the_time_of_the_one_in_force() -> None:
    times = iter([5.0, 9.0])
    metrics = Metrics(wall_clock=lambda: next(times))
    metrics.listen(ConfigReloaded(False, "line 3"))
    assert value(metrics, "config_last_reload_successful") == 0
    assert value(metrics, "config_last_reload_timestamp_seconds") == 5
    metrics.listen(ConfigReloaded(True))
    assert value(metrics, "config_last_reload_successful") == 1
    assert value(metrics, "config_last_reload_timestamp_seconds") == 9
    assert value(metrics, "config_reloads_total", result="failure") == 1
    assert value(metrics, "config_reloads_total", result="success") == 1


def test_loads_of_the_schema_cache_are_counted(metrics: Metrics) -> None:
    metrics.listen(SchemaLoaded(True, 8, 0.1))
    metrics.listen(SchemaLoaded(False, problem="no connection"))
    assert value(metrics, "schema_cache_loads_total", result="success") == 1
    assert value(metrics, "schema_cache_loads_total", result="failure") == 1


def test_what_is_no_table_is_other(metrics: Metrics) -> None:
    metrics.listen(Shed("etc/passwd", "queue"))
    metrics.listen(ModeChanged("nobody", "reads", "shadow", "engine"))
    assert value(metrics, "shed_total", table="other", reason="queue") == 1
    assert value(metrics, "shed_total", table="etc/passwd", reason="queue") is None
    assert value(metrics, "engine_share_ratio", table="other") == 0


def test_only_so_many_tables_have_a_label_and_those_that_have_one_keep_it() -> None:
    metrics = Metrics(wall_clock=lambda: 0.0)
    metrics.set_tables(TableModes(f"t{number}", "shadow", "upstream") for number in range(MAX_TABLES + 50))
    metrics.listen(Shed(f"t{MAX_TABLES - 1}", "queue"))
    metrics.listen(Shed(f"t{MAX_TABLES}", "queue"))
    assert value(metrics, "shed_total", table=f"t{MAX_TABLES - 1}", reason="queue") == 1
    assert value(metrics, "shed_total", table="other", reason="queue") == 1
    metrics.set_tables([TableModes("new", "shadow", "upstream")])
    metrics.listen(Shed("t0", "queue"))
    metrics.listen(Shed("new", "queue"))
    assert value(metrics, "shed_total", table="t0", reason="queue") == 1
    assert value(metrics, "shed_total", table="other", reason="queue") == 2


words = st.text(max_size=8)


@settings(deadline=None)
@given(st.lists(st.tuples(words, words, st.integers(-1000, 2000)), max_size=30))
def test_no_request_can_make_up_labels(requests: list[tuple[str, str, int]]) -> None:
    metrics = Metrics(wall_clock=lambda: 0.0)
    metrics.set_tables(MODES)
    for table, method, code in requests:
        metrics.listen(Served(table, method, "shadow", True, "upstream", code, 0.1, 0.0))
        metrics.listen(Judged(table, "match", "GET /"))
        metrics.listen(SideAnswered(table, "upstream", 0.1))
    for family in text_string_to_metric_families(generate_latest(metrics.registry).decode()):
        for sample in family.samples:
            assert sample.labels.get("table", "other") in {"storage", "location", "other"}
            assert sample.labels.get("method", "other") in METHODS
            code_label = sample.labels.get("code", "200")
            assert code_label.isdigit() or code_label.endswith("xx") or code_label == "other"


@dataclass
class FakeQueue:
    entries: int = 3
    bytes: int = 4096
    oldest_seconds: float = 1.5
    in_flight: int = 2


def test_the_queue_and_the_pool_are_read_when_asked(metrics: Metrics) -> None:
    queue, pool = FakeQueue(), {"in_use": 4, "idle": 6}

    def count() -> Mapping[str, int]:
        return pool

    metrics.watch_queue(queue)
    metrics.watch_pool(count)
    assert value(metrics, "queue_entries") == 3
    queue.entries, pool["in_use"] = 9, 5
    assert value(metrics, "queue_entries") == 9
    assert value(metrics, "queue_bytes") == 4096
    assert value(metrics, "queue_oldest_seconds") == 1.5
    assert value(metrics, "in_flight") == 2
    assert value(metrics, "pool_connections", state="in_use") == 5
    assert value(metrics, "pool_connections", state="max") == 0


def test_the_lag_of_the_loop_is_observed(metrics: Metrics) -> None:
    metrics.observe_lag(0.003)
    assert value(metrics, "event_loop_lag_seconds_sum") == 0.003


def test_registries_are_separate() -> None:
    one, other = Metrics(wall_clock=lambda: 0.0), Metrics(wall_clock=lambda: 0.0)
    one.listen(Crashed("x", "y"))
    assert value(other, "crashes_total") == 0


def test_the_number_of_series_stays_within_its_budget() -> None:
    metrics = Metrics(wall_clock=lambda: 0.0)
    few = series(metrics)
    metrics.set_tables([TableModes("storage", "shadow", "upstream")])
    assert series(metrics) - few < 170


def test_flushes_to_the_ledger_and_what_it_shed_are_counted(metrics: Metrics) -> None:
    assert value(metrics, "ledger_flushes_total", result="failure") == 0
    assert value(metrics, "ledger_shed_total", kind="evidence") == 0
    metrics.listen(LedgerFlushed(True, 0.5))
    metrics.listen(LedgerFlushed(False, 0.1, "gone"))
    metrics.listen(LedgerShed("evidence", 7))
    assert value(metrics, "ledger_flushes_total", result="success") == 1
    assert value(metrics, "ledger_flushes_total", result="failure") == 1
    assert value(metrics, "ledger_flush_duration_seconds_sum") == pytest.approx(0.6)
    assert value(metrics, "ledger_last_flush_timestamp_seconds") == 1000.0
    assert value(metrics, "ledger_shed_total", kind="evidence") == 7


def test_the_ledger_is_watched(metrics: Metrics) -> None:
    class Watched:
        up, entries, bytes = True, 3, 400

    metrics.watch_ledger(Watched())
    assert value(metrics, "ledger_up") == 1
    assert value(metrics, "ledger_pending_entries") == 3
    assert value(metrics, "ledger_pending_bytes") == 400


def test_holds_alarms_and_the_circuit_are_counted(metrics: Metrics) -> None:
    for reason in ("mismatches", "errors", "latency"):
        assert value(metrics, "rollbacks_total", table="storage", reason=reason) == 0
    metrics.listen(Held("storage", "errors", "5 engine errors"))
    metrics.listen(GuardAlarmed("storage", "latency", "5 answers"))
    assert value(metrics, "rollbacks_total", table="storage", reason="errors") == 1
    assert value(metrics, "guard_alarms_total", table="storage", reason="latency") == 1
    for state in (True, False):
        metrics.listen(CircuitChanged(open=state))
        assert value(metrics, "circuit_open") == state

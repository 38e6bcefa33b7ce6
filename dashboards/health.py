"""*Health*: whether the proxies themselves are well."""

from grafana_foundation_sdk.models import dashboard

from dashboards.latency import QUANTILES, quantile
from dashboards.style import (
    GREEN,
    OF_TABLE,
    RED,
    SELECTED,
    YELLOW,
    Query,
    Row,
    make_dashboard,
    number,
    series,
    versions,
)


def make() -> dashboard.Dashboard:
    """The dashboard, to be written as JSON."""
    return make_dashboard(
        "health",
        "Health",
        "Whether the proxies are well: errors, mirror, database, configuration, ledger, process.",
        [_now(), _errors(), _mirror(), _engine(), _ledger(), _process()],
    )


def _now() -> Row:
    return Row(
        "Now",
        (
            number(
                "Instances",
                "Proxies that Prometheus reaches.",
                "short",
                f"count(understudy_build_info{{{SELECTED}}})",
                width=3,
            ),
            versions(
                "Versions",
                "The proxies' versions, and Python's. More than one: a roll-out is under way, or got stuck.",
                Query(
                    f"count by (version, python) (understudy_build_info{{{SELECTED}}})",
                    "{{version}}, Python {{python}}",
                ),
                width=5,
            ),
            number(
                "Configuration",
                "Proxies whose newest configuration was refused; the last good one is in force there.",
                "short",
                f"count(understudy_config_last_reload_successful{{{SELECTED}}} == 0) or vector(0)",
                steps=((None, GREEN), (0.5, RED)),
                width=4,
            ),
            number(
                "Age of the configuration",
                "Since the configuration in force was loaded, by the proxy that did so last.",
                "s",
                f"time() - max(understudy_config_last_reload_timestamp_seconds{{{SELECTED}}})",
                width=4,
            ),
            number(
                "Faults",
                "Faults of the proxy's own that were caught, in the time range; the log has where.",
                "short",
                f"sum(increase(understudy_crashes_total{{{SELECTED}}}[$__range]))",
                steps=((None, GREEN), (0.5, RED)),
                width=4,
            ),
            number(
                "Not accounted for",
                "Reads of which the end is not known, the largest of any table and proxy. What is queued or "
                "in work "
                "is fine; what stays while nothing is queued is a fault.",
                "short",
                "max(abs("
                f'sum by (instance, table) (understudy_requests_total{{{OF_TABLE},method=~"GET|HEAD"}})'
                f" - sum by (instance, table) (understudy_verdicts_total{{{OF_TABLE}}})"
                f' - sum by (instance, table) (understudy_skipped_total{{{OF_TABLE},reason!="method"}})'
                f" - sum by (instance, table) (understudy_shed_total{{{OF_TABLE}}})))",
                steps=((None, GREEN), (1000, YELLOW)),
                width=4,
            ),
        ),
    )


def _errors() -> Row:
    requests = f"rate(understudy_requests_total{{{OF_TABLE}"
    return Row(
        "Errors",
        (
            series(
                "Requests, by instance",
                "All of them; the load should be spread evenly.",
                "reqps",
                Query(f"sum by (instance) ({requests}}}[$__rate_interval]))", "{{instance}}"),
            ),
            series(
                "Status codes",
                "What clients got.",
                "reqps",
                Query(f"sum by (code) ({requests}}}[$__rate_interval]))", "{{code}}"),
                stacked=True,
            ),
            series(
                "Share of 5xx, by who answered",
                "`proxy` is the proxy's own: the upstream could not be reached, or took too long.",
                "percentunit",
                Query(
                    f'sum by (answered_by) ({requests},code=~"5.."}}[$__rate_interval]))'
                    f" / (sum by (answered_by) ({requests}}}[$__rate_interval])) > 0)",
                    "{{answered_by}}",
                ),
                steps=((None, GREEN), (0.01, RED)),
            ),
        ),
    )


def _mirror() -> Row:
    return Row(
        "Mirror",
        (
            series(
                "Reads that wait, and in work",
                "A queue that stays long is about to shed.",
                "short",
                Query(f"sum(understudy_queue_entries{{{SELECTED}}})", "waiting"),
                Query(f"sum(understudy_in_flight{{{SELECTED}}})", "in work"),
                width=6,
            ),
            series(
                "Memory of the queue",
                "Bytes of all reads that the mirror holds; `shadow.queue_bytes` is the limit.",
                "bytes",
                Query(f"sum by (instance) (understudy_queue_bytes{{{SELECTED}}})", "{{instance}}"),
                width=6,
            ),
            series(
                "Age of the next read",
                "How long the read that is next has waited.",
                "s",
                Query(f"max by (instance) (understudy_queue_oldest_seconds{{{SELECTED}}})", "{{instance}}"),
                steps=((None, GREEN), (5, RED)),
                width=6,
            ),
            series(
                "Shed, as a share of what was to be compared",
                "Beyond a few percent the evidence may be lopsided: lower `sample`, or give the mirror more.",
                "percentunit",
                Query(
                    f"sum(rate(understudy_shed_total{{{SELECTED}}}[$__rate_interval])) / "
                    f"(sum(rate(understudy_shed_total{{{SELECTED}}}[$__rate_interval]))"
                    f" + sum(rate(understudy_verdicts_total{{{SELECTED}}}[$__rate_interval])))",
                    "shed",
                ),
                steps=((None, GREEN), (0.05, RED)),
                width=6,
            ),
            series(
                "Stopped",
                "1 while an operator has paused mirroring, while it stopped itself because clients felt it, "
                "or "
                "while the engine is left alone since it failed again and again.",
                "short",
                Query(f"max by (instance) (understudy_mirror_paused{{{SELECTED}}})", "paused {{instance}}"),
                Query(f"max by (instance) (understudy_breaker_open{{{SELECTED}}})", "breaker {{instance}}"),
                Query(f"max by (instance) (understudy_circuit_open{{{SELECTED}}})", "circuit {{instance}}"),
                most=1,
            ),
            series(
                "Beyond a limit, with nothing to go back to",
                "Tables that the guard found beyond one of its limits while there is no upstream.",
                "short",
                Query(
                    "sum by (table, reason) "
                    f"(increase(understudy_guard_alarms_total{{{OF_TABLE}}}[$__rate_interval]))",
                    "{{table}}: {{reason}}",
                ),
            ),
            series(
                "The engine's share of the time spent on answers",
                "For clients, the mirror and proofs together. While tables are in `shadow` it is what "
                "mirroring "
                "adds to the database's load.",
                "percentunit",
                Query(
                    "sum(rate(understudy_database_seconds_total"
                    f'{{{SELECTED},side="engine"}}[$__rate_interval])) / '
                    f"sum(rate(understudy_database_seconds_total{{{SELECTED}}}[$__rate_interval]))",
                    "engine",
                ),
                most=1,
            ),
        ),
    )


def _engine() -> Row:
    return Row(
        "Engine and database",
        (
            series(
                "Connections of the pool",
                "In use, idle, and the most there may be (`db-pool`), all proxies together.",
                "short",
                Query(f"sum by (state) (understudy_pool_connections{{{SELECTED}}})", "{{state}}"),
            ),
            series(
                "Loads of the schema cache",
                "A failed one leaves the last good schema in force; the log has why.",
                "short",
                Query(
                    "sum by (result) (increase(understudy_schema_cache_loads_total"
                    f"{{{SELECTED}}}[$__rate_interval]))",
                    "{{result}}",
                ),
            ),
            series(
                "Reloads of the configuration",
                "A failed one is a file that was refused; the log and `/status` have line and reason.",
                "short",
                Query(
                    "sum by (result) "
                    f"(increase(understudy_config_reloads_total{{{SELECTED}}}[$__rate_interval]))",
                    "{{result}}",
                ),
            ),
        ),
    )


def _ledger() -> Row:
    return Row(
        "Ledger",
        (
            number(
                "Reached",
                "Proxies whose last write reached the ledger. Without it, evidence waits in memory.",
                "short",
                f"sum(understudy_ledger_up{{{SELECTED}}})",
                width=3,
            ),
            number(
                "Last write",
                "Since the ledger was last written to, by the proxy for which it is longest ago.",
                "s",
                f"time() - min(understudy_ledger_last_flush_timestamp_seconds{{{SELECTED}}} > 0)",
                steps=((None, GREEN), (60, YELLOW), (600, RED)),
                width=3,
            ),
            series(
                "Counts that wait",
                "Counts that are in memory only, by proxy, until the next write to the ledger.",
                "short",
                Query(f"sum by (instance) (understudy_ledger_pending_entries{{{SELECTED}}})", "{{instance}}"),
                width=6,
            ),
            series(
                "Mismatches that wait",
                "Bytes of mismatches that are in memory only, by proxy.",
                "bytes",
                Query(f"sum by (instance) (understudy_ledger_pending_bytes{{{SELECTED}}})", "{{instance}}"),
                width=6,
            ),
            series(
                "Not kept, by kind",
                "What found no room in memory or ledger: the evidence is the poorer for it.",
                "reqps",
                Query(
                    f"sum by (kind) (rate(understudy_ledger_shed_total{{{SELECTED}}}[$__rate_interval]))",
                    "{{kind}}",
                ),
                width=6,
            ),
            series(
                "Writes to the ledger",
                "By result; a failed one is tried again.",
                "reqps",
                Query(
                    "sum by (result) "
                    f"(rate(understudy_ledger_flushes_total{{{SELECTED}}}[$__rate_interval]))",
                    "{{result}}",
                ),
                width=12,
            ),
            series(
                "Time of a write",
                "It keeps nobody waiting; a slow one only means that more is in memory.",
                "s",
                *(
                    Query(quantile(share, "understudy_ledger_flush_duration_seconds", SELECTED), name)
                    for share, name in QUANTILES
                ),
                width=12,
            ),
        ),
    )


def _process() -> Row:
    of_proxies = f"* on (job, instance) group_left () understudy_build_info{{{SELECTED}}}"
    return Row(
        "Process",
        (
            series(
                "Lag of the event loop",
                "How late what is due runs. Everything shares one loop: what blocks it, every client feels.",
                "s",
                *(
                    Query(quantile(share, "understudy_event_loop_lag_seconds", SELECTED), name)
                    for share, name in QUANTILES
                ),
                steps=((None, GREEN), (0.1, RED)),
                width=6,
            ),
            series(
                "Processor",
                "Cores in use. A proxy can use one; near 1 it is time for another replica or a lower "
                "`sample`.",
                "short",
                Query(
                    f"rate(process_cpu_seconds_total{{{SELECTED}}}[$__rate_interval]) {of_proxies}",
                    "{{instance}}",
                ),
                steps=((None, GREEN), (0.9, RED)),
                width=6,
            ),
            series(
                "Memory",
                "Resident. It should be flat, whatever the engine does.",
                "bytes",
                Query(f"process_resident_memory_bytes{{{SELECTED}}} {of_proxies}", "{{instance}}"),
                width=6,
            ),
            series(
                "Open files",
                "Of those that the system allows; every connection is one.",
                "percentunit",
                Query(
                    f"process_open_fds{{{SELECTED}}} / process_max_fds{{{SELECTED}}} {of_proxies}",
                    "{{instance}}",
                ),
                steps=((None, GREEN), (0.8, RED)),
                width=6,
            ),
        ),
    )

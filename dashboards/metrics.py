"""Metrics that need a word: those that no panel needs, and those that are not there yet.

``tests/dashboards`` holds both to the truth: a metric that is exported has to leave ``NOT_YET``, and one
that is exported, on no panel, in no rule and not here, is a fault.
"""

DEBUGGING = frozenset(
    {
        "process_start_time_seconds",
        "process_virtual_memory_bytes",
    }
)
"""Exported for who looks for a fault, and on no dashboard."""

NOT_YET = frozenset(
    {
        # Readiness and guard.
        "understudy_readiness",
        "understudy_mismatch_bound_ratio",
        "understudy_unseen_shapes_ratio",
        "understudy_rollbacks_total",
        "understudy_table_held",
        "understudy_guard_alarms_total",
        "understudy_circuit_open",
    }
)
"""On panels and in rules already, and not exported yet."""

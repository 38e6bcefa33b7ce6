"""Metrics that need a word: those that no panel needs.

``tests/dashboards`` holds this to the truth: one that is exported, on no panel, in no rule and not here, is a
fault, and so is one that is named and not exported.
"""

DEBUGGING = frozenset(
    {
        "process_start_time_seconds",
        "process_virtual_memory_bytes",
        "understudy_replica_lag_seconds",
    }
)
"""Exported for who looks for a fault, and on no dashboard."""

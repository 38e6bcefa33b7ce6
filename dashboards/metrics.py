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
        # Readiness.
        "understudy_readiness",
        "understudy_mismatch_bound_ratio",
        "understudy_unseen_shapes_ratio",
    }
)
"""On panels and in rules already, and not exported yet."""

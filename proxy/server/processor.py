"""How long this thread has waited for a processor."""

from pathlib import Path

_STATISTICS = Path("/proc/thread-self/schedstat")


def read_processor_wait() -> float:
    """Seconds in which this thread wanted to run and others did; 0 where the system does not tell.

    The second number, nanoseconds, of Linux's "Scheduler Statistics".
    """
    try:
        return int(_STATISTICS.read_bytes().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0

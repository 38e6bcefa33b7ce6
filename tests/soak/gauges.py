"""How much memory and how many descriptors a process has, over time, and whether it becomes more."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

WARM_UP = 0.25
"""The share of the time that does not count: caches and pools fill."""

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Gauge:
    """What was seen at one moment: seconds since the start, bytes resident, descriptors."""

    at: float
    resident: int
    descriptors: int


@dataclass(frozen=True, slots=True)
class Trend:
    """A straight line through what was seen: where it begins, and by how much it rises in all the time."""

    start: float
    rise: float


def read_gauge(pid: int, at: float) -> Gauge:
    """What the process and those that it has started have now.

    Raises OSError where there is no /proc, or no such process.
    """
    pages, descriptors = _read(pid)
    for child in _list_children(pid):
        # It may have ended by now.
        with contextlib.suppress(OSError):
            more = _read(child)
            pages, descriptors = pages + more[0], descriptors + more[1]
    return Gauge(at, pages * os.sysconf("SC_PAGE_SIZE"), descriptors)


def _read(pid: int) -> tuple[int, int]:
    """Pages resident, and descriptors."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages, len(os.listdir(f"/proc/{pid}/fd"))


def _list_children(pid: int) -> list[int]:
    texts = (path.read_text(encoding="ascii") for path in Path(f"/proc/{pid}/task").glob("*/children"))
    return [int(child) for text in texts for child in text.split()]


def find_trend(times: Sequence[float], values: Sequence[float]) -> Trend:
    """The line of Theil and Sen: the median of all slopes, which a few outliers do not move."""
    slopes = [
        (values[later] - values[earlier]) / (times[later] - times[earlier])
        for earlier in range(len(times))
        for later in range(earlier + 1, len(times))
        if times[later] > times[earlier]
    ]
    slope = median(slopes) if slopes else 0.0
    start = median(value - slope * at for at, value in zip(times, values, strict=True))
    length = max(times) - min(times)
    return Trend(start + slope * min(times), slope * length)


def judge(gauges: Sequence[Gauge]) -> list[str]:
    """What has grown more than it may: memory by a tenth or 16 MiB, descriptors by ten."""
    end = max(gauge.at for gauge in gauges)
    settled = [gauge for gauge in gauges if gauge.at >= WARM_UP * end]
    times = [gauge.at for gauge in settled]
    resident = find_trend(times, [gauge.resident for gauge in settled])
    descriptors = find_trend(times, [gauge.descriptors for gauge in settled])
    problems = []
    if resident.rise > max(0.1 * resident.start, 16 * MEBIBYTE):
        problems.append(f"memory grew by {resident.rise / MEBIBYTE:.1f} MiB")
    if descriptors.rise > 10:
        problems.append(f"descriptors grew by {descriptors.rise:.0f}")
    return problems

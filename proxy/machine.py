"""What this process may use of the machine: processors and memory, by its affinity and its control groups.

Source: "Control Group v2" and "CFS Bandwidth Control" of the Linux kernel. A container's limits are there.
"""

import os
from collections.abc import Iterator
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def count_processors(groups: Path = _GROUPS, own: Path = _OWN) -> int:
    """Processors that this process may keep busy, at least 1."""
    try:
        found = len(os.sched_getaffinity(0))
    except AttributeError:
        found = os.cpu_count() or 1
    return max(1, int(min([found, *_read_quotas(groups, own)])))


def read_memory_limit(groups: Path = _GROUPS, own: Path = _OWN) -> float:
    """Bytes of memory that this process and those beside it may take together; infinite if nobody says."""
    limits = [_read(place / "memory.max") for place in _list_groups(groups, own)]
    limits.append(_read(groups / "memory" / "memory.limit_in_bytes"))
    return min((float(limit[0]) for limit in limits if limit and limit[0].isdigit()), default=float("inf"))


def _read_quotas(groups: Path, own: Path) -> Iterator[float]:
    """Processors by each of the groups that limit them."""
    pairs = [_read(place / "cpu.max") for place in _list_groups(groups, own)]
    older = groups / "cpu"
    pairs.append([*_read(older / "cpu.cfs_quota_us"), *_read(older / "cpu.cfs_period_us")])
    for pair in pairs:
        if len(pair) == 2 and all(number.isdigit() for number in pair) and int(pair[1]):
            yield int(pair[0]) / int(pair[1])


def _list_groups(groups: Path, own: Path) -> Iterator[Path]:
    """The group of this process and those it is in; in a container the outermost one is its own."""
    for line in _read(own):
        if line.startswith("0::/"):
            place = groups / line.removeprefix("0::/")
            yield from (place, *(above for above in place.parents if above.is_relative_to(groups)))


def _read(file: Path) -> list[str]:
    """The words of a small file; none where there is no such file."""
    try:
        return file.read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        return []

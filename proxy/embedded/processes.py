"""The children of a process, on systems with a /proc and on those with a ps."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")


def child_processes(parent: int) -> list[int]:
    """The ids of the processes that ``parent`` started and that are still its children."""
    return [child for child, its_parent in _processes() if its_parent == parent]


def _processes() -> Iterator[tuple[int, int]]:
    """Every process with its parent."""
    if (_PROC / "self" / "stat").exists():
        for status in _PROC.glob("[0-9]*/stat"):
            try:
                # The name stands in parentheses and may hold anything; state and parent follow it.
                fields = status.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            yield int(status.parent.name), int(fields[1])
        return
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        child, its_parent = line.split()
        yield int(child), int(its_parent)

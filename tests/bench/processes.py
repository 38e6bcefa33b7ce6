"""Processes: started, watched, ended; and the processor time they take."""

import asyncio
import contextlib
import os
import random
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PORTS = range(15_000, 32_000)
"""Below those that systems choose for outgoing connections, which are many while servers start."""

_given: set[int] = set()

_GRACE = 3.0
"""Seconds that a process may take to end; one whose database hangs may well take longer."""


class BenchError(Exception):
    """Something that the measurement stands on is not there, or not as it must be."""


@dataclass(frozen=True, slots=True)
class Running:
    """A process that was started, and where its messages go."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def check(self) -> None:
        """Raises BenchError, with its last messages, if the process has ended."""
        if self.process.returncode is not None:
            text = self.log.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise BenchError(f"{self.name} ended with exit code {self.process.returncode}:\n{text}")


@contextlib.asynccontextmanager
async def running(
    name: str,
    command: Sequence[str],
    directory: Path,
    settings: Mapping[str, str] | None = None,
    *,
    conversing: bool = False,
) -> AsyncIterator[Running]:
    """Run ``command`` with ``settings`` added to the environment, and end it on leaving.

    What it prints goes to a file in ``directory``; if ``conversing``, its input and output are pipes.
    """
    log = directory / f"{name.replace(' ', '-')}.log"
    with log.open("wb") as messages:
        process = await asyncio.create_subprocess_exec(
            *command,
            env={**os.environ, **(settings or {})},
            stdin=asyncio.subprocess.PIPE if conversing else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE if conversing else messages,
            stderr=messages,
        )
    try:
        yield Running(name, process, log)
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(_GRACE):
                await process.wait()
        except TimeoutError:
            process.kill()
    await process.wait()


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on, and that is given to nobody else here."""
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _given:
                _given.add(port)
                return port


def family(pid: int) -> set[int]:
    """The process and all that it has started, and what those have."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            parents[int(path.parent.name)] = int(fields[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def resident_bytes(pid: int) -> int:
    """How much memory the process has. Raises OSError where there is no /proc to tell."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def processor_seconds(pid: int) -> float | None:
    """What the family of a process has used of all processors so far, or None where there is no /proc."""
    ticks = [_processor_ticks(member) for member in family(pid)]
    return sum(ticks) / os.sysconf("SC_CLK_TCK") if any(ticks) else None


def _processor_ticks(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    # The name stands in parentheses and may hold anything; user and system time are fields 14 and 15.
    fields = status.rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])

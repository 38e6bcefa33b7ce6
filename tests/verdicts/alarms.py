"""No false alarm: mirrored reads while others write to the same tables. Nothing may be called a mismatch."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import aiohttp

from proxy.tape.wire import WireClient, WireError
from tests.e2e.programs import Program
from tests.verdicts.reads import draw_read
from tests.verdicts.stage import proxy_before, shop_database, upstream_on

SHADOW = "{queue: 4000, concurrency: 16, timeout: 10s}"
MOST_PENDING = 16
"""Clients slow down while more reads than this are not compared yet: what waits meets more writes."""
PACE = 0.1
"""Seconds between two looks at how far the mirror is, and at first between two reads of a client."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the reads beside ``rate`` writes a second; ``written`` is the rate that was reached.

    ``injected`` are the answers that the self-test falsified, ``detected`` those of them that were found.
    """

    rate: int
    written: float
    seconds: float
    counts: Mapping[str, int] = field(default_factory=dict)
    pending: int = 0
    injected: int = 0
    detected: int = 0
    examples: tuple[Mapping[str, Any], ...] = ()

    @property
    def compared(self) -> int:
        return sum(self.counts.get(verdict, 0) for verdict in COMPARED)

    @property
    def inconclusive(self) -> float:
        return self.counts.get("inconclusive", 0) / max(1, self.compared)

    @property
    def faults(self) -> list[str]:
        """What must not be."""
        found = []
        if self.counts.get("mismatch", 0):
            found.append(f"{self.counts['mismatch']} false alarms")
        if self.rate <= 200 and self.inconclusive > 0.02:
            found.append(f"{self.inconclusive:.2%} inconclusive, more than 2 %")
        if self.pending:
            found.append(f"{self.pending} reads unaccounted for")
        if self.injected != self.detected:
            found.append(f"{self.injected - self.detected} falsified answers were not found")
        if not self.compared:
            found.append("nothing was compared")
        return found


COMPARED = ("match", "equivalent", "indeterminate", "mismatch", "race", "inconclusive", "volatile")


async def read_beside_writers(
    database: str,
    running: Program,
    rate: int,
    *,
    reads: int,
    seconds: float,
    clients: int = 16,
    seed: int = 1,
) -> Outcome:
    """Read until ``reads`` are answered or ``seconds`` are over, whichever is first."""
    before = await _read_tally(running)
    started = time.monotonic()
    async with writing(database, rate, seed) as written:
        crowd = _Crowd(running, reads, started + seconds, Random(seed))
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(crowd.read_on())
            group.create_task(crowd.watch())
        took = time.monotonic() - started
        after = await _settled(running)
    counts = Counter(after.counts)
    counts.subtract(before.counts)
    return Outcome(
        rate,
        written[-1] if written else 0.0,
        took,
        counts,
        after.pending,
        after.injected - before.injected,
        after.detected - before.detected,
        after.examples,
    )


class _Crowd:
    def __init__(self, running: Program, reads: int, end: float, chance: Random) -> None:
        self._running = running
        self._left = reads
        self._end = end
        self._chance = chance
        self._pause = PACE
        self._readers = 0

    async def read_on(self) -> None:
        self._readers += 1
        try:
            async with WireClient(self._running.url, timeout=20.0) as client:
                while self._left > 0 and time.monotonic() < self._end:
                    await asyncio.sleep(self._pause)
                    self._left -= 1
                    try:
                        await client.ask(draw_read(self._chance))
                    except WireError:
                        continue
        finally:
            self._readers -= 1

    async def watch(self) -> None:
        """Keep the clients as fast as the mirror can follow."""
        async with aiohttp.ClientSession() as session:
            while self._readers or (time.monotonic() < self._end and self._left > 0):
                if _count_pending(await _read_status(session, self._running)) > MOST_PENDING:
                    self._pause = min(0.2, 0.001 + 1.1 * self._pause)
                else:
                    self._pause *= 0.9
                await asyncio.sleep(PACE)


@dataclass(frozen=True, slots=True)
class _Tally:
    counts: Counter[str]
    pending: int
    injected: int
    detected: int
    examples: tuple[Mapping[str, Any], ...]


async def _read_status(session: aiohttp.ClientSession, running: Program) -> Any:
    async with session.get(f"{running.admin_url}/status") as answer:
        return await answer.json()


def _count_pending(status: Any) -> int:
    return sum(table["pending"] for table in status["tally"])


async def _read_metric(session: aiohttp.ClientSession, running: Program, name: str) -> float:
    async with session.get(f"{running.admin_url}/metrics") as answer:
        text = await answer.text()
    return float(text.partition(f"\nunderstudy_{name} ")[2].partition("\n")[0])


async def _read_tally(running: Program) -> _Tally:
    async with aiohttp.ClientSession() as session:
        status = await _read_status(session, running)
        injected = await _read_metric(session, running, "selftest_injected_total")
        detected = await _read_metric(session, running, "selftest_detected_total")
    counts: Counter[str] = Counter()
    for table in status["tally"]:
        counts["reads"] += table["reads"]
        for kind in ("verdicts", "skipped", "shed"):
            counts.update(table[kind])
    pending, examples = _count_pending(status), tuple(status["disagreements"])
    return _Tally(counts, pending, int(injected), int(detected), examples)


async def _settled(running: Program) -> _Tally:
    """The tally once every read has its end, or after a minute."""
    end = time.monotonic() + 60
    tally = await _read_tally(running)
    while tally.pending and time.monotonic() < end:
        await asyncio.sleep(0.2)
        tally = await _read_tally(running)
    return tally


@asynccontextmanager
async def writing(database: str, rate: int, seed: int) -> AsyncIterator[list[float]]:
    """A process that writes; the rates it reached so far, one for each second."""
    rates: list[float] = []
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.verdicts.writers", database, str(rate), str(seed)),
        stdout=asyncio.subprocess.PIPE,
    )

    async def listen() -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            rates.append(float(line))

    listening = asyncio.create_task(listen())
    try:
        yield rates
    finally:
        process.terminate()
        await process.wait()
        await listening


def measure(directory: Path, rates: tuple[int, ...], *, reads: int, seconds: float) -> list[Outcome]:
    """One outcome for each of ``rates``; the ``reads`` and ``seconds`` that one leaves go to the next."""
    outcomes: list[Outcome] = []
    end = time.monotonic() + seconds
    with (
        shop_database() as database,
        upstream_on(database, directory) as upstream,
        proxy_before(upstream, database, directory, shadow=SHADOW) as running,
    ):
        for number, rate in enumerate(rates):
            left = len(rates) - number
            reading = read_beside_writers(
                database,
                running,
                rate,
                reads=(reads - sum(outcome.counts["reads"] for outcome in outcomes)) // left,
                seconds=(end - time.monotonic()) / left,
            )
            outcomes.append(asyncio.run(reading))
    return outcomes

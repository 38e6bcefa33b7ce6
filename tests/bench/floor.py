"""The floor of the engine: PostgREST's four round trips for each read, through bare asyncpg.

As many callers share as many connections as in front of the engine, but nobody speaks HTTP, plans a
statement or makes an answer. ``python -m tests.bench.floor`` reads a ``Work`` from each line of its
input, as JSON, does it, and writes what came of it as a line of its output.
"""

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass
from itertools import chain

import asyncpg

from proxy.loop import FAST_LOOP
from tests.bench.figures import Sample, percentile
from tests.bench.reads import CLIENT

_AS_TEXT = ("uuid", "int2", "int4", "int8", "json", "jsonb")
"""Types whose values travel as text, as PostgREST's do, instead of being read and written by the driver."""


@dataclass(frozen=True, slots=True)
class Work:
    """What ``callers`` do for ``seconds``: the transaction's settings, the statement and its parameters.

    With a ``rate``, as many times a second, whether that can be kept up or not.
    """

    settings: tuple[tuple[str, str], ...]
    sql: str
    values: tuple[str | None, ...]
    seconds: float
    callers: int
    writes: bool = False
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it, and the columns of the statement's one row that are text."""

    sample: Sample
    texts: tuple[str, ...]


class Floor:
    """Callers that share ``connections`` connections to the database ``url``."""

    def __init__(self, url: str, *, connections: int) -> None:
        self._url = url
        self._connections = connections
        self._idle: asyncio.LifoQueue[asyncpg.Connection] = asyncio.LifoQueue()

    async def open(self) -> None:
        """Make every connection."""
        for _ in range(self._connections):
            connection = await asyncpg.connect(self._url)
            for name in _AS_TEXT:
                await connection.set_type_codec(
                    name, schema="pg_catalog", encoder=str, decoder=str, format="text"
                )
            self._idle.put_nowait(connection)

    async def close(self) -> None:
        """Close them; every caller must be done."""
        while not self._idle.empty():
            await self._idle.get_nowait().close()

    async def work(self, work: Work) -> Done:
        """Have every caller read again and again. Raises asyncpg's errors."""
        latencies: list[float] = []
        row = await self._run(work, int(CLIENT))
        started = time.perf_counter()
        deadline = started + work.seconds
        await asyncio.gather(
            *(self._call(work, number, deadline, latencies) for number in range(work.callers))
        )
        seconds = time.perf_counter() - started
        latencies.sort()
        return Done(
            Sample(
                requests=len(latencies),
                failures=0,
                per_second=len(latencies) / seconds,
                p50=percentile(latencies, 0.5) * 1e3,
                p99=percentile(latencies, 0.99) * 1e3,
            ),
            tuple(value for value in row.values() if isinstance(value, str)),
        )

    async def _call(self, work: Work, number: int, deadline: float, latencies: list[float]) -> None:
        period = 0.0 if work.rate is None else work.callers / work.rate
        due = time.perf_counter() + period * number / work.callers
        while (now := time.perf_counter()) < deadline:
            if period and due > now:
                await asyncio.sleep(due - now)
            started = due if period else now
            due += period
            await self._run(work, number)
            latencies.append(time.perf_counter() - started)

    async def _run(self, work: Work, number: int) -> asyncpg.Record:
        values = [value and value.replace(CLIENT, str(number)) for value in work.values]
        connection = await self._idle.get()
        try:
            mode = "READ WRITE" if work.writes else "READ ONLY"
            await connection.execute(f"BEGIN ISOLATION LEVEL READ COMMITTED {mode}")
            calls = ", ".join(
                f"set_config(${2 * n + 1}, ${2 * n + 2}, true)" for n in range(len(work.settings))
            )
            await connection.fetchrow(f"SELECT {calls}", *chain.from_iterable(work.settings))
            row = await connection.fetchrow(work.sql, *values)
            await connection.execute("COMMIT")
        finally:
            self._idle.put_nowait(connection)
        return row


async def main(url: str, connections: int) -> None:
    """Do what each line of the input says, until it ends."""
    floor = Floor(url, connections=connections)
    await floor.open()
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(asdict(await floor.work(Work(**json.loads(line))))), flush=True)
    await floor.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=FAST_LOOP) as loop_runner:
        loop_runner.run(main(sys.argv[1], int(sys.argv[2])))

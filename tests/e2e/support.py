"""What these tests share: the joined program in this process, recorded reads, and the accounts to check."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import asyncpg
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from proxy.app import Proxy
from proxy.config import Address, Config, EngineConfig, UpstreamConfig
from proxy.config.engine import read_options
from proxy.messages import READ_METHODS, Answer, Request
from proxy.tape.format import RecordedExchange
from proxy.tape.request import build_request
from proxy.tape.stand_in import RunningStandIn, serve_stand_in
from proxy.tape.wire import WireClient
from tests.support.conformance import recorded, settings, variant_options
from tests.support.database import ConformanceDatabase

LOCALHOST = "127.0.0.1"
DATE = b"date"
ACCOUNTS = ("requests", "verdicts", "skipped", "shed")
"""The metric families in which every read is accounted for."""


def engine_config(database_url: str) -> EngineConfig:
    """The engine as the recorded PostgREST was configured, on the database ``database_url``."""
    return read_options({}, {**variant_options(), "PGRST_DB_URI": database_url})


def make_config(upstream_url: str, database_url: str, **changes: Any) -> Config:
    """A proxy with every table in shadow, on ports that the system chooses."""
    fields: dict[str, Any] = {
        "listen": Address(LOCALHOST, 0),
        "admin": Address(LOCALHOST, 0),
        "upstream": UpstreamConfig(upstream_url),
        "ledger": "sqlite://",
        "engine": engine_config(database_url),
    }
    return Config(**(fields | changes))


@asynccontextmanager
async def standing_in(delay: float = 0.0) -> AsyncIterator[RunningStandIn]:
    """An upstream that answers what PostgREST 14.17 was recorded to answer, ``delay`` seconds late."""
    running = await serve_stand_in(recorded(), settings(), delay=delay)
    try:
        yield running
    finally:
        await running.close()


@asynccontextmanager
async def hung(database: ConformanceDatabase) -> AsyncIterator[None]:
    """Inside the block whoever reads ``storage`` waits, because another session holds a lock on it."""
    connection = await asyncpg.connect(database.url)
    try:
        await connection.execute("BEGIN; LOCK TABLE dlm.storage IN ACCESS EXCLUSIVE MODE")
        yield
    finally:
        await connection.close()


@asynccontextmanager
async def playing(config: Config, **parts: Any) -> AsyncIterator[Proxy]:
    """The joined program, with its schema cache loaded; ``parts`` are given to ``Proxy``."""
    async with Proxy(config, **parts) as running:
        await until(lambda: running.state.current.engine is not None)
        yield running


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until ``condition`` holds. Raises TimeoutError after ``seconds``."""

    async def ask() -> bool:
        return condition()

    await until_async(ask, seconds)


async def until_async(condition: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    """Wait until ``condition``, which has to ask somebody, holds. Raises TimeoutError after ``seconds``."""
    async with asyncio.timeout(seconds):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.01)


def recorded_reads(
    count: int = 0, *, tables: Collection[str] = (), successful: bool = False
) -> list[RecordedExchange]:
    """Recorded GET and HEAD requests, spread evenly over the whole tape; ``count`` 0 means all there are.

    With ``tables`` only those of these relations, with ``successful`` only those that were answered 2xx.
    Left out is what the recording itself exempts from comparison: execution plans, for one, are each server's
    own.
    """
    paths = {f"/{table}".encode() for table in tables}
    reads = [
        exchange
        for exchange in recorded()
        if exchange.request.method in READ_METHODS
        and not exchange.accident
        and not exchange.ignore
        and exchange.body_omitted is None
        and (not paths or exchange.request.target.partition(b"?")[0] in paths)
        and (not successful or exchange.answer.status < 300)
    ]
    return [reads[at * len(reads) // count] for at in range(count)] if count else reads


def as_sent(exchange: RecordedExchange) -> Request:
    """The request of ``exchange``, as the recorder sent it."""
    return build_request(exchange.request, settings())


def is_as_recorded(exchange: RecordedExchange, answer: Answer) -> bool:
    """Whether ``answer`` is the recorded one in every byte, but for the date that an upstream adds."""
    undated = tuple(header for header in answer.headers if header[0].lower() != DATE)
    return Answer(answer.status, undated, answer.body, answer.reason) == exchange.answer


class Crowd:
    """Clients that go on reading what was recorded, and keep every answer that is not right.

    Each has a connection of its own, and pauses so many seconds after each answer. ``is_right`` judges an
    answer; whatever keeps a client from getting one is kept too.
    """

    def __init__(
        self,
        port: int,
        reads: Sequence[RecordedExchange],
        is_right: Callable[[RecordedExchange, Answer], bool] = is_as_recorded,
        *,
        pause: float = 0.0,
    ) -> None:
        self._pause = pause
        self._url = f"http://{LOCALHOST}:{port}"
        self._reads = itertools.cycle(reads)
        self._is_right = is_right
        self._leaving = False
        self.answered = 0
        self.wrong: list[str] = []

    @asynccontextmanager
    async def reading(self, clients: int) -> AsyncIterator["Crowd"]:
        """Read with so many clients inside the block; at its end each gets its last answer."""
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(self._read_on())
            try:
                yield self
            finally:
                self._leaving = True

    async def more(self, answers: int) -> None:
        """Wait for so many further answers."""
        goal = self.answered + answers
        await until(lambda: self.answered >= goal)

    async def _read_on(self) -> None:
        async with WireClient(self._url, timeout=20.0) as client:
            while not self._leaving:
                await self._read_one(client, next(self._reads))
                await asyncio.sleep(self._pause)

    async def _read_one(self, client: WireClient, exchange: RecordedExchange) -> None:
        try:
            answer = await client.ask(as_sent(exchange))
        except Exception as error:
            self.wrong.append(f"{exchange.id}: {error!r}")
            return
        self.answered += 1
        if not self._is_right(exchange, answer):
            self.wrong.append(f"{exchange.id}: {answer.status} {answer.body[:200]!r}")


async def read_all(port: int, reads: Sequence[RecordedExchange]) -> list[str]:
    """Send each of ``reads`` once, one after the other; gives the ids of those that were answered wrongly."""
    async with WireClient(f"http://{LOCALHOST}:{port}") as client:
        return [
            exchange.id
            for exchange in reads
            if not is_as_recorded(exchange, await client.ask(as_sent(exchange)))
        ]


def is_settled(running: Proxy) -> bool:
    """Whether the end of every read is known."""
    return not any(table.pending for table in running.tally.report())


def count_all(running: Proxy) -> Counter[str]:
    """What became of all tables' reads together, by verdict and reason, and how many there were."""
    counts: Counter[str] = Counter()
    for table in running.tally.report():
        counts.update({"reads": table.reads, "settled": table.settled, "writes": table.writes})
        counts.update({"fallbacks": sum(table.fallbacks.values()), "engine_served": table.engine_served})
        for kind in (table.verdicts, table.skipped, table.shed):
            counts.update(kind)
    return counts


Samples = Mapping[str, Metric]


def parse_metrics(text: str, *families: str) -> Samples:
    """The metrics page, read by Prometheus's own parser, by name of the family.

    With ``families`` (without prefix) only those: the page of a large schema has tens of thousands of lines.
    """
    if families:
        names = tuple(
            f"{start}understudy_{name}" for name in families for start in ("", "# HELP ", "# TYPE ")
        )
        text = "".join(line for line in text.splitlines(keepends=True) if line.startswith(names))
    return {family.name: family for family in text_string_to_metric_families(text)}


def sum_by_table(metrics: Samples, family: str, **labels: Collection[str]) -> Counter[str]:
    """The counter ``family`` by table; only the samples whose ``labels`` are among the given values."""
    sums: Counter[str] = Counter()
    for sample in metrics[f"understudy_{family}"].samples:
        if sample.name.endswith("_total") and all(
            sample.labels[label] in values for label, values in labels.items()
        ):
            sums[sample.labels["table"]] += int(sample.value)
    return sums


async def assert_all_accounted(running: Proxy) -> None:
    """Wait until every read has its end, and check the accounts on both admin pages."""
    await until(lambda: is_settled(running))
    async with (
        aiohttp.ClientSession(f"http://{LOCALHOST}:{running.admin_port}") as admin,
        admin.get("/status") as status,
        admin.get("/metrics") as metrics,
    ):
        assert_accounted(await status.json(), parse_metrics(await metrics.text(), *ACCOUNTS))


def assert_accounted(status: Mapping[str, Any], metrics: Samples) -> None:
    """Promise 3, from both pages: for each table, reads = verdicts + skipped + shed, exactly."""
    told = {row["table"]: row for row in status["tally"]}
    for table, row in told.items():
        ends = sum(sum(row[kind].values()) for kind in ("verdicts", "skipped", "shed"))
        assert (row["reads"], row["settled"], row["pending"]) == (ends, ends, 0), table
    reads = sum_by_table(metrics, "requests", method=READ_METHODS)
    settled = (
        sum_by_table(metrics, "verdicts") + sum_by_table(metrics, "skipped") + sum_by_table(metrics, "shed")
    )
    assert +reads == settled
    # Beyond so many tables the metrics lump the others together; the tally never does.
    lumped: Counter[str] = Counter()
    for table, row in told.items():
        lumped[table if table in reads else "other"] += row["reads"]
    assert +lumped == settled

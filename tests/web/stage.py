"""A proxy whose console has everything to show: traffic, mismatches, a hold, changes, and hostile names.

All of it is real: a database, an upstream in a process of its own, clients, and an engine that is made to
answer wrongly for a while.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from time import monotonic, time
from urllib.parse import quote

import aiohttp
from yarl import URL

from proxy.embedded import load_sql
from proxy.ledger.judging import gather_evidence
from proxy.operate.tally import Tally
from proxy.shadow.readiness import judge_readiness
from proxy.shadow.wish import Wish
from tests.cutover.stage import Stage, depot_database, stage, upstream_on
from tests.e2e.support import until

HOSTILE = '"><img src=x onerror=alert(1)>'
"""The name of a table; PostgreSQL takes any."""

SCRIPT = "</script><script>alert(1)</script>"
"""What stands in a row of it."""

_SQL = f"""
create table depot."{HOSTILE.replace('"', '""')}" (id integer primary key, text text);
insert into depot."{HOSTILE.replace('"', '""')}" select n, '{SCRIPT}' || n from generate_series(1, 9) n;
grant select on all tables in schema depot to cutover_anon;
"""


READS = (
    "/item?id=eq.7",
    "/shelf?id=eq.3",
    "/item?select=id,name,price&id=lte.20&order=id.desc&limit=5",
    "/shelf?select=place,item(id,price)&id=eq.2&item.order=id",
    "/note?select=id,text&id=eq.12",
    "/item?select=id,made,shelf(id,place)&id=eq.9",
)
"""What clients ask for."""

WRONG = ("/note?id=lte.4&order=id", "/note?select=id,text&id=eq.12", f"/{quote(HOSTILE)}?order=id")
"""What they ask for while the engine answers wrongly."""


@dataclass
class Played:
    """A proxy after the story, and where its console is."""

    stage: Stage
    admin_url: str
    read: Callable[[Iterable[str], int], Awaitable[None]]


@dataclass
class _Story:
    stage: Stage
    client: aiohttp.ClientSession

    async def read(self, targets: Iterable[str], times: int) -> None:
        """Send so many reads, one after the other."""
        for target in islice(cycle(targets), times):
            async with self.client.get(URL(self.stage.url + target, encoded=True)) as answer:
                await answer.read()

    async def judge(self) -> None:
        """Have everything that is known judged, as it is once a minute."""
        running = self.stage.proxy
        await running.ledger.flush()
        limits = running.state.current.config.readiness
        for one in (await running.ledger.read(gather_evidence)).values():
            running.judgements.note(judge_readiness(one, limits, time()))

    async def wait_until(self, done: Callable[[], bool], targets: Iterable[str]) -> None:
        """Go on reading, one read at a time, until something has happened."""
        for target in islice(cycle(targets), 200):
            await self.read([target], 1)
            await self._settle()
            if done():
                return
        raise AssertionError("it did not happen")

    async def _settle(self) -> None:
        """Until all that was mirrored has its verdict."""
        tally = self.stage.proxy.tally
        await until(lambda: not any(table.pending for table in tally.report()), 60)

    async def write(self, note: int) -> None:
        """Write something, which nobody compares."""
        url = f"{self.stage.url}/note"
        async with self.client.post(url, json={"id": note, "item_id": 1, "text": SCRIPT}) as answer:
            await answer.read()


@asynccontextmanager
async def played(
    directory: Path, *, rounds: int = 1, speed: float = 1.0, hostile: bool = True
) -> AsyncIterator[Played]:
    """The proxy after ``rounds`` rounds of traffic; its pictures' clock goes ``speed`` times as fast."""
    file = directory / "hostile.sql"
    file.write_text(_SQL, encoding="utf-8")
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(depot_database())
        if hostile:
            await load_sql(url, [file])
        upstream = stack.enter_context(upstream_on(url, directory))
        async with stage(url, upstream, directory) as running, aiohttp.ClientSession() as client:
            running.proxy.history._clock = lambda: monotonic() * speed
            # Nothing here is about how fast a machine is that others may be using.
            text = running.file.read_text(encoding="utf-8")
            running.file.write_text(text.replace("timeout: 5s", "timeout: 30s"), encoding="utf-8")
            story = _Story(running, client)
            await _play(story, rounds, WRONG if hostile else WRONG[:2])
            yield Played(running, f"http://127.0.0.1:{running.proxy.admin_port}", story.read)


async def _play(story: _Story, rounds: int, wrong: Sequence[str]) -> None:
    running, engine = story.stage.proxy, story.stage.engine
    for number in range(rounds):
        await story.read(READS, 20 + 40 * (number % 3))
        await story.write(1000 + number)
        await story.judge()
    await engine.break_down("wrong answers")
    tally = running.tally
    await story.wait_until(lambda: _count(tally, "mismatch") >= len(wrong) - 1, wrong)
    await engine.recover()
    await story.judge()
    for wish in (
        Wish("promote", "shelf", "ada", "evidence of a day, latency fine", share=25, force=True),
        Wish("promote", "item", "ada", "the last of its shapes was seen yesterday", "engine", force=True),
    ):
        assert (await running.carry_out(wish)).result == "done"
    for _ in range(rounds):
        await story.read(READS, 40)
        await story.judge()
    await engine.break_down("wrong answers")
    await story.wait_until(lambda: "item" in running.guarding.holds, ["/item?id=eq.7"])
    await engine.recover()
    for _ in range(1 + rounds // 3):
        await story.read(READS, 20)
        await story.judge()


def _count(tally: Tally, verdict: str) -> int:
    return sum(1 for table in tally.report() if table.verdicts[verdict])

"""What happens while clients go on: one thing after the other, again and again."""

import asyncio
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import cycle

from tests.e2e.support import until_async
from tests.faults.client import TROUBLE, Client
from tests.soak.stage import Stage
from tests.soak.traffic import TABLES, Weather

RECOVERY = 60.0
"""Seconds within which all is well again after the database was taken away."""


class Happenings:
    """Makes things happen on ``stage``, ``pause`` seconds apart. ``done`` counts them.

    ``propagation`` is within how many seconds both sides know of a changed schema.
    """

    def __init__(self, stage: Stage, weather: Weather, pause: float, propagation: float) -> None:
        self._stage = stage
        self._weather = weather
        self._pause = pause
        self._propagation = propagation
        self._number = 0
        self.done: Counter[str] = Counter()
        self.problems: list[str] = []

    async def keep(self, is_over: Callable[[], bool]) -> None:
        """One thing after the other until ``is_over``; each is completed."""
        happenings: tuple[Callable[[], Awaitable[None]], ...] = (
            self._promote,
            self._alter,
            self._refuse,
            self._change_roles,
            self._roll_back,
            self._create,
            self._restart,
            self._reload,
            self._drop,
            self._rehearse,
        )
        for happen in cycle(happenings):
            if is_over():
                return
            await happen()
            self.done[happen.__name__.removeprefix("_")] += 1
            await asyncio.sleep(self._pause)

    async def _promote(self) -> None:
        await self._write("fact_shadow:   {reads: shadow}", "fact_shadow:   {reads: engine, verify: 20}")

    async def _roll_back(self) -> None:
        await self._write("fact_engine:   {reads: engine, verify: 10}", "fact_engine:   {reads: shadow}")

    async def _rehearse(self) -> None:
        await self._write("writes: rehearse", "writes: engine")

    async def _reload(self) -> None:
        await self._write("", "")
        self._stage.proxy.process.send_signal(signal.SIGHUP)

    async def _refuse(self) -> None:
        """A file that is not valid changes nothing."""
        await self._write("tables:", "tabels:")

    async def _write(self, before: str, after: str) -> None:
        text = self._stage.text.replace(before, after) if before else self._stage.text
        await asyncio.to_thread(self._stage.file.write_text, text, encoding="utf-8")

    async def _alter(self) -> None:
        self._number += 1
        column = f"extra_{self._number}"
        await self._change_schema(f"alter table soak.changing add column {column} integer default 7")
        await self._change_schema(f"alter table soak.changing drop column {column}")

    async def _create(self) -> None:
        await self._change_schema(
            "create table if not exists soak.fleeting (id integer primary key)",
            "grant select on soak.fleeting to soak_anon",
        )

    async def _drop(self) -> None:
        await self._change_schema("drop table if exists soak.fleeting")

    async def _change_roles(self) -> None:
        await self._change_schema(
            "revoke select on soak.guarded from soak_anon",
            "alter role soak_reader set statement_timeout to '10s'",
        )
        await self._change_schema(
            "grant select on soak.guarded to soak_anon",
            "alter role soak_reader reset statement_timeout",
        )

    async def _change_schema(self, *statements: str) -> None:
        self._weather.altering = True
        self._weather.alterations += 1
        try:
            await self._stage.execute(*statements, "notify pgrst, 'reload schema'")
            await asyncio.sleep(self._propagation)
        finally:
            self._weather.altering = False

    async def _restart(self) -> None:
        """The database is gone without a word, and back; then all is to be as it was."""
        self._weather.stormy = True
        self._weather.storms += 1
        try:
            await asyncio.to_thread(self._stage.server.kill)
            await asyncio.sleep(0.5)
            await asyncio.to_thread(self._stage.server.start)
            await until_async(self._is_well, RECOVERY)
            self.done["holds re-armed"] += await self._stage.rearm()
        except TimeoutError:
            self.problems.append(f"not well {RECOVERY:g} s after a restart of the database")
        finally:
            self._weather.stormy = False

    async def _is_well(self) -> bool:
        for table in (*TABLES, "changing", "note"):
            client = Client(self._stage.upstream.port)
            try:
                if (await client.get(f"/{table}?limit=1")).status != 200:
                    return False
            except TROUBLE:
                return False
            finally:
                await client.aclose()
        return True

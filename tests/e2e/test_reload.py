"""The configuration file is edited while requests flow: design, promise 7."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from proxy.app import Proxy, parse_config
from proxy.messages import Answer
from proxy.tape.compare import deviations
from proxy.tape.format import RecordedExchange
from tests.e2e.support import (
    LOCALHOST,
    Crowd,
    assert_all_accounted,
    count_all,
    parse_metrics,
    playing,
    recorded_reads,
    standing_in,
    until_async,
)

CLIENTS = 20
SWITCHES = 10
PACE = 0.05
"""Seconds that the upstream takes to answer, so that the clients leave the processor to others too."""


@dataclass(slots=True)
class Stage:
    """A running proxy, its file, and its admin port."""

    running: Proxy
    file: Path
    text: str
    admin: aiohttp.ClientSession

    def write(self, addition: str) -> None:
        """Put ``addition`` at the end of the file as it was in the beginning."""
        self.file.write_text(self.text + addition, encoding="utf-8")

    async def status(self) -> dict[str, Any]:
        async with self.admin.get("/status") as answer:
            status: dict[str, Any] = await answer.json()
            return status

    async def mode(self, table: str) -> str:
        return next(str(row["reads"]) for row in (await self.status())["modes"] if row["table"] == table)

    async def wait_mode(self, table: str, mode: str) -> None:
        async def is_there() -> bool:
            return await self.mode(table) == mode

        await until_async(is_there)

    async def wait_judged(self, *, accepted: bool) -> dict[str, Any]:
        """What the status says of the newest reload, as soon as it went like this."""

        async def is_judged() -> bool:
            return (await self.status())["last_reload"]["accepted"] is accepted

        await until_async(is_judged)
        reload: dict[str, Any] = (await self.status())["last_reload"]
        return reload

    async def gauge(self, name: str) -> float:
        async with self.admin.get("/metrics") as answer:
            family = parse_metrics(await answer.text(), name)[f"understudy_{name}"]
            return float(family.samples[0].value)


@pytest.fixture
async def stage(tmp_path: Path, engine_environment: None) -> AsyncIterator[Stage]:
    async with standing_in(delay=PACE) as upstream:
        text = "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nledger: sqlite://\n"
        text += f"upstream: {{url: {upstream.url}}}\n"
        file = tmp_path / "understudy.yaml"
        file.write_text(text, encoding="utf-8")
        config = parse_config(text.encode(), file).config
        async with (
            playing(config, path=file, content=text.encode()) as running,
            aiohttp.ClientSession(f"http://{LOCALHOST}:{running.admin_port}") as admin,
        ):
            yield Stage(running, file, text, admin)


def is_right_from_either_side(exchange: RecordedExchange, answer: Answer) -> bool:
    """Equal to the recorded answer by the rules of the tape: the engine may answer, and dates differ."""
    return deviations(exchange, answer) == []


async def test_a_table_changes_its_mode_without_a_restart(stage: Stage) -> None:
    # That this takes less than a second is shown on a clock of its own, in tests/server/test_reload.py.
    assert await stage.mode("storage") == "shadow"
    for mode in ("engine", "upstream", "shadow"):
        stage.write(f"tables: {{storage: {{reads: {mode}}}}}\n")
        await stage.wait_mode("storage", mode)
        assert await stage.mode("location") == "shadow"


async def test_no_client_notices_a_table_going_back_and_forth(stage: Stage) -> None:
    reads = recorded_reads(120, tables=["storage", "location", "lone"], successful=True)
    crowd = Crowd(stage.running.port, reads, is_right_from_either_side)
    async with crowd.reading(CLIENTS):
        for _ in range(SWITCHES // 2):
            for mode in ("engine", "shadow"):
                stage.write(f"tables: {{storage: {{reads: {mode}}}}}\n")
                await stage.wait_mode("storage", mode)
                await crowd.more(CLIENTS)
    await assert_all_accounted(stage.running)
    counts = count_all(stage.running)
    assert crowd.wrong == []
    assert crowd.answered == counts["reads"]
    assert counts["engine_served"] > 0
    assert counts["match"] > 0
    assert counts["mismatch"] == counts["fallbacks"] == 0


async def test_a_bad_file_is_refused_and_reported_and_the_last_good_one_stays(stage: Stage) -> None:
    stage.write("tables: {storage: {reads: engine}}\n")
    await stage.wait_mode("storage", "engine")
    assert await stage.gauge("config_last_reload_successful") == 1
    stage.write("tables: {storage: {reads: sometimes}}\n")
    reload = await stage.wait_judged(accepted=False)
    expected = f"{stage.file}:5: tables.storage.reads: found 'sometimes'; allowed: upstream, shadow, canary"
    assert reload["problem"].startswith(expected)
    assert await stage.gauge("config_last_reload_successful") == 0
    assert await stage.mode("storage") == "engine"
    stage.write("")
    await stage.wait_judged(accepted=True)
    assert await stage.gauge("config_last_reload_successful") == 1
    assert await stage.mode("storage") == "shadow"


@pytest.mark.parametrize(
    ("addition", "told"),
    [
        pytest.param("tables: {strage: {reads: engine}}\n", "did you mean storage", id="no such table"),
        pytest.param("tables: {storage: {reads: engine}\n", ":", id="no YAML"),
        pytest.param("tabels: {}\n", "did you mean tables", id="no such key"),
    ],
)
async def test_clients_are_served_on_while_a_bad_file_lies_there(
    stage: Stage, addition: str, told: str
) -> None:
    crowd = Crowd(stage.running.port, recorded_reads(20, tables=["storage"], successful=True))
    async with crowd.reading(2):
        stage.write(addition)
        reload = await stage.wait_judged(accepted=False)
        await crowd.more(20)
    assert told in reload["problem"]
    assert crowd.wrong == []
    assert await stage.mode("storage") == "shadow"


async def test_a_file_that_is_gone_changes_nothing_and_is_reported(stage: Stage) -> None:
    stage.file.unlink()
    reload = await stage.wait_judged(accepted=False)
    assert reload["problem"] == "the file cannot be read: No such file or directory"
    assert await stage.mode("storage") == "shadow"


async def test_a_file_renamed_over_the_old_one_is_seen(stage: Stage, tmp_path: Path) -> None:
    other = tmp_path / "new.yaml"
    other.write_text(f"{stage.text}tables: {{storage: {{reads: engine}}}}\n", encoding="utf-8")
    other.replace(stage.file)
    await stage.wait_mode("storage", "engine")


async def test_what_has_to_wait_for_a_restart_is_reported(stage: Stage) -> None:
    stage.write("workers: 1\nshadow: {concurrency: 3}\ntables: {storage: {reads: engine}}\n")
    await stage.wait_mode("storage", "engine")
    assert (await stage.status())["last_reload"]["needs_restart"] == ["shadow.concurrency"]

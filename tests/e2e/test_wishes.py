"""Promoted, rolled back and re-armed by way of the admin port: the file, the modes in force, the history."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from proxy.app import Proxy, parse_config
from proxy.events import Judged
from proxy.ledger.read import list_changes
from tests.e2e.support import LOCALHOST, playing, standing_in, until
from tests.support.database import ConformanceDatabase

FILE = """\
# ours
upstream: {url: "%s"}
ledger: "sqlite:///%s/ledger.db"
listen: "127.0.0.1:0"
admin: "127.0.0.1:0"
engine: %s
tables:
  storage:   {reads: shadow}   # small
  location:  {reads: shadow}
"""


@dataclass
class Stage:
    """A running proxy, its file, and its admin port."""

    running: Proxy
    file: Path
    admin: aiohttp.ClientSession

    async def post(self, path: str, **query: str) -> tuple[int, dict[str, Any]]:
        async with self.admin.post(path, params=query) as answer:
            return answer.status, await answer.json()

    def reads(self, table: str) -> str:
        return str(self.running.state.current.config.tables[table].reads)

    async def history(self) -> list[tuple[str, str, str, str, str]]:
        """Newest first."""
        assert await self.running.ledger.flush()
        found = await self.running.ledger.read(list_changes)
        return [(one.table, one.before, one.after, one.who, one.why) for one in found]


@pytest.fixture
async def stage(conformance_database: ConformanceDatabase, tmp_path: Path) -> AsyncIterator[Stage]:
    file = tmp_path / "understudy.yaml"
    options = {"db-uri": conformance_database.login_url(), "db-schemas": "dlm", "db-anon-role": "web_anon"}
    async with standing_in() as upstream:
        file.write_text(FILE % (upstream.url, tmp_path, json.dumps(options)), encoding="utf-8")
        content = file.read_bytes()
        async with (
            playing(parse_config(content, file).config, path=file, content=content) as running,
            aiohttp.ClientSession(f"http://{LOCALHOST}:{running.admin_port}") as admin,
        ):
            yield Stage(running, file, admin)


FORCED = {"who": "anna", "why": "a demonstration", "force": "true"}


async def test_a_table_is_promoted_and_rolled_back_with_who_and_why(stage: Stage) -> None:
    before = stage.file.read_text()
    status, told = await stage.post("/tables/storage/promote", share="25", **FORCED)
    assert (status, told["result"], told["words"]) == (200, "done", ["storage: shadow -> canary 25 %"])
    assert stage.file.read_text() == before.replace(
        "{reads: shadow}   # small", "{reads: canary, share: 25}   # small"
    )
    # It is in force when the answer comes.
    assert stage.reads("storage") == "canary"
    status, _ = await stage.post("/tables/storage/promote", to="engine", **FORCED)
    assert (status, stage.reads("storage")) == (200, "engine")
    status, told = await stage.post("/tables/storage/rollback", who="ben", why="to be sure")
    assert (status, stage.reads("storage")) == (200, "shadow")
    assert told["words"] == ["storage: engine, 5 % verified -> shadow"]
    assert await stage.history() == [
        ("storage", "engine, 5 % verified", "shadow", "ben", "to be sure"),
        ("storage", "canary 25 %", "engine, 5 % verified", "anna", "a demonstration"),
        ("storage", "shadow", "canary 25 %", "anna", "a demonstration"),
    ]


async def test_what_is_not_ready_is_refused_with_what_is_missing(stage: Stage) -> None:
    before = stage.file.read_bytes()
    status, told = await stage.post("/tables/storage/promote", who="anna", why="soon")
    assert (status, told["result"]) == (409, "refused")
    assert "matched reads" in told["error"]
    for path, query, reason in (
        ("/tables/storage/promote", {"force": "true"}, "a reason is needed"),
        ("/tables/storag/rollback", {}, "there is no table or function storag"),
        ("/tables/other/rollback", {}, "there is no table or function other"),
        ("/holds/storage/rearm", {"why": "x"}, "there is no hold on storage"),
    ):
        status, told = await stage.post(path, **query)
        assert (status, told["error"]) == (409, reason)
    assert stage.file.read_bytes() == before


async def test_a_held_table_is_re_armed_before_it_is_promoted(stage: Stage) -> None:
    await stage.post("/tables/storage/promote", **FORCED)
    stage.running.emit(Judged("storage", "mismatch", "GET /storage", mode="canary"))
    assert "storage" in stage.running.state.current.holds
    status, told = await stage.post("/tables/storage/promote", to="engine", **FORCED)
    assert (status, told["error"].startswith("storage: it is held")) == (409, True)
    await until(lambda: not stage.running.guarding._unwritten)
    assert (await stage.post("/holds/storage/rearm", who="anna", why="mended"))[0] == 200
    assert (await stage.post("/tables/storage/promote", to="engine", **FORCED))[0] == 200
    changes = [(after, who) for _, _, after, who, _ in await stage.history()]
    assert changes == [
        ("engine, 5 % verified", "anna"),
        ("re-armed", "anna"),
        ("held", "guard"),
        ("canary 10 %", "anna"),
    ]


async def test_where_the_file_is_mounted_read_only_its_patch_is_told(stage: Stage) -> None:
    data = stage.file.with_name("..2026_11_26")
    data.mkdir()
    stage.file.rename(data / stage.file.name)
    stage.file.symlink_to(f"{data.name}/{stage.file.name}")
    before = stage.file.read_bytes()
    status, told = await stage.post("/tables/storage/promote", **FORCED)
    assert (status, told["result"]) == (409, "not_writable")
    assert "+  storage:   {reads: canary, share: 10}   # small" in told["patch"]
    assert "kubectl patch configmap" in told["patch"]
    assert (stage.file.read_bytes(), stage.reads("storage")) == (before, "shadow")


async def test_without_a_file_there_is_nothing_to_change(
    conformance_database: ConformanceDatabase, stage: Stage
) -> None:
    config = stage.running.state.current.config
    async with (
        playing(config) as running,
        aiohttp.ClientSession(f"http://{LOCALHOST}:{running.admin_port}") as admin,
    ):
        status, told = await Stage(running, stage.file, admin).post("/tables/storage/rollback")
    assert (status, told["error"]) == (409, "the proxy runs without a configuration file")

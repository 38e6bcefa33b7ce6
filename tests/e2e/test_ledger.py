"""Evidence, mismatches and tapes of a running proxy, end to end, with two engines on one database."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from proxy.app import Proxy
from proxy.cli import main
from proxy.config import Address, Config, RedactConfig
from proxy.database.answer import answer
from proxy.database.connection import Database
from proxy.database.snapshot import EngineSnapshot
from proxy.difference import Difference
from proxy.events import Judged, ModeChanged
from proxy.ledger.report import report_evidence, report_mismatch, report_mismatches
from proxy.messages import Answer, Request
from tests.e2e.support import (
    LOCALHOST,
    as_sent,
    engine_config,
    make_config,
    playing,
    recorded_reads,
    until,
    until_async,
)
from tests.support.database import ConformanceDatabase

NAME = re.compile(rb'("storage_name":\s?"[^"]*)(")')


@dataclass
class Stage:
    """A proxy before another engine, and its configuration as a file."""

    running: Proxy
    upstream: Proxy
    file: Path
    session: aiohttp.ClientSession
    config: Config

    @property
    def admin(self) -> str:
        return f"http://{LOCALHOST}:{self.running.admin_port}"

    async def get(self, target: str, **headers: str) -> str:
        url = URL(f"http://{LOCALHOST}:{self.running.port}{target}", encoded=True)
        async with self.session.get(url, headers=headers) as response:
            return await response.text()

    async def settle(self) -> None:
        """Wait until every read has its verdict and is in the ledger."""
        await until(lambda: not any(table.pending for table in self.running.tally.report()))
        assert await self.running.ledger.flush(), self.running.ledger.condition


def alone(database: ConformanceDatabase) -> Config:
    """The engine alone, where PostgREST would be."""
    address = Address(LOCALHOST, 0)
    return Config(
        address, address, upstream=None, engine=engine_config(database.login_url()), ledger="sqlite://"
    )


@pytest.fixture
async def stage(conformance_database: ConformanceDatabase, tmp_path: Path) -> AsyncIterator[Stage]:
    login = conformance_database.login_url()
    ledger = f"sqlite:///{tmp_path}/ledger.db"
    async with playing(alone(conformance_database)) as upstream:
        url = f"http://{LOCALHOST}:{upstream.port}"
        config = make_config(url, login, ledger=ledger, redact=RedactConfig(("storage_config.config",)))
        file = tmp_path / "understudy.yaml"
        options = {
            "db-uri": login,
            "db-schemas": ",".join(config.engine.db_schemas),
            "db-anon-role": config.engine.db_anon_role,
            "jwt-secret": config.engine.jwt_secret,
            "db-extra-search-path": "public",
            "db-aggregates-enabled": "true",
            "db-tx-end": config.engine.db_tx_end,
        }
        document = {"upstream": {"url": url}, "ledger": ledger, "engine": options}
        file.write_text(json.dumps(document), encoding="utf-8")
        async with playing(config) as running, aiohttp.ClientSession() as session:
            yield Stage(running, upstream, file, session, config)


async def run(*arguments: str) -> int:
    """The command line, in a thread without an event loop."""
    return await asyncio.to_thread(main, arguments)


async def test_what_was_compared_is_in_the_ledger_and_adds_up(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(6):
        await stage.get(f"/storage?select=storage_id,storage_name&order=storage_id&limit={number}")
    await stage.get("/storage_config?select=*")
    await stage.get("/no_such_table")
    await stage.settle()
    found = await stage.running.ledger.read(report_evidence)
    tables = {one["table"]: one for one in found["tables"]}
    assert tables["storage"]["compared"] == tables["storage"]["traffic"]["reads"]["upstream"] == 6
    assert tables["storage"]["pairs"] == 6
    assert tables["storage"]["conditions"]["schema"] != tables["storage_config"]["conditions"]["schema"]
    assert tables["other"]["compared"] == 1
    async with stage.session.get(f"{stage.admin}/status") as response:
        status = await response.json()
    assert status["ledger"]["state"] == "up"
    assert await run("status", "--admin", stage.admin, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert next(one for one in told["tables"] if one["table"] == "storage")["evidence"]["compared"] == 6
    assert await run("status", "--config", str(stage.file)) == 0


def mismatch(table: str, request: Request, answers: tuple[Answer, Answer], one: Difference) -> Judged:
    """A verdict with the messages that show it."""
    judged = Judged(table, "mismatch", "", (one,), shape=f"GET {table}", signature=f"body {one.path}")
    return replace(judged, request=request, upstream=answers[0], engine=answers[1])


async def corrupt(request: Request, snapshot: EngineSnapshot, database: Database, **how: Any) -> Answer:
    """An engine that is wrong about one column."""
    found = await answer(request, snapshot, database, **how)
    return found._replace(body=NAME.sub(rb"\1!\2", found.body))


async def test_a_mismatch_is_kept_shrunk_and_shown_with_a_line_for_each_side(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    async with playing(stage.config, answer=corrupt) as running:
        await find_mismatch(replace(stage, running=running), capsys)


async def find_mismatch(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    target = (
        "/storage?select=storage_id,storage_name,location_id,storage_config(config_id,config)"
        "&or=(storage_id.not.is.null,storage_name.like.*a*)&order=storage_id.desc&limit=64"
    )
    await stage.get(target, Accept="application/json", **{"X-Api-Key": "s3cret-key"})
    await stage.settle()

    async def is_shrunk() -> bool:
        assert await stage.running.ledger.flush()
        found = await stage.running.ledger.read(partial(report_mismatch, prefix=""))
        return all(one["smallest"] for one in found)

    await until_async(is_shrunk, 60.0)
    (listed,) = await stage.running.ledger.read(report_mismatches)
    (whole,) = await stage.running.ledger.read(partial(report_mismatch, prefix=listed["id"]))
    (example,) = whole["examples"]
    assert example["shape"].startswith("GET storage?")
    assert {one["path"].rpartition(".")[2] for one in example["differences"]} == {"storage_name"}
    rows = json.loads(example["upstream"]["body"])
    assert {inner["config"] for row in rows for inner in row["storage_config"]} <= {"***", None}
    smallest = whole["smallest"]["target"]
    assert re.fullmatch(
        r"/storage\?select=(storage_id,)?storage_name(&order=storage_id.desc)?&limit=1", smallest
    )
    assert [name for name, _ in whole["smallest"]["headers"]] == ["Host"]
    assert await run("mismatches", "--admin", stage.admin, listed["id"]) == 1
    out = capsys.readouterr().out
    assert f"{stage.admin}/engine{smallest}" in out
    assert "s3cret" not in out + json.dumps(whole)
    async with stage.session.get(f"{stage.admin}/engine/storage?select=storage_name") as response:
        assert all(row["storage_name"].endswith("!") for row in await response.json())


async def test_nothing_that_is_hidden_is_in_the_file_of_the_ledger(stage: Stage) -> None:
    answers = Answer(200, (), b'[{"config":"s3cret-config"}]'), Answer(200, (), b'[{"cfg":"s3cret-config"}]')
    request = Request("GET", b"/storage_config?select=config", ((b"Authorization", b"Bearer s3cret-token"),))
    difference = Difference("body", "$[0].cfg", "(absent)", '"s3cret-config"')
    stage.running.emit(mismatch("storage_config", request, answers, difference))
    assert await stage.running.ledger.flush()
    await stage.running.ledger.close()
    files = list(stage.file.parent.glob("ledger.db*"))
    assert files
    assert not any(b"s3cret" in file.read_bytes() for file in files)


async def test_live_traffic_becomes_a_tape_that_the_engine_and_the_upstream_pass(
    stage: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tape = tmp_path / "live.jsonl"
    arguments = ["--admin", stage.admin, "--out", str(tape), "--seconds", "60s", "--per-shape", "2"]
    recording = asyncio.ensure_future(run("tape", "record", *arguments))
    await until(lambda: stage.running._recorder.active)
    reads = recorded_reads(60, tables=["storage", "location", "data_item"], successful=True)
    for exchange in reads:
        request = as_sent(exchange)
        headers = [(name.decode(), value.decode()) for name, value in request.headers if name != b"Host"]
        url = URL(f"http://{LOCALHOST}:{stage.running.port}{request.target.decode()}", encoded=True)
        async with stage.session.request(request.method, url, headers=headers) as response:
            await response.read()
    await until(lambda: not any(one.waiting.qsize() for one in stage.running._recorder._recordings))
    stage.running._recorder.close()
    assert await recording == 0
    assert f"exchanges recorded in {tape}" in capsys.readouterr().out
    assert await run("tape", "record", *arguments) == 2
    assert "File exists" in capsys.readouterr().err
    lines = tape.read_text(encoding="utf-8").splitlines()
    assert len(lines) > 20
    assert "Bearer" not in tape.read_text(encoding="utf-8")
    assert await run("tape", "replay", str(tape), "--config", str(stage.file)) == 0
    url_of_upstream = f"http://{LOCALHOST}:{stage.upstream.port}"
    assert await run("tape", "replay", str(tape), "--config", str(stage.file), "--url", url_of_upstream) == 0
    header, *exchanges = lines
    broken = [json.loads(line) for line in exchanges]
    broken[0]["response"]["status"] = 418
    tape.write_text("\n".join([header, *map(json.dumps, broken)]) + "\n", encoding="utf-8")
    capsys.readouterr()
    assert await run("tape", "replay", str(tape), "--config", str(stage.file)) == 1
    assert "status 418 expected" in capsys.readouterr().out


async def test_a_ledger_that_is_gone_is_told_and_harms_nobody(
    conformance_database: ConformanceDatabase, stage: Stage
) -> None:
    url = f"http://{LOCALHOST}:{stage.upstream.port}"
    config = make_config(url, conformance_database.login_url(), ledger="postgresql://x@127.0.0.1:1/x")
    async with playing(config) as running:
        gone = replace(stage, running=running)
        for _ in range(20):
            assert json.loads(await gone.get("/storage?select=storage_id&order=storage_id"))
        await until(lambda: not any(table.pending for table in running.tally.report()))
        await until(lambda: running.ledger.condition.state == "down")
        async with stage.session.get(f"{gone.admin}/status") as response:
            status = await response.json()
        assert (status["ready"], status["ledger"]["state"]) == (True, "down")
        async with stage.session.get(f"{gone.admin}/mismatches") as response:
            assert response.status == 503
        async with stage.session.get(f"{gone.admin}/metrics") as response:
            metrics = await response.text()
        assert "understudy_ledger_up 0.0" in metrics
        assert 'understudy_verdicts_total{table="storage",verdict="match"} 20.0' in metrics


async def test_two_replicas_share_a_ledger_on_postgresql(
    conformance_database: ConformanceDatabase, stage: Stage
) -> None:
    url, login = f"http://{LOCALHOST}:{stage.upstream.port}", conformance_database.login_url()
    config = make_config(url, login, ledger=conformance_database.url)
    async with playing(config) as one, playing(config) as other:
        replicas = [replace(stage, running=running) for running in (one, other)]
        for replica in replicas:
            for _ in range(5):
                await replica.get("/location?select=location_id&order=location_id")
            replica.running.emit(ModeChanged("location", "reads", "upstream", "shadow"))
            await replica.settle()
        found = await one.ledger.read(report_evidence)
    (location,) = [table for table in found["tables"] if table["table"] == "location"]
    assert location["compared"] == 10
    (change,) = found["mode_changes"]
    assert (change["who"], change["why"], change["replicas"]) == ("file", "reload", 2)

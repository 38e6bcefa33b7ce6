"""``understudy certificate`` by a real ledger and a real database, with everything that it has to tell."""

import asyncio
import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from proxy.cli import main
from proxy.events import RuleHit, Served, Skipped
from tests.ledger.support import Scene, judged
from tests.support.database import ConformanceDatabase

FILE = """\
ledger: sqlite:///%(folder)s/ledger.db
engine: %(engine)s
defaults: {reads: engine, writes: engine}
upstream: {url: "http://127.0.0.1:1"}
readiness: {max_mismatch_rate: 0.1, max_unseen_shapes: 0.5, max_latency_ratio: 99, min_period: 1s}
compare:
  ignore:
    - {table: storage, path: last_access, reason: touched by readers, expires: 2999-01-31}
    - {table: storage, path: size, reason: long ago, expires: 2001-01-31}
"""
RULE = "storage: last_access"


@pytest.fixture
def file(conformance_database: ConformanceDatabase, tmp_path: Path) -> Path:
    """A cutover that is done: every table on the engine, and evidence of one of them."""
    options = {"db-uri": conformance_database.login_url(), "db-schemas": "dlm", "db-anon-role": "web_anon"}
    file = tmp_path / "understudy.yaml"
    file.write_text(FILE % {"folder": tmp_path, "engine": json.dumps(options)}, encoding="utf-8")
    asyncio.run(keep(f"sqlite:///{tmp_path}/ledger.db"))
    return file


async def keep(url: str) -> None:
    """Evidence of five minutes."""
    scene = Scene(url, now=time.time() - 300)
    by = partial(judged, upstream_version="postgrest/14")
    lines = (f"GET /storage?storage_id=eq.{number}" for number in range(80))
    reads = [by(request_line=line) for line in lines]
    paged = by("indeterminate", shape="GET storage?limit=*")
    assert await scene.flush(*reads, paged, paged, RuleHit("storage", RULE), by(table="left"))
    scene.now += 240
    served = Served("storage", "GET", "engine", True, "engine", 200, 0.1, 0.0)
    assert await scene.flush(*reads, served, Skipped("storage", "too_large"))
    await scene.ledger.close()


def run(file: Path, *arguments: str) -> int:
    return main(["certificate", "--config", str(file), *arguments])


def read(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_it_tells_what_was_compared_and_what_was_not(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(file, "--json") == 0
    told = read(capsys)
    assert told["objections"] == []
    (table,) = told["tables"]
    assert (table["readiness"]["table"], table["reads"], table["writes"]) == ("storage", "engine", "engine")
    assert (table["readiness"]["agreed"], table["readiness"]["verdict"]) == (160, "ready")
    assert table["readiness"]["mismatch_bound"] < 0.1
    assert table["readiness"]["latency"]["mean"] == pytest.approx(2.0)
    assert table["readiness"]["cost_ratio"] == pytest.approx(2.0)
    assert table["undefined_paging"] == {"GET storage?limit=*": 2}
    assert table["excluded"] == {"skipped, too_large": 1}
    (rule,) = told["rules"]
    assert (rule["table"], rule["leaves_out"], rule["hits"]) == ("storage", "last_access", 1)
    assert told["versions"]["understudy"].endswith("compat 14")
    assert told["versions"]["upstream"] == "postgrest/14"
    assert told["versions"]["PostgreSQL"][:2].isdigit()
    assert told["idle"]["location"] == ["engine", "engine"]
    assert told["gone"] == ["left"]


def test_it_is_a_page_for_people(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(file) == 0
    page = capsys.readouterr().out
    assert page.startswith("# Certificate of exit\n")
    assert "nothing speaks against switching the upstream off." in page
    assert "## Calls whose paging is undefined\n\n- `storage`: `GET storage?limit=*`, 2 reads\n" in page
    assert page.splitlines()[-1].startswith("SHA-256 of the lines above: `")


def test_what_is_not_done_is_an_objection(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(file.read_text() + "tables: {location: {reads: shadow}, storage: {writes: upstream}}\n")
    assert run(file, "--json") == 1
    assert read(capsys)["objections"] == [
        "writes of storage are in upstream",
        "1 table that nobody asked for not on the engine: location",
    ]


def test_who_cannot_be_asked_is_told(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = file.read_text()
    file.write_text(text.replace("ledger.db", "none.db"))
    assert run(file) == 2
    assert "there is no ledger" in capsys.readouterr().err
    nowhere = 'engine: {db-uri: "postgresql://nobody@127.0.0.1:1/none", db-anon-role: nobody}\n'
    file.write_text(text.replace(text[text.index("engine: ") : text.index("defaults")], nowhere))
    assert run(file) == 2
    assert "the database cannot be read" in capsys.readouterr().err

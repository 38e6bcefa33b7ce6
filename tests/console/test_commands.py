"""``understudy mismatches`` and ``status``, on a ledger that was written to and on an admin port."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from rich.console import Console

from proxy.cli import main
from proxy.console import watching
from proxy.events import MismatchShrunk, ModeChanged, Served, Skipped
from proxy.ledger.report import report_evidence, report_mismatch, report_mismatches
from proxy.messages import Request
from proxy.shadow.policy import TableModes
from tests.ledger.support import Scene, judged, mismatch

CONFIG = """\
upstream: {{url: 'http://postgrest:3000'}}
ledger: sqlite:///{path}
engine: {{db-schemas: dlm}}
defaults: {{reads: shadow}}
tables: {{storage: {{reads: engine}}}}
"""


@dataclass
class Place:
    """A ledger with two kinds of mismatch, and the configuration that names it."""

    config: str
    ids: dict[str, str]
    scene: Scene


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    scene = Scene(f"sqlite:///{tmp_path}/ledger.db")
    await scene.flush(
        Served("storage", "GET", "shadow", True, "upstream", 200, 0.1, 0.0),
        Skipped("storage", "not_sampled"),
        judged(),
        mismatch(),
        mismatch("headers content-range", table="rpc/latest"),
        MismatchShrunk("storage", "body $.uri", Request("GET", b"/storage?select=uri"), 7),
        ModeChanged("storage", "reads", "shadow", "engine", "ada", "it is ready"),
    )
    found = await scene.read(report_mismatches)
    file = tmp_path / "understudy.yaml"
    file.write_text(CONFIG.format(path=tmp_path / "ledger.db"), encoding="utf-8")
    yield Place(str(file), {one["signature"]: one["id"] for one in found}, scene)
    await scene.ledger.close()


@pytest.fixture
async def admin(place: Place) -> AsyncIterator[str]:
    """An admin port that tells what the ledger knows."""

    async def show_status(_: web.Request) -> web.Response:
        modes = [asdict(TableModes(name, "shadow", "upstream")) for name in ("storage", "idle")]
        ledger = asdict(place.scene.ledger.condition)
        return web.json_response({"problems": [], "holds": [], "modes": modes, "ledger": ledger, "tally": []})

    async def evidence(_: web.Request) -> web.Response:
        return web.json_response(await place.scene.read(report_evidence))

    async def list_mismatches(_: web.Request) -> web.Response:
        return web.json_response(await place.scene.read(report_mismatches))

    async def mismatch_of(request: web.Request) -> web.Response:
        prefix = request.match_info["id"]
        return web.json_response(
            await place.scene.read(lambda connection: report_mismatch(connection, prefix))
        )

    application = web.Application()
    application.add_routes(
        [
            web.get("/status", show_status),
            web.get("/evidence", evidence),
            web.get("/mismatches", list_mismatches),
            web.get("/mismatches/{id}", mismatch_of),
        ]
    )
    async with TestServer(application) as server:
        yield str(server.make_url("")).rstrip("/")


async def run(*arguments: str) -> int:
    """Run the command line as a process would: in a thread without an event loop."""
    return await asyncio.to_thread(main, arguments)


Capture = pytest.CaptureFixture[str]


async def test_mismatches_are_listed_with_tabs_when_piped(place: Place, capsys: Capture) -> None:
    assert await run("mismatches", "--config", place.config) == 1
    names, *rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert names == ["id", "table", "state", "aspects", "count", "last seen", "what"]
    assert {(row[0], row[1], row[2], row[4], row[6]) for row in rows} == {
        (place.ids["body $.uri"], "storage", "open", "1", "body $.uri"),
        (place.ids["headers content-range"], "rpc/latest", "open", "1", "headers content-range"),
    }


async def test_the_list_can_be_of_one_table_and_for_programs(place: Place, capsys: Capture) -> None:
    assert await run("mismatches", "--config", place.config, "--table", "storage", "--json") == 1
    (one,) = json.loads(capsys.readouterr().out)
    assert (one["table"], one["aspects"], one["state"]) == ("storage", ["body"], "open")
    assert await run("mismatches", "--config", place.config, "--table", "location") == 0
    assert "no mismatches" in capsys.readouterr().out


async def test_one_is_shown_with_its_difference_and_a_line_for_each_side(
    place: Place, capsys: Capture
) -> None:
    assert await run("mismatches", "--config", place.config, place.ids["body $.uri"][:5]) == 1
    out = capsys.readouterr().out
    assert "found in 7 tries" in out
    assert "'http://postgrest:3000/storage?limit=1'" in out
    assert "\"$ADMIN/engine\"'/storage?limit=1'" in out
    assert 'Authorization: Bearer $TOKEN"' in out
    assert '-     "uri": "right"' in out
    assert '+     "uri": "wrong"' in out
    assert "a.b.c" not in out


async def test_one_is_shown_for_programs(place: Place, capsys: Capture) -> None:
    assert await run("mismatches", "--config", place.config, "--json", place.ids["body $.uri"]) == 1
    one = json.loads(capsys.readouterr().out)
    assert one["smallest"]["target"] == "/storage?select=uri"
    assert one["smallest"]["curl"]["upstream"].endswith("'http://postgrest:3000/storage?select=uri'")
    (example,) = one["examples"]
    assert example["engine"]["body"] == '[{"uri":"wrong"}]'


async def test_the_admin_port_tells_the_same(place: Place, admin: str, capsys: Capture) -> None:
    assert await run("mismatches", "--admin", admin, "--json") == 1
    assert len(json.loads(capsys.readouterr().out)) == 2
    assert await run("mismatches", "--admin", admin, place.ids["body $.uri"]) == 1
    assert f"{admin}/engine/storage?limit=1" in capsys.readouterr().out


async def test_a_mismatch_is_closed_with_a_reason(place: Place, capsys: Capture) -> None:
    one, other = place.ids.values()
    assert await run("mismatches", "--config", place.config, one, "--close") == 2
    assert "--why" in capsys.readouterr().err
    for name in (one, other):
        assert await run("mismatches", "--config", place.config, name, "--close", "--why", "fixed") == 0
    capsys.readouterr()
    assert await run("mismatches", "--config", place.config) == 0
    assert capsys.readouterr().out.count("closed") == 2
    assert await run("mismatches", "--config", place.config, one) == 0
    assert ": fixed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["mismatches"], "--config or --admin is needed"),
        (["mismatches", "--admin", "ftp://x"], "http://host:port expected"),
        (["mismatches", "--admin", "http://127.0.0.1:1"], "cannot be asked"),
        (["mismatches", "--config", "{config}", "zz"], "no mismatch has the ID zz"),
        (["mismatches", "--config", "{config}", ""], "several have that ID"),
        (["mismatches", "--config", "missing.yaml"], "missing.yaml"),
        (["status"], "--config or --admin is needed"),
        (["status", "--admin", "http://127.0.0.1:1"], "cannot be asked"),
    ],
)
async def test_wrong_usage_is_told(place: Place, capsys: Capture, arguments: list[str], problem: str) -> None:
    assert await run(*(argument.format(config=place.config) for argument in arguments)) == 2
    assert problem in capsys.readouterr().err


def test_no_ledger_is_made_by_asking_for_it(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "understudy.yaml"
    file.write_text(CONFIG.format(path=tmp_path / "none.db"), encoding="utf-8")
    assert main(["status", "--config", str(file)]) == 2
    assert "there is no ledger at" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["understudy.yaml"]


async def test_the_status_of_a_ledger_has_modes_by_the_file(place: Place, capsys: Capture) -> None:
    assert await run("status", "--config", place.config) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("problem: open kinds of mismatch: 2")
    storage, latest = _rows(lines)
    assert (storage["reads"], storage["served"], storage["match"], storage["mismatch"]) == (
        "engine",
        "1",
        "1",
        "1",
    )
    assert (storage["skipped"], storage["open"]) == ("1", "1")
    # Of fewer than a hundred pairs nothing is said.
    assert storage["ratio"] == "-"
    assert (latest["reads"], latest["open"]) == ("shadow", "1")
    assert any(line.endswith("storage reads: shadow → engine  by ada: it is ready") for line in lines)


def _rows(lines: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The rows of the two tables, by column."""
    table = [line.split("\t") for line in lines if "\t" in line]
    rows = {row[0]: dict(zip(table[0], row, strict=True)) for row in table[1:]}
    return rows["storage"], rows["rpc/latest"]


async def test_the_status_of_a_running_proxy_has_its_modes_and_ledger(
    place: Place, admin: str, capsys: Capture
) -> None:
    assert await run("status", "--admin", admin) == 1
    out = capsys.readouterr().out
    assert _rows(out.splitlines())[0]["reads"] == "shadow"
    assert "without evidence: 1 in shadow" in out
    assert "ledger: up, 0 counts wait" in out
    assert await run("status", "--admin", admin, "--json") == 1
    told: Any = json.loads(capsys.readouterr().out)
    assert {one["table"] for one in told["tables"]} == {"storage", "idle", "rpc/latest"}
    assert told["ledger"]["state"] == "up"


async def test_a_proxy_that_is_gone_is_a_problem_and_the_ledger_still_tells(
    place: Place, capsys: Capture
) -> None:
    assert await run("status", "--admin", "http://127.0.0.1:1", "--config", place.config) == 1
    out = capsys.readouterr().out
    assert "problem: http://127.0.0.1:1 cannot be asked" in out
    assert _rows(out.splitlines())[0]["match"] == "1"


async def test_on_a_terminal_there_are_tables(
    place: Place, admin: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make_terminal() -> Console:
        return Console(force_terminal=True, width=120, highlight=False, color_system=None)

    monkeypatch.setattr(watching, "make_console", make_terminal)
    assert await run("mismatches", "--config", place.config) == 1
    assert re.search(r" storage +open +", capsys.readouterr().out)
    assert await run("mismatches", "--config", place.config, place.ids["body $.uri"]) == 1
    out = capsys.readouterr().out
    assert re.search(r'"uri": "right" +\| +"uri": "wrong"', out)
    assert "'http://postgrest:3000/storage?limit=1'" in out
    assert await run("status", "--admin", admin) == 1
    assert re.search(r" storage +shadow +upstream +", capsys.readouterr().out)

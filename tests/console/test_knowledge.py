"""Promotion by the evidence in the ledger, and what is written there."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from proxy.cli import main
from proxy.ledger.database import LedgerDatabase
from proxy.ledger.holds import put_hold
from proxy.ledger.report import report_evidence
from proxy.messages import Answer
from proxy.shadow.guard import Hold
from proxy.tape.format import RecordedExchange, RecordedRequest, Tape, TapeHeader, write_tape
from tests.ledger.support import Scene, judged, mismatch

READY = "readiness: {max_mismatch_rate: 0.1, max_unseen_shapes: 0.5, max_latency_ratio: 99, min_period: 1s}\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "understudy.yaml"
    path.write_text(
        f"upstream: {{url: 'http://postgrest:3000'}}\nledger: sqlite:///{tmp_path}/ledger.db\n{READY}"
        "tables:\n  storage: {reads: shadow}\n"
    )
    return path


def keep(path: Path, *, mismatches: int = 0) -> None:
    """Evidence of a hundred reads over three minutes that have just ended."""
    scene = Scene(f"sqlite:///{path.parent}/ledger.db", now=time.time() - 180)
    reads = [judged(request_line=f"GET /storage?id=eq.{number}") for number in range(50)]
    one, other = reads, [*reads, *[mismatch()] * mismatches]

    async def flush() -> None:
        assert await scene.flush(*one)
        scene.now += 180
        assert await scene.flush(*other)
        await scene.ledger.close()

    asyncio.run(flush())


def run(path: Path, *arguments: str) -> int:
    return main([*arguments, "--config", str(path)])


def test_a_table_with_evidence_enough_is_promoted_and_that_is_written_down(path: Path) -> None:
    keep(path)
    assert run(path, "promote", "storage", "--to", "engine", "--reason", "it is time") == 0
    assert "storage: {reads: engine, verify: 5}" in path.read_text()
    database = LedgerDatabase(f"sqlite:///{path.parent}/ledger.db", create=False)
    (change,) = database.read(report_evidence)["mode_changes"]
    database.close()
    assert (change["before"], change["after"]) == ("shadow", "engine, 5 % verified")
    assert change["why"] == "it is time"


def test_a_table_with_an_open_mismatch_is_not(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(path, mismatches=1)
    assert run(path, "promote", "storage") == 1
    assert "open mismatch" in capsys.readouterr().err


def test_a_table_that_is_held_is_not(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(path)
    database = LedgerDatabase(f"sqlite:///{path.parent}/ledger.db", create=False)
    hold = Hold("storage", time.time(), "errors", "5 engine errors")
    assert database.write(lambda connection: put_hold(connection, hold, "one"))
    database.close()
    assert run(path, "promote", "storage") == 1
    assert "5 engine errors" in capsys.readouterr().err


def test_a_hold_is_shown_with_the_mode_though_no_proxy_runs(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(path)
    path.write_text(path.read_text().replace("reads: shadow", "reads: engine"))
    database = LedgerDatabase(f"sqlite:///{path.parent}/ledger.db", create=False)
    hold = Hold("storage", time.time(), "errors", "5 engine errors")
    assert database.write(lambda connection: put_hold(connection, hold, "one"))
    database.close()
    assert run(path, "status") == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "problem: storage is held in shadow until it is re-armed: 5 engine errors"
    assert told[2].split("\t")[:2] == ["storage", "shadow, held"]


def test_a_table_is_re_armed_with_a_reason_that_is_written_down(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(path, "rearm", "storage", "--reason", "x") == 2
    assert "there is no ledger" in capsys.readouterr().err
    keep(path)
    database = LedgerDatabase(f"sqlite:///{path.parent}/ledger.db", create=False)
    hold = Hold("storage", time.time(), "errors", "5 engine errors")
    assert database.write(lambda connection: put_hold(connection, hold, "one"))
    assert run(path, "rearm", "storage", "--reason", " ") == 2
    assert run(path, "rearm", "storage", "location", "--reason", "the disk is back") == 1
    told = capsys.readouterr()
    assert told.out == "storage: re-armed\n"
    assert "there is no hold on location" in told.err
    change, *_ = database.read(report_evidence)["mode_changes"]
    database.close()
    assert (change["table"], change["after"], change["why"]) == ("storage", "re-armed", "the disk is back")
    assert "@" in change["who"]


def test_readiness_is_told_for_people_and_programs(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(path)
    assert run(path, "readiness") == 0
    assert capsys.readouterr().out.splitlines()[1].split("\t")[:2] == ["storage", "ready"]
    assert run(path, "readiness", "storage", "location") == 1
    assert "location: insufficient evidence" in capsys.readouterr().out
    assert run(path, "readiness", "--json") == 0
    (table,) = json.loads(capsys.readouterr().out)["tables"]
    assert (table["table"], table["verdict"], table["agreed"]) == ("storage", "ready", 100)


def test_readiness_without_a_ledger_says_so(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(path, "readiness") == 2
    assert "there is no ledger" in capsys.readouterr().err


LOG = """\
10.0.0.1 - - [26/Nov/2026:10:00:00 +0000] "GET /storage HTTP/1.1" 200 12
10.0.0.1 - - [26/Nov/2026:10:00:01 +0000] "GET /storage?month=eq.11 HTTP/1.1" 200 12
"""


def test_what_an_access_log_or_a_tape_has_must_have_been_compared(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(path)
    log, tape = path.with_name("access.log"), path.with_name("tape.jsonl")
    log.write_text(LOG)
    exchange = RecordedExchange("1", "x", "x", RecordedRequest("GET", b"/storage?x=is.null"), Answer(200))
    write_tape(tape, Tape(TapeHeader("x", "14", "16", 1), (exchange,)))
    assert run(path, "must-see", "--access-log", str(log), "--tape", str(tape)) == 1
    told = capsys.readouterr()
    assert "3 shapes pinned, 0 removed" in told.err
    assert [line.split("\t") for line in told.out.splitlines()[1:]] == [
        ["storage", "GET storage", "seen"],
        ["storage", "GET storage?month=eq.*", "never seen"],
        ["storage", "GET storage?x=is.null", "never seen"],
    ]
    assert run(path, "readiness", "storage") == 1
    told = capsys.readouterr()
    assert "missing: shape GET storage?month=eq.* never seen" in told.out
    assert "must-see shapes: 3, of which 2 were never compared" in told.out
    assert run(path, "promote", "storage") == 1
    removed = ["GET storage?month=eq.*", "GET storage?x=is.null"]
    assert run(path, "must-see", "--json", *(part for one in removed for part in ("--remove", one))) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"table": "storage", "shape": "GET storage", "compared": True}
    ]
    assert run(path, "promote", "storage") == 0


def test_what_cannot_be_pinned_is_told(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(path, "must-see", "--shape", "GET storage") == 2
    keep(path)
    assert run(path, "must-see", "--shape", "storage") == 2
    assert "method and target expected" in capsys.readouterr().err
    assert run(path, "must-see", "--access-log", str(path.with_name("none.log"))) == 2
    assert run(path, "must-see") == 0

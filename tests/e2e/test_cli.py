"""The command line, as its users meet it: ``understudy``, also ``python -m proxy``.

What has to be a process is one here; the rest runs in this one, since a process takes a second to start.
"""

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from sqlalchemy import insert

import proxy
from proxy.cli import main
from proxy.ledger.database import LedgerDatabase
from proxy.ledger.tables import TRAFFIC
from tests.e2e import programs
from tests.e2e.programs import Program
from tests.support.conformance import TAPES

TAPE = str(TAPES / "postgrest-14.17")
COMMANDS = (
    *("serve", "engine", "check", "status", "mismatches", "readiness", "must-see", "promote", "rollback"),
    "rearm",
    *("certificate", "demo", "stand-in", "tape"),
)
TIMEOUT = 20.0
NOWHERE = "http://127.0.0.1:1"
FREE_PORTS = "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nledger: sqlite://\n"


@pytest.fixture(autouse=True)
def untouched_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Commands run here see no settings but the test's, and change nothing for other tests."""
    deepest = sys.getrecursionlimit()
    for name in programs.foreign_settings():
        monkeypatch.delenv(name)
    yield
    sys.setrecursionlimit(deepest)


@pytest.fixture(scope="module")
def stand_in(directory: Path) -> Iterator[Program]:
    with programs.standing_in(TAPE, directory) as running:
        yield running
        assert running.terminate() == 0


def end(arguments: list[str]) -> int:
    """The exit code of a command that argparse itself ends."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


class TestHelp:
    def test_is_there_in_a_process_of_its_own_under_both_names(self) -> None:
        script = Path(sys.executable).with_name("understudy")
        by_name = subprocess.run(
            [script, "--help"], capture_output=True, text=True, timeout=programs.PATIENCE, check=True
        )
        as_module = programs.run_to_end(["--help"])
        assert as_module.returncode == 0
        assert by_name.stdout == as_module.stdout
        assert by_name.stderr == as_module.stderr == ""

    def test_names_every_command(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert end(["--help"]) == 0
        shown = capsys.readouterr().out
        for command in COMMANDS:
            assert re.search(rf"^ +{command}\s", shown, re.MULTILINE), command

    @pytest.mark.parametrize("command", [*COMMANDS, "tape replay"])
    def test_is_there_for_each_command(self, capsys: pytest.CaptureFixture[str], command: str) -> None:
        assert end([*command.split(), "--help"]) == 0
        assert capsys.readouterr().out.startswith(f"usage: understudy {command}")

    def test_the_version_is_told(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert end(["--version"]) == 0
        assert capsys.readouterr().out == f"understudy {proxy.__version__}\n"

    @pytest.mark.parametrize("arguments", [[], ["dance"], ["serve"], ["tape"], ["serve", "--config"]])
    def test_wrong_usage_ends_with_2(self, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
        assert end(arguments) == 2
        assert "usage: understudy" in capsys.readouterr().err


class TestABadConfiguration:
    @pytest.fixture
    def bad(self, tmp_path: Path) -> Path:
        file = tmp_path / "bad.yaml"
        file.write_text(
            f"upstream: {{url: {NOWHERE}}}\n"
            "tables:\n"
            "  storage: {reads: sometimes}\n"
            "  location: {sample: 101}\n",
            encoding="utf-8",
        )
        return file

    def assert_both_faults_are_told(self, command: str, bad: Path, told: str) -> None:
        lines = told.splitlines()
        assert len(lines) == 2
        assert lines[0].startswith(f"understudy {command}: {bad}:3: tables.storage.reads: found 'sometimes'")
        assert lines[1].startswith(f"{bad}:4: tables.location.sample: found '101'")

    def test_keeps_the_proxy_from_starting_with_2_and_file_and_line_of_every_fault(self, bad: Path) -> None:
        ended = programs.run_to_end(["serve", "--config", str(bad)])
        assert (ended.returncode, ended.stdout) == (2, "")
        self.assert_both_faults_are_told("serve", bad, ended.stderr)

    def test_is_told_alike_by_the_check(self, capsys: pytest.CaptureFixture[str], bad: Path) -> None:
        assert main(["check", "--config", str(bad)]) == 2
        self.assert_both_faults_are_told("check", bad, capsys.readouterr().err)

    @pytest.mark.parametrize("command", ["serve", "check"])
    def test_ends_with_2_when_the_file_is_not_there(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str
    ) -> None:
        assert main([command, "--config", str(tmp_path / "none.yaml")]) == 2
        assert "none.yaml" in capsys.readouterr().err

    def test_ends_with_2_when_the_port_is_taken(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path, upstream_url: str
    ) -> None:
        file = tmp_path / "taken.yaml"
        address = upstream_url.removeprefix("http://")
        file.write_text(
            f"listen: {address}\nadmin: 127.0.0.1:0\nledger: sqlite://\nupstream: {{url: {upstream_url}}}\n",
            encoding="utf-8",
        )
        assert main(["serve", "--config", str(file)]) == 2
        assert capsys.readouterr().err.splitlines()[-1].startswith("understudy serve: ")


class TestCheck:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        return tmp_path / "checked.yaml"

    def test_ends_with_0_and_prints_what_each_table_would_do(
        self, capsys: pytest.CaptureFixture[str], engine_environment: None, file: Path, upstream_url: str
    ) -> None:
        text = f"upstream: {{url: {upstream_url}}}\ntables: {{storage: {{reads: engine}}}}\n"
        file.write_text(text, encoding="utf-8")
        assert main(["check", "--config", str(file)]) == 0
        shown = capsys.readouterr()
        assert shown.err == ""
        assert "upstream: reached" in shown.out
        assert re.search(r"storage\tengine\tupstream", shown.out)
        assert re.search(r"location\tshadow\tupstream", shown.out)

    def test_ends_with_1_when_the_upstream_cannot_be_reached(
        self, capsys: pytest.CaptureFixture[str], engine_environment: None, file: Path
    ) -> None:
        file.write_text(f"upstream: {{url: {NOWHERE}}}\n", encoding="utf-8")
        assert main(["check", "--config", str(file)]) == 1
        assert "upstream: NOT reached" in capsys.readouterr().out

    def test_says_what_is_lost_without_an_upstream_and_what_it_still_made_good_for(
        self, capsys: pytest.CaptureFixture[str], engine_environment: None, file: Path
    ) -> None:
        url = f"sqlite:///{file.parent}/kept.db"
        file.write_text(f"ledger: {url}\n", encoding="utf-8")
        counts = (
            ("storage", "fell_back", "timeout"),
            ("storage", "fell_back", "failed"),
            ("lone", "reads", ""),
        )
        names = ("table_name", "kind", "reason", "count", "last_seen")
        rows = [dict(zip(names, (*count, 2, 0.0), strict=True)) for count in counts]
        ledger = LedgerDatabase(url, create=True)
        ledger.write(lambda connection: connection.execute(insert(TRAFFIC), rows))
        ledger.close()
        assert main(["check", "--config", str(file)]) == 0
        shown = capsys.readouterr().out
        for lost in ("verification", "fallback", "the guard", "readiness"):
            assert f"\n  {lost}" in shown
        assert "\n  storage: 4 reads fell back on the upstream" in shown
        assert "\n  lone" not in shown
        assert re.search(r"storage\tengine\tengine", shown)

    def test_ends_with_1_when_the_database_cannot_be_reached(
        self, capsys: pytest.CaptureFixture[str], file: Path, upstream_url: str
    ) -> None:
        file.write_text(
            f"upstream: {{url: {upstream_url}}}\nengine: {{db-uri: postgresql://nobody@127.0.0.1:1/none}}\n",
            encoding="utf-8",
        )
        assert main(["check", "--config", str(file)]) == 1
        assert "database: NOT read" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("ledger", "code", "told"),
        [
            ("sqlite:///{folder}/new.db", 0, "there is no ledger at"),
            ("sqlite:///{folder}/none/new.db", 1, "ledger: NOT reached: there is no directory"),
            ("postgresql://nobody@127.0.0.1:1/none", 1, "ledger: NOT reached: "),
        ],
    )
    def test_says_whether_evidence_can_be_kept(
        self,
        capsys: pytest.CaptureFixture[str],
        engine_environment: None,
        file: Path,
        upstream_url: str,
        ledger: str,
        code: int,
        told: str,
    ) -> None:
        url = ledger.format(folder=file.parent)
        file.write_text(f"upstream: {{url: {upstream_url}}}\nledger: {url}\n", encoding="utf-8")
        assert main(["check", "--config", str(file)]) == code
        assert told in capsys.readouterr().out
        assert not file.parent.joinpath("new.db").exists()

    def test_ends_with_1_when_spans_are_wanted_that_cannot_be_had(
        self,
        capsys: pytest.CaptureFixture[str],
        engine_environment: None,
        file: Path,
        upstream_url: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        text = f"upstream: {{url: {upstream_url}}}\nlog: {{spans: true}}\n"
        file.write_text(text, encoding="utf-8")
        assert main(["check", "--config", str(file)]) == 0
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
        assert main(["check", "--config", str(file)]) == 1
        assert "spans: log.spans needs OpenTelemetry" in capsys.readouterr().out

    def test_ends_with_2_when_a_table_does_not_exist(
        self, capsys: pytest.CaptureFixture[str], engine_environment: None, file: Path, upstream_url: str
    ) -> None:
        file.write_text(
            f"upstream: {{url: {upstream_url}}}\ntables: {{strage: {{reads: shadow}}}}\n", encoding="utf-8"
        )
        assert main(["check", "--config", str(file)]) == 2
        shown = capsys.readouterr()
        assert f"{file}:2: tables.strage: " in shown.out + shown.err
        assert "did you mean storage" in shown.out + shown.err


def test_the_proxy_serves_until_sigterm_and_ends_with_0(
    tmp_path: Path, engine_settings: dict[str, str], upstream_url: str
) -> None:
    file = tmp_path / "understudy.yaml"
    file.write_text(f"{FREE_PORTS}upstream: {{url: {upstream_url}}}\n", encoding="utf-8")
    with (
        programs.serving(file, tmp_path, engine_settings) as running,
        requests.Session() as client,
    ):
        # The connection is still open, and idle, when the signal comes.
        answer = client.get(f"{running.url}/lone", timeout=TIMEOUT)
        assert answer.json() == [{"id": 1, "label": "only row"}]
        assert running.terminate() == 0
    assert "Traceback" not in running.log.read_text(encoding="utf-8")


class TestTheEngineAlone:
    COMMAND = (*programs.PROXY, "engine")

    def test_starts_from_variables_only_answers_and_ends_with_0(
        self, tmp_path: Path, engine_settings: dict[str, str]
    ) -> None:
        with (
            programs.postgrest(self.COMMAND, tmp_path, engine_settings) as running,
            requests.Session() as client,
        ):
            answer = client.get(f"{running.url}/lone?select=label", timeout=TIMEOUT)
            assert answer.json() == [{"label": "only row"}]
            answer = client.get(f"{running.url}/nothing", timeout=TIMEOUT)
            assert (answer.status_code, answer.json()["code"]) == (404, "PGRST205")
            assert client.get(f"{running.admin_url}/live", timeout=TIMEOUT).status_code == 200
            assert running.terminate() == 0

    def test_starts_from_a_postgrest_conf(self, tmp_path: Path, engine_settings: dict[str, str]) -> None:
        file = tmp_path / "postgrest.conf"
        lines = [
            f"{name.removeprefix('PGRST_').lower().replace('_', '-')} = {json.dumps(value)}"
            for name, value in engine_settings.items()
        ]
        file.write_text("\n".join(lines), encoding="utf-8")
        with programs.postgrest([*self.COMMAND, str(file)], tmp_path) as running:
            assert running.terminate() == 0

    def test_does_not_start_with_a_secret_that_is_too_short_nor_tells_it(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PGRST_JWT_SECRET", "too short")
        assert main(["engine"]) in (1, 2)
        told = capsys.readouterr().err
        assert told
        assert "too short" not in told


class TestTapes:
    def test_replay_against_the_stand_in_passes_with_0(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path, stand_in: Program
    ) -> None:
        report = tmp_path / "report.json"
        areas = ["--area", "filters", "--area", "order"]
        arguments = ["tape", "replay", TAPE, "--url", stand_in.url, *areas, "--report", str(report)]
        assert main([*arguments, "--concurrency", "4"]) == 0
        assert capsys.readouterr().err == ""
        assert json.loads(report.read_text(encoding="utf-8"))["failures"] == []

    def test_replay_against_another_server_finds_the_differences_and_ends_with_1(
        self, capsys: pytest.CaptureFixture[str], stand_in: Program
    ) -> None:
        url = f"{stand_in.url}/elsewhere"
        assert main(["tape", "replay", TAPE, "--url", url, "--id", "filters-00*"]) == 1
        assert "501" in capsys.readouterr().out

    def test_without_a_server_or_a_tape_it_ends_with_2(self, tmp_path: Path) -> None:
        assert main(["tape", "replay", TAPE]) == 2
        assert main(["tape", "replay", str(tmp_path), "--url", NOWHERE]) == 2
        assert main(["stand-in", "--tape", str(tmp_path)]) == 2

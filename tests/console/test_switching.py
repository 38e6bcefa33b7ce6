"""Promote and rollback from the command line."""

from pathlib import Path

import pytest

from proxy.cli import main

FILE = """\
# ours
upstream: {url: "http://postgrest:3000"}
tables:
  storage:   {reads: shadow}   # small
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "understudy.yaml"
    path.write_text(FILE)
    return path


def run(path: Path, *arguments: str) -> int:
    return main([*arguments, "--config", str(path)])


FORCE = ("--force", "--reason", "a demonstration")


def test_without_evidence_a_promotion_needs_force_and_a_reason(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(path, "promote", "storage") == 1
    told = capsys.readouterr().err.splitlines()
    assert told[-1] == "understudy promote: storage: nothing is known of its evidence"
    assert told[0] == "understudy promote: the ledger cannot be used: there is no ledger at understudy.db"
    assert run(path, "promote", "storage", "--force") == 2
    assert path.read_text() == FILE
    assert run(path, "promote", "storage", "--share", "2.5", *FORCE) == 0
    assert capsys.readouterr().out == "storage: shadow -> canary 2.5 %\n"
    assert path.read_text() == FILE.replace("{reads: shadow}", "{reads: canary, share: 2.5}")


def test_a_table_comes_to_the_engine_and_back(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(path, "promote", "storage", "--to", "engine", *FORCE) == 0
    assert run(path, "rollback", "storage") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "storage: engine, 5 % verified -> shadow"
    assert path.read_text() == FILE.replace("{reads: shadow}", "{reads: shadow, verify: 5}")


@pytest.mark.parametrize(
    "arguments",
    [
        ("promote", "storage", "--ramp", "10,5", *FORCE),
        ("promote", "storage", "--ramp", "1,10", "--share", "5", *FORCE),
    ],
)
def test_orders_that_make_no_sense_are_wrong_usage(path: Path, arguments: tuple[str, ...]) -> None:
    assert run(path, *arguments) == 2
    assert path.read_text() == FILE


def test_a_file_with_a_fault_is_told_and_left_alone(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_text(FILE + "nonsense: 1\n")
    assert run(path, "rollback", "storage") == 2
    assert "nonsense" in capsys.readouterr().err
    assert main(["rollback", "storage", "--config", str(path.with_name("missing.yaml"))]) == 2


def test_where_the_file_is_a_config_map_its_patch_is_printed(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = path.with_name("..2026_11_26")
    data.mkdir()
    path.rename(data / path.name)
    path.symlink_to(f"{data.name}/{path.name}")
    monkeypatch.setenv("UNDERSTUDY_CONFIGMAP", "understudy-config")
    assert run(path, "promote", "storage", *FORCE) == 1
    printed = capsys.readouterr().out
    assert "+  storage:   {reads: canary, share: 10}   # small" in printed
    assert "kubectl patch configmap understudy-config" in printed

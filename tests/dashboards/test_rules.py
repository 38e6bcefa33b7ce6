"""Rules and alerts: complete, documented, and seen to fire by promtool."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest

from tests.dashboards import ROOT, RULES, RULES_FILE
from tests.dashboards.expressions import list_expressions, load_rules
from tests.dashboards.metrics import named_records

TESTS = sorted((RULES / "tests").glob("*.yml"))
ALERTS = [rule for rule in load_rules() if "alert" in rule]
RECORDS = [rule["record"] for rule in load_rules() if "record" in rule]
RUNBOOK = "docs/runbook.md"


def promtool(arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Run promtool, or skip the test where it is absent."""
    binary = shutil.which("promtool")
    if binary is None:
        pytest.skip(
            "promtool is not installed: Debian's package prometheus has it, make dashboards installs it"
        )
    return subprocess.run([binary, *arguments], capture_output=True, text=True, check=False)


def test_promtool_finds_no_fault_in_the_rules() -> None:
    told = promtool(["check", "rules", "--lint=all", "--lint-fatal", str(RULES_FILE)])
    assert told.returncode == 0, told.stdout + told.stderr


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_promtool_sees_alerts_fire_when_they_should_and_only_then(file: Any) -> None:
    told = promtool(["test", "rules", str(file)])
    assert told.returncode == 0, told.stdout + told.stderr


def test_every_alert_is_seen_to_fire() -> None:
    text = "".join(file.read_text(encoding="utf-8") for file in TESTS)
    fired = set(re.findall(r'alertname="(\w+)"', text))
    assert fired == {rule["alert"] for rule in ALERTS}


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: str(rule["alert"]))
class TestEveryAlert:
    def test_says_how_grave_it_is_for_how_long_and_what_to_do(self, rule: dict[str, Any]) -> None:
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert re.fullmatch(r"\d+[mh]", rule["for"])
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
        assert all(text.strip() for text in rule["annotations"].values())

    def test_has_a_section_in_the_runbook_with_what_to_look_at_and_do(self, rule: dict[str, Any]) -> None:
        assert rule["annotations"]["runbook_url"] == f"{RUNBOOK}#{rule['alert'].lower()}"
        sections = (ROOT / RUNBOOK).read_text(encoding="utf-8").split("\n### ")
        (section,) = (text for text in sections if text.startswith(f"{rule['alert']}\n"))
        for part in ("**Means:**", "**Look at:**", "**Do:**"):
            assert part in section


def test_the_runbook_has_no_section_without_an_alert() -> None:
    headings = re.findall(r"^### (\w+)$", (ROOT / RUNBOOK).read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(headings) == sorted(rule["alert"] for rule in ALERTS)


def test_every_recording_rule_is_used() -> None:
    used = {name for one in list_expressions() for name in named_records(one.text)}
    assert set(RECORDS) == used


def test_recording_rules_are_named_by_level_metric_and_operation() -> None:
    for name in RECORDS:
        assert re.fullmatch(r"[a-z_]+:understudy_[a-z_]+(:[a-z0-9_]+)?", name), name

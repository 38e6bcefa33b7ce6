"""Every expression that somebody relies on: of panels, variables, annotations and rules."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from tests.dashboards import JSON, RULES_FILE

_LABEL_VALUES = re.compile(r"label_values\((?P<selector>.*), *(?P<label>\w+)\)")
_LIMIT = re.compile(r"\s(?:==|!=|>=|<=|>|<) *-?[\d.]+")
_ABSENT = re.compile(r"\babsent\(")


@dataclass(frozen=True, slots=True)
class Expression:
    """A PromQL expression, where it stands, whether it is drawn over time, and whether silence is good news.

    What is ``silent`` returns nothing while all is well.
    """

    where: str
    text: str
    over_time: bool = False
    silent: bool = False


def list_expressions() -> list[Expression]:
    """All of them, with Grafana's variables still in, and alerts with their limits."""
    return [*_of_dashboards(), *_of_rules()]


def load_dashboards() -> dict[str, dict[str, Any]]:
    """The committed dashboards, by the name of their file."""
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(JSON.glob("*.json"))}


def load_rules() -> list[dict[str, Any]]:
    """All recording rules and alerts."""
    groups = yaml.safe_load(RULES_FILE.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def without_limits(expression: str) -> str:
    """What an alert or annotation looks at: ``expression`` without the comparisons that keep it silent.

    One that is silent returns nothing; without its limits it has to return what it would judge. Joins
    stay, so that labels which do not fit are found.
    """
    return _ABSENT.sub("count(", _LIMIT.sub("", expression))


def fill_in(text: str, *, rate_interval: str, time_range: str) -> str:
    """``text`` as Grafana would send it with everything selected."""
    for name, value in (
        ("$__rate_interval", rate_interval),
        ("$__range", time_range),
        ("$job", ".+"),
        ("$instance", ".+"),
        ("$table", ".+"),
    ):
        text = text.replace(name, value)
    return text


def _of_dashboards() -> Iterator[Expression]:
    for name, dashboard in load_dashboards().items():
        for panel in dashboard["panels"]:
            for target in panel.get("targets", ()):
                where = f"{name}: {panel['title']} ({target['refId']})"
                yield Expression(where, target["expr"], over_time=target["range"])
        for variable in dashboard["templating"]["list"]:
            if found := _LABEL_VALUES.fullmatch(variable["query"]):
                text = f"count by ({found['label']}) ({found['selector']})"
                yield Expression(f"{name}: variable {variable['name']}", text)
        for annotation in dashboard["annotations"]["list"]:
            yield Expression(
                f"{name}: annotation {annotation['name']}", annotation["expr"], over_time=True, silent=True
            )


def _of_rules() -> Iterator[Expression]:
    for rule in load_rules():
        where = f"rule {rule.get('alert') or rule['record']}"
        yield Expression(where, rule["expr"], silent="alert" in rule)

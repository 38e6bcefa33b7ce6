"""``make dashboards``: play the stage, and see that every expression finds data.

Exit codes: 0 all do, 1 some do not, or a metric is wrong, 2 Prometheus is not there.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import requests
from rich.console import Console
from rich.table import Table

from dashboards.metrics import DEBUGGING
from tests.dashboards.expressions import Expression, fill_in, list_expressions, without_limits
from tests.dashboards.metrics import exported_metrics, find_faults, named_metrics
from tests.dashboards.prometheus import Prometheus
from tests.dashboards.stage import Stage, find_prometheus, set_stage, traffic

_RATE = 40
_RATE_INTERVAL, _RANGE = 8, 45
_STEP = 2
_SETTLE = 3.0
"""Seconds after which the last request is counted, compared and scraped."""

_ALERTS = {"UnderstudyConfigRefused", "UnderstudyMismatches", "UnderstudyUpstreamFailing"}
"""What the play has to set off, firing or about to."""


def main() -> int:
    """Play, ask, print; gives the exit code."""
    console = Console(highlight=False)
    console.width = max(console.width, 120)
    binary = find_prometheus()
    if binary is None:
        console.print("Prometheus is not installed: Debian's package `prometheus` has it.")
        return 2
    with tempfile.TemporaryDirectory(prefix="understudy-dashboards-") as name, ExitStack() as stack:
        directory = Path(name)
        with console.status("starting PostgreSQL, upstream, proxy and Prometheus"):
            stage = stack.enter_context(set_stage(binary, directory))
        with console.status(f"{_RANGE} seconds of traffic"):
            _play(stage, directory)
        faults = _find_untruths(stage)
        page = requests.get(f"{stage.proxy.admin_url}/metrics", timeout=10).text
        return _report(stage.prometheus, page, faults, console)


def _play(stage: Stage, directory: Path) -> None:
    """Everything that the dashboards tell of: modes, a switch, a refusal, an upstream that is gone."""
    first = stage.configuration.read_text(encoding="utf-8")
    with traffic(stage.proxy.url, directory, _RATE):
        time.sleep(20)
        stage.configure(first.replace("tables:", "tables:\n  part: {reads: engine}"))
        time.sleep(5)
        stage.configure(first.replace("shadow", "sometimes"))
        time.sleep(5)
        stage.configure(first)
        time.sleep(5)
        stage.upstream.terminate()
        time.sleep(8)


def _find_untruths(stage: Stage) -> list[str]:
    """Where Prometheus tells something else than the proxy does, and which alerts should have been seen."""
    time.sleep(_SETTLE)
    tally = requests.get(f"{stage.proxy.admin_url}/status", timeout=10).json()["tally"]
    told = {
        'sum(understudy_requests_total{method=~"GET|HEAD"})': sum(row["reads"] for row in tally),
        "sum(understudy_rehearsals_total)": sum(sum(row["rehearsals"].values()) for row in tally),
        "sum(understudy_verdicts_total)": sum(sum(row["verdicts"].values()) for row in tally),
        'sum(understudy_verdicts_total{verdict="mismatch"})': sum(
            row["verdicts"]["mismatch"] for row in tally
        ),
    }
    found = {expression: stage.prometheus.value(expression) for expression in told}
    faults = [
        f"{expression} is {found[expression]:g} to Prometheus and {count} to the proxy"
        for expression, count in told.items()
        if not found[expression] == count > 0
    ]
    if not stage.prometheus.value("max(understudy_mode_change_timestamp_seconds)"):
        faults.append("no change of modes was seen")
    alerts = stage.prometheus.labels_over("alertname", "ALERTS", _RANGE, _STEP)
    return faults + [f"{name} was not seen" for name in sorted(_ALERTS - alerts)]


def _report(prometheus: Prometheus, page: str, faults: list[str], console: Console) -> int:
    expressions = list_expressions()
    asked = [(one, _ask(prometheus, one)) for one in expressions]
    faults += [
        f"{one.where}: {found or 'no data'}"
        for one, found in asked
        if not isinstance(found, int) or not found
    ]
    named = {name for one in expressions for name in named_metrics(one.text)}
    faults += find_faults(named, page, DEBUGGING)
    table = Table(title="expressions asked")
    for title in ("where", "expressions", "with data", "series"):
        table.add_column(title, justify="left" if title == "where" else "right")
    for place in dict.fromkeys(one.where.partition(":")[0].partition(" ")[0] for one in expressions):
        mine = [found for one, found in asked if one.where.startswith(place)]
        counts = [found for found in mine if isinstance(found, int) and found]
        table.add_row(place, *map(str, (len(mine), len(counts), sum(counts))))
    console.print(table)
    for fault in faults:
        console.print(f"[red]{fault}[/red]")
    exported = len(exported_metrics(page))
    console.print(f"{exported} metrics exported, {len(faults)} faults")
    console.print(f"{len(asked) - _count_without(asked)} passed, {len(faults)} failed")
    return 1 if faults else 0


def _count_without(asked: Sequence[tuple[Expression, int | str]]) -> int:
    return sum(not isinstance(found, int) or not found for _, found in asked)


def _ask(prometheus: Prometheus, expression: Expression) -> int | str:
    """How many series an expression has, or what Prometheus says is wrong with it."""
    text = fill_in(expression.text, rate_interval=f"{_RATE_INTERVAL}s", time_range=f"{_RANGE}s")
    if expression.silent:
        text = without_limits(text)
    try:
        if expression.over_time:
            return prometheus.ask_over(text, _RANGE, _STEP)
        return prometheus.ask(text)
    except ValueError as error:
        return str(error)


if __name__ == "__main__":
    sys.exit(main())

"""What came of a replay: figures per area and every failure, for people and for programs."""

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from proxy.messages import Answer
from proxy.tape.format import RecordedExchange


@dataclass(frozen=True, slots=True)
class Outcome:
    """One replayed exchange: the answer received, if any, and why it fails; ``failure`` None is a pass."""

    exchange: RecordedExchange
    answer: Answer | None
    failure: str | None

    @property
    def identical(self) -> bool:
        """Whether the body is the recorded one byte for byte: information, not a criterion."""
        return self.answer is not None and self.answer.body == self.exchange.answer.body


@dataclass(frozen=True, slots=True)
class AreaCount:
    """How many exchanges of one area passed, of how many."""

    area: str
    passed: int
    total: int


@dataclass(frozen=True, slots=True)
class Report:
    """All outcomes, in the order of the tape."""

    outcomes: tuple[Outcome, ...]

    @property
    def total(self) -> int:
        return len(self.outcomes)

    @property
    def failures(self) -> tuple[Outcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.failure is not None)

    @property
    def passed(self) -> int:
        return self.total - len(self.failures)

    @property
    def identical(self) -> int:
        """How many bodies were the recorded ones byte for byte."""
        return sum(outcome.identical for outcome in self.outcomes)

    @property
    def areas(self) -> tuple[AreaCount, ...]:
        """The figures per area, in the order in which areas first occur."""
        total = Counter(outcome.exchange.area for outcome in self.outcomes)
        failed = Counter(outcome.exchange.area for outcome in self.failures)
        return tuple(AreaCount(area, count - failed[area], count) for area, count in total.items())


def to_document(report: Report) -> dict[str, Any]:
    """The report as JSON values: figures per area, and every failure with both answers."""
    return {
        "passed": report.passed,
        "total": report.total,
        "byte_identical": report.identical,
        "areas": {area.area: {"passed": area.passed, "total": area.total} for area in report.areas},
        "failures": [_failure_document(outcome) for outcome in report.failures],
    }


def print_report(report: Report, console: Console, show: int) -> None:
    """Print at most ``show`` failures and the table of areas; without colours and frames when piped."""
    for outcome in report.failures[:show]:
        exchange = outcome.exchange
        line = f"{exchange.request.method} {exchange.request.target.decode('utf-8', 'replace')[:160]}"
        console.print(f"[red]FAIL[/] {escape(exchange.id)}  {escape(line)}", soft_wrap=True, highlight=False)
        console.print(f"     {escape(outcome.failure or '')}", soft_wrap=True, highlight=False)
    hidden = len(report.failures) - min(show, len(report.failures))
    if hidden:
        console.print(f"… and {hidden} more failures")
    if console.is_terminal:
        console.print(_table(report.areas, report))
    else:
        _print_plainly(report, console)
    console.print(f"bodies byte-identical: {report.identical} of {report.total}", highlight=False)


def _table(areas: Sequence[AreaCount], report: Report) -> Table:
    table = Table(show_footer=True)
    table.add_column("area", "total")
    table.add_column("passed", str(report.passed), justify="right")
    table.add_column("of", str(report.total), justify="right")
    table.add_column("", _percentage(report.passed, report.total), justify="right")
    for area in areas:
        style = "green" if area.passed == area.total else "red"
        figures = (str(area.passed), str(area.total), _percentage(area.passed, area.total))
        table.add_row(escape(area.area), *figures, style=style)
    return table


def _print_plainly(report: Report, console: Console) -> None:
    for area in (*report.areas, AreaCount("total", report.passed, report.total)):
        percentage = _percentage(area.passed, area.total)
        line = f"{area.area:32} {area.passed:6} {area.total:6} {percentage:>8}"
        console.print(escape(line), soft_wrap=True, highlight=False)


def _percentage(passed: int, total: int) -> str:
    return f"{100 * passed / total:.1f} %" if total else "-"


def _failure_document(outcome: Outcome) -> dict[str, Any]:
    exchange = outcome.exchange
    return {
        "id": exchange.id,
        "area": exchange.area,
        "method": exchange.request.method,
        "path": exchange.request.target.decode("utf-8", "replace"),
        "note": exchange.note,
        "difference": outcome.failure,
        "expected": _answer_document(exchange.answer),
        "actual": None if outcome.answer is None else _answer_document(outcome.answer),
    }


def _answer_document(answer: Answer) -> dict[str, Any]:
    try:
        body: Any = answer.body.decode("utf-8")
    except UnicodeDecodeError:
        body = {"base64": base64.b64encode(answer.body).decode("ascii")}
    headers = [[name.decode("latin-1"), value.decode("utf-8", "replace")] for name, value in answer.headers]
    return {"status": answer.status, "headers": headers, "body": body}

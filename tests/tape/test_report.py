"""The report of a replay, for programs, for terminals and for pipes."""

import io

from rich.console import Console

from proxy.messages import Answer
from proxy.tape.format import RecordedExchange, RecordedRequest
from proxy.tape.report import AreaCount, Outcome, Report, print_report, to_document


def outcome(name: str, area: str, body: bytes | None, failure: str | None = None) -> Outcome:
    recorded = Answer(200, ((b"X-A", b"\xff"),), b"[1]")
    exchange = RecordedExchange(name, area, "default", RecordedRequest("GET", "/[ü]".encode()), recorded)
    return Outcome(exchange, None if body is None else Answer(500, (), body), failure)


REPORT = Report(
    (
        outcome("b-1", "b", b"[1]"),
        outcome("a-1", "a", b"[ 1]"),
        outcome("b-2", "b", b"\xff", "status [200] expected"),
        outcome("b-3", "b", None, "no answer"),
    )
)


def printed(report: Report, show: int, terminal: bool) -> str:
    out = io.StringIO()
    print_report(report, Console(file=out, force_terminal=terminal, width=100, color_system=None), show)
    return out.getvalue()


def test_figures_are_kept_per_area_in_the_order_of_the_tape() -> None:
    assert REPORT.areas == (AreaCount("b", 1, 3), AreaCount("a", 1, 1))
    assert (REPORT.passed, REPORT.total, REPORT.identical) == (2, 4, 1)
    assert [failure.exchange.id for failure in REPORT.failures] == ["b-2", "b-3"]


def test_the_document_holds_the_figures_and_every_failure_with_both_answers() -> None:
    document = to_document(REPORT)
    assert document["areas"] == {"b": {"passed": 1, "total": 3}, "a": {"passed": 1, "total": 1}}
    assert (document["passed"], document["total"], document["byte_identical"]) == (2, 4, 1)
    first, second = document["failures"]
    assert (first["id"], first["path"], first["difference"]) == ("b-2", "/[ü]", "status [200] expected")
    assert first["expected"] == {"status": 200, "headers": [["X-A", "\ufffd"]], "body": "[1]"}
    assert first["actual"] == {"status": 500, "headers": [], "body": {"base64": "/w=="}}
    assert second["actual"] is None


def test_into_a_pipe_it_is_plain_lines() -> None:
    assert printed(REPORT, 1, terminal=False).splitlines() == [
        "FAIL b-2  GET /[ü]",
        "     status [200] expected",
        "… and 1 more failures",
        "b                                     1      3   33.3 %",
        "a                                     1      1  100.0 %",
        "total                                 2      4   50.0 %",
        "bodies byte-identical: 1 of 4",
    ]


def test_on_a_terminal_it_is_a_table() -> None:
    lines = printed(REPORT, 0, terminal=True)
    assert "… and 2 more failures" in lines
    assert "┃ area" in lines
    assert "50.0 %" in lines

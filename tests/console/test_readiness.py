"""What operators read of readiness: as a table, as lines, as JSON."""

import io
import json
from dataclasses import replace

from rich.console import Console

from proxy.config import ReadinessConfig
from proxy.console.readiness import print_details, print_overview, render_json
from proxy.shadow.readiness import Readiness, TableEvidence, VoidEvidence
from tests.shadow.test_readiness import READY, judge, shape

LIMITS = ReadinessConfig()
JUDGEMENTS = [
    judge(READY),
    judge(replace(READY, table="storage", shapes=(shape("GET storage", match=1160),), open_signatures=3)),
    judge(TableEvidence("location")),
]


def printed(print_it: object, *arguments: object, terminal: bool = False) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, color_system=None, width=200, highlight=False)
    print_it(*arguments, console)  # type: ignore[operator]
    return out.getvalue()


def test_piped_the_overview_is_lines_with_tabs() -> None:
    lines = printed(print_overview, JUDGEMENTS).splitlines()
    assert [line.split("\t")[:3] for line in lines] == [
        ["table", "verdict", "missing"],
        ["data_item", "ready", "-"],
        ["storage", "not ready", "3 open mismatch signatures (and 2 more)"],
        ["location", "insufficient evidence", "another ~3,500 matched reads (and 2 more)"],
    ]
    assert lines[1].split("\t")[3:] == ["5000", "0", "0.00068", "2", "0.0006", "1.00"]


def test_on_a_terminal_the_overview_is_a_table() -> None:
    text = printed(print_overview, JUDGEMENTS, terminal=True)
    assert "readiness" in text
    assert "3 open mismatch signatures (and 2 more)" in text


def detailed(readiness: Readiness) -> str:
    return printed(lambda console: print_details(readiness, LIMITS, console))


def test_the_details_say_everything_that_is_missing_and_every_figure() -> None:
    text = detailed(JUDGEMENTS[1])
    assert text.startswith(
        "storage: not ready\n"
        "  against it: 3 open mismatch signatures\n"
        "  missing: another ~2,300 matched reads\n"
    )
    assert "compared: 1,160 reads, 0 mismatches\n" in text
    assert "counted: 1,160 of these, that repeat none of shortly before; the rate of mismatches" in text
    assert "is below 0.0029 at a confidence of 0.95 (limit 0.001)" in text
    assert "latency, engine by upstream: 1.00, from 0.99 to 1.01 (limit 1.2)" in text


def test_void_evidence_is_shown() -> None:
    text = detailed(judge(replace(READY, void=VoidEvidence(12_400, ("schema", "upstream")))))
    assert "void: 12,400 reads from before a change of schema, upstream" in text


def test_json_has_the_limits_the_figures_and_the_words() -> None:
    document = json.loads(render_json(JUDGEMENTS, LIMITS))
    assert document["limits"]["max_mismatch_rate"] == 0.001
    storage = document["tables"][1]
    assert storage["verdict"] == "not ready"
    assert storage["missing"][0] == {
        "reason": "signatures",
        "words": "3 open mismatch signatures",
        "against": True,
    }
    assert (storage["agreed"], storage["reads_needed"], storage["unseen"]["estimate"]) == (1160, 2242, 0.0)

"""*Mismatches*: where and how the two sides disagree, and how much is compared at all."""

from grafana_foundation_sdk.models import dashboard

from dashboards.cutover import COMPARED
from dashboards.style import (
    GREEN,
    OF_TABLE,
    ORANGE,
    RED,
    SELECTED,
    YELLOW,
    Column,
    Query,
    Row,
    grid,
    make_dashboard,
    number,
    series,
)

VERDICTS = (
    *("match", "equivalent", "indeterminate", "mismatch", "race"),
    *("inconclusive", "volatile", "unsupported", "failed"),
)
BAD = {"mismatch": RED, "unsupported": ORANGE, "failed": ORANGE, "inconclusive": YELLOW, "volatile": YELLOW}


def make() -> dashboard.Dashboard:
    """The dashboard, to be written as JSON."""
    return make_dashboard(
        "mismatches",
        "Mismatches",
        "Where and how engine and upstream disagree, and how much is compared. A single mismatch is looked "
        "at "
        "with `understudy mismatches` or in the console.",
        [_now(), _by_table(), _over_time(), _coverage(), _writes(), _rules()],
    )


def _verdicts(verdict: str) -> str:
    return f'increase(understudy_verdicts_total{{{OF_TABLE},verdict=~"{verdict}"}}[$__range])'


def _now() -> Row:
    return Row(
        "Now",
        (
            number(
                "Mismatches",
                "Reads on which the two sides disagreed, in the time range.",
                "short",
                f"sum({_verdicts('mismatch')})",
                steps=((None, GREEN), (0.5, RED)),
            ),
            number(
                "Of the reads compared",
                "Mismatches among all reads of which it is known whether both sides agree.",
                "percentunit",
                f"sum({_verdicts('mismatch')}) / sum(increase(understudy_verdicts_total"
                f"{{{OF_TABLE},{COMPARED}}}[$__range]))",
                steps=((None, GREEN), (0.0001, YELLOW), (0.001, RED)),
            ),
            number(
                "No evidence",
                "Compared, but nothing follows: races with writes, no quiet moment for a proof, values that "
                "change "
                "with every call, an order that the request leaves open.",
                "percentunit",
                f"sum({_verdicts('race|inconclusive|volatile|indeterminate')}) / sum({_verdicts('.+')})",
                steps=((None, GREEN), (0.1, YELLOW), (0.5, RED)),
            ),
            number(
                "Unsupported or failed",
                "Reads that the engine says it cannot answer, erred on, or took too long for.",
                "percentunit",
                f"sum({_verdicts('unsupported|failed')}) / sum({_verdicts('.+')})",
                steps=((None, GREEN), (0.001, YELLOW), (0.01, RED)),
            ),
            number(
                "Reads mirrored",
                "Share of reads that were compared in the end; the rest was skipped or shed, each with a "
                "reason.",
                "percentunit",
                f"sum({_verdicts('.+')}) / sum(increase(understudy_requests_total"
                f'{{{OF_TABLE},method=~"GET|HEAD"}}[$__range]))',
            ),
            number(
                "Falsified and not found",
                "Answers that were falsified on purpose, to check the checker, and passed. There must be "
                "none.",
                "short",
                f"sum(increase(understudy_selftest_injected_total{{{SELECTED}}}[$__range]))"
                f" - sum(increase(understudy_selftest_detected_total{{{SELECTED}}}[$__range]))",
                steps=((None, GREEN), (0.5, RED)),
            ),
        ),
    )


def _by_table() -> Row:
    columns = [
        Column(
            verdict,
            f"sum by (table) ({_verdicts(verdict)})",
            steps=((None, GREEN), (0.5, BAD[verdict])) if verdict in BAD else (),
            decimals=0,
        )
        for verdict in VERDICTS
    ]
    columns.append(
        Column(
            "last 5 minutes",
            f'sum by (table) (increase(understudy_verdicts_total{{{OF_TABLE},verdict="mismatch"}}[5m]))',
            steps=((None, GREEN), (0.5, RED)),
            decimals=0,
        )
    )
    return Row(
        "By table",
        (
            grid(
                "Verdicts",
                "What became of every table's mirrored reads in the time range; README.md says what each "
                "verdict "
                "means. The last column has the mismatches of the last five minutes: whether there still are "
                "some.",
                "table",
                columns,
                height=10,
            ),
        ),
    )


def _over_time() -> Row:
    return Row(
        "Over time",
        (
            series(
                "Mismatches, by table",
                "The ten tables with most of them.",
                "reqps",
                Query(
                    "topk(10, sum by (table) (rate("
                    f'understudy_verdicts_total{{{OF_TABLE},verdict="mismatch"}}[$__rate_interval])))',
                    "{{table}}",
                ),
            ),
            series(
                "Mismatches, by what differs",
                "Status, headers, body or order of rows; one that differs in two counts in both.",
                "reqps",
                Query(
                    f"sum by (aspect) (rate(understudy_mismatches_total{{{OF_TABLE}}}[$__rate_interval]))",
                    "{{aspect}}",
                ),
            ),
            series(
                "Verdicts",
                "All that was mirrored, by what became of it.",
                "reqps",
                Query(
                    f"sum by (verdict) (rate(understudy_verdicts_total{{{OF_TABLE}}}[$__rate_interval]))",
                    "{{verdict}}",
                ),
                stacked=True,
            ),
        ),
    )


def _coverage() -> Row:
    return Row(
        "What is not compared",
        (
            series(
                "Skipped, by reason",
                "Requests that were never to be compared: the table's mode, its sample, writes, an answer "
                "that is too large.",
                "reqps",
                Query(
                    f"sum by (reason) (rate(understudy_skipped_total{{{OF_TABLE}}}[$__rate_interval]))",
                    "{{reason}}",
                ),
                stacked=True,
            ),
            series(
                "Shed, by reason",
                "Reads that were to be compared and did not fit. Clients lose nothing by it, evidence does.",
                "reqps",
                Query(
                    f"sum by (reason) (rate(understudy_shed_total{{{OF_TABLE}}}[$__rate_interval]))",
                    "{{reason}}",
                ),
                stacked=True,
            ),
            series(
                "Unsupported or failed, by table",
                "What the engine cannot answer yet: as long as there is some, a promoted table falls back.",
                "reqps",
                Query(
                    "topk(10, sum by (table) (rate(understudy_verdicts_total"
                    f'{{{OF_TABLE},verdict=~"unsupported|failed"}}[$__rate_interval])))',
                    "{{table}}",
                ),
            ),
        ),
    )


def _writes() -> Row:
    return Row(
        "Writes",
        (
            series(
                "Rehearsals, by table, that disagree",
                "Writes whose rehearsal gave another answer than the upstream, or none.",
                "reqps",
                Query(
                    "topk(10, sum by (table) (rate(understudy_rehearsals_total"
                    f'{{{OF_TABLE},verdict=~"mismatch|unsupported|failed"}}[$__rate_interval])))',
                    "{{table}}",
                ),
            ),
            series(
                "Not rehearsed, by reason",
                "Writes that were to be rehearsed and were not, or whose rehearsal has nothing to be "
                "compared with.",
                "reqps",
                Query(
                    f"sum by (reason) (rate(understudy_unrehearsed_total{{{OF_TABLE}}}[$__rate_interval]))",
                    "{{reason}}",
                ),
            ),
            number(
                "Tables that must not be rehearsed",
                "A rollback would not undo what their triggers or functions do; `understudy check` names it.",
                "short",
                f"sum(max by (table) (understudy_rehearsal_refused{{{OF_TABLE}}}))",
                steps=((None, GREEN), (0.5, YELLOW)),
            ),
            number(
                "Writes of unknown outcome",
                "The side that was to do the write gave no answer, and it was not repeated. Look at the "
                "data.",
                "short",
                f"sum(increase(understudy_unknown_outcomes_total{{{OF_TABLE}}}[$__range]))",
                steps=((None, GREEN), (0.5, RED)),
            ),
        ),
    )


def _rules() -> Row:
    return Row(
        "What is not looked at",
        (
            series(
                "Ignored differences, by rule",
                "Comparisons in which a rule under `compare` hid a difference. One that never hits is to go.",
                "reqps",
                Query(
                    "sum by (rule) "
                    f"(rate(understudy_ignore_rule_hits_total{{{SELECTED}}}[$__rate_interval]))",
                    "{{rule}}",
                ),
                width=12,
            ),
            series(
                "Falsified on purpose, and found",
                "The checker is checked: both lines must lie on each other.",
                "reqps",
                Query(
                    f"sum(rate(understudy_selftest_injected_total{{{SELECTED}}}[$__rate_interval]))",
                    "falsified",
                ),
                Query(
                    f"sum(rate(understudy_selftest_detected_total{{{SELECTED}}}[$__rate_interval]))", "found"
                ),
                width=12,
            ),
        ),
    )

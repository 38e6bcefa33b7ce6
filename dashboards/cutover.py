"""*Cutover*: which tables may be promoted, which are, and who answers clients."""

from grafana_foundation_sdk.models import dashboard

from dashboards.style import (
    GREEN,
    MODES,
    OF_TABLE,
    ORANGE,
    RED,
    YELLOW,
    Column,
    Query,
    Row,
    grid,
    make_dashboard,
    modes,
    number,
    series,
)

COMPARED = 'verdict=~"match|equivalent|mismatch"'
"""Verdicts that say whether the two sides agree; the others are no evidence."""


def make() -> dashboard.Dashboard:
    """The dashboard, to be written as JSON."""
    return make_dashboard(
        "cutover",
        "Cutover",
        "Which tables may be promoted, which are, and who answers clients. The runbook is docs/runbook.md.",
        [_now(), _go_or_no_go(), _who_answers(), _history()],
    )


def _in_mode(operation: str, label: str) -> str:
    """The mode in force of every table, as the label ``label``."""
    selected = f'understudy_table_mode{{{OF_TABLE},operation="{operation}"}} == 1'
    return f'max by (table, {label}) (label_replace({selected}, "{label}", "$1", "mode", "(.*)"))'


def _now() -> Row:
    answered = f"understudy_requests_total{{{OF_TABLE}"
    return Row(
        "Now",
        (
            number(
                "Tables on the engine",
                "Tables whose reads the engine answers. `other` and tables without a rule count by their "
                "default.",
                "short",
                f'count(max by (table) (understudy_table_mode{{{OF_TABLE},operation="reads",mode="engine"}}) '
                "== 1)"
                " or vector(0)",
            ),
            number(
                "Tables in all",
                "Tables, views and functions that the schema cache knows, up to 200, and `other`.",
                "short",
                f"count(count by (table) (understudy_table_mode{{{OF_TABLE}}}))",
            ),
            number(
                "Answered by the engine",
                "Share of all requests that the engine answered, writes too. 100 %: PostgREST is not needed.",
                "percentunit",
                f'sum(increase({answered},answered_by="engine"}}[$__range]))'
                f" / sum(increase({answered}}}[$__range]))",
            ),
            number(
                "Reads compared",
                "Mirrored reads of which it is known whether both sides agree, in the time range.",
                "short",
                f"sum(increase(understudy_verdicts_total{{{OF_TABLE},{COMPARED}}}[$__range]))",
            ),
            number(
                "Mismatches",
                "Reads on which the two sides disagreed, in the time range. Any is one to look at.",
                "short",
                f'sum(increase(understudy_verdicts_total{{{OF_TABLE},verdict="mismatch"}}[$__range]))',
                steps=((None, GREEN), (0.5, RED)),
            ),
            number(
                "Rollbacks",
                "Tables that the guard put back to `shadow`, in the time range. They stay there until "
                "re-armed.",
                "short",
                f"sum(increase(understudy_rollbacks_total{{{OF_TABLE}}}[$__range]))",
                steps=((None, GREEN), (0.5, RED)),
            ),
        ),
    )


def _go_or_no_go() -> Row:
    increase = f"increase(understudy_verdicts_total{{{OF_TABLE}"
    requests = f"increase(understudy_requests_total{{{OF_TABLE}"
    columns = (
        Column("Reads", _in_mode("reads", "reads"), label="reads", colors=MODES),
        Column("Writes", _in_mode("writes", "writes"), label="writes", colors={**MODES, "rehearse": YELLOW}),
        Column(
            "Readiness",
            "max by (table, readiness) (label_replace("
            f'understudy_readiness{{{OF_TABLE}}} == 1, "readiness", "$1", "verdict", "(.*)"))',
            label="readiness",
            colors={"ready": GREEN, "insufficient evidence": YELLOW, "not ready": RED},
        ),
        Column(
            "Held",
            f"max by (table) (understudy_table_held{{{OF_TABLE}}})",
            colors={"0": GREEN, "1": RED},
            names={"0": "no", "1": "held"},
        ),
        Column("Compared", f"sum by (table) ({increase},{COMPARED}}}[$__range]))", decimals=0),
        Column(
            "Mismatches",
            f'sum by (table) ({increase},verdict="mismatch"}}[$__range]))',
            steps=((None, GREEN), (0.5, RED)),
            decimals=0,
        ),
        Column(
            "Mismatch rate, at most",
            f"max by (table) (understudy_mismatch_bound_ratio{{{OF_TABLE}}})",
            unit="percentunit",
            steps=((None, GREEN), (0.001, YELLOW), (0.01, RED)),
        ),
        Column(
            "Unseen shapes",
            f"max by (table) (understudy_unseen_shapes_ratio{{{OF_TABLE}}})",
            unit="percentunit",
            steps=((None, GREEN), (0.001, YELLOW), (0.01, RED)),
        ),
        Column(
            "Engine / upstream",
            "histogram_quantile(0.5, sum by (table, le) "
            f"(increase(understudy_latency_ratio_bucket{{{OF_TABLE}}}[$__range])))",
            steps=((None, GREEN), (1.2, YELLOW), (2, RED)),
            decimals=2,
        ),
        Column(
            "Unsupported, failed",
            f'sum by (table) ({increase},verdict=~"unsupported|failed"}}[$__range]))',
            steps=((None, GREEN), (0.5, ORANGE)),
            decimals=0,
        ),
        Column(
            "By the engine",
            f'sum by (table) ({requests},answered_by="engine"}}[$__range]))'
            f" / (sum by (table) ({requests}}}[$__range])) > 0)",
            unit="percentunit",
        ),
        Column(
            "Fell back",
            f"sum by (table) (increase(understudy_fallbacks_total{{{OF_TABLE}}}[$__range]))",
            steps=((None, GREEN), (0.5, ORANGE)),
            decimals=0,
        ),
    )
    return Row(
        "Go or no-go",
        (
            grid(
                "What each table does, and what is known of it",
                "Modes in force, and the evidence of the time range. A table may be promoted when Readiness "
                "says "
                "`ready` and nobody holds it; otherwise the coloured columns say what blocks it: mismatches, "
                "a bound on their "
                "rate that "
                "is too high, too many shapes never seen, an engine that is too slow.",
                "table",
                columns,
                height=11,
            ),
        ),
    )


def _who_answers() -> Row:
    requests = f"rate(understudy_requests_total{{{OF_TABLE}"
    return Row(
        "Who answers",
        (
            series(
                "Requests, by who answers",
                "`proxy` are answers of its own: refusals, and errors when the upstream cannot be reached.",
                "reqps",
                Query(f"sum by (answered_by) ({requests}}}[$__rate_interval]))", "{{answered_by}}"),
                stacked=True,
            ),
            series(
                "Share of the engine, by table",
                "What the engine answers of a table's requests. A table on the engine stays below 100 % "
                "while its "
                "writes are the upstream's, and where it falls back.",
                "percentunit",
                Query(
                    f'sum by (table) ({requests},answered_by="engine"}}[$__rate_interval]))'
                    f" / (sum by (table) ({requests}}}[$__rate_interval])) > 0)",
                    "{{table}}",
                ),
                most=1,
            ),
            series(
                "Still answered by PostgREST",
                "What has to come down to nothing before PostgREST can be switched off: the ten busiest "
                "tables.",
                "reqps",
                Query(
                    f'topk(10, sum by (table) ({requests},answered_by="upstream"}}[$__rate_interval])))',
                    "{{table}}",
                ),
                stacked=True,
            ),
            series(
                "Fell back to the upstream, by reason",
                "Requests that the engine was to answer and could not; clients got the upstream's answer.",
                "reqps",
                Query(
                    f"sum by (reason) (rate(understudy_fallbacks_total{{{OF_TABLE}}}[$__rate_interval]))",
                    "{{reason}}",
                ),
            ),
            series(
                "Rehearsed writes, by verdict",
                "Writes that the engine did and undid before the upstream did them for real.",
                "reqps",
                Query(
                    f"sum by (verdict) (rate(understudy_rehearsals_total{{{OF_TABLE}}}[$__rate_interval]))",
                    "{{verdict}}",
                ),
            ),
            series(
                "Share that the configuration gives to the engine",
                "What each table's mode says: 0 in `upstream` and `shadow`, 1 in `engine`.",
                "percentunit",
                Query(f"max by (table) (understudy_engine_share_ratio{{{OF_TABLE}}})", "{{table}}"),
                most=1,
            ),
        ),
    )


def _history() -> Row:
    places = " or ".join(
        f'{place} * understudy_table_mode{{{OF_TABLE},operation="reads",mode="{mode}"}}'
        for place, mode in enumerate(MODES)
        if place
    )
    return Row(
        "History",
        (
            modes(
                "Modes of reads over time",
                "One line for each table, of the replica that is furthest ahead. Mode changes and rollbacks "
                "are "
                "marked on every graph, too.",
                Query(f"sum by (table) (max by (table, mode) ({places}))", "{{table}}"),
            ),
        ),
    )

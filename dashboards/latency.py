"""*Latency*: what clients feel, what each side takes, and what the proxy adds."""

from grafana_foundation_sdk.models import dashboard

from dashboards.style import (
    GREEN,
    OF_TABLE,
    RED,
    SELECTED,
    YELLOW,
    Column,
    Query,
    Row,
    grid,
    heat,
    make_dashboard,
    series,
)

QUANTILES = ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
RATIO_STEPS = ((None, GREEN), (1.2, YELLOW), (2.0, RED))


def make() -> dashboard.Dashboard:
    """The dashboard, to be written as JSON."""
    return make_dashboard(
        "latency",
        "Latency",
        "What clients feel, what either side takes for it, and what the proxy adds.",
        [_clients(), _sides(), _tables(), _database()],
    )


def quantile(share: float, metric: str, selected: str, by: str = "", window: str = "$__rate_interval") -> str:
    """The quantile ``share`` of a histogram, by the labels ``by``."""
    labels = ", ".join([*filter(None, [by]), "le"])
    return f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket{{{selected}}}[{window}])))"


def _clients() -> Row:
    return Row(
        "What clients feel",
        (
            series(
                "Requests that the upstream answered",
                "From the request to the end of the answer, as the client saw it.",
                "s",
                *(
                    Query(
                        quantile(
                            share,
                            "understudy_request_duration_seconds",
                            f'{OF_TABLE},answered_by="upstream"',
                        ),
                        name,
                    )
                    for share, name in QUANTILES
                ),
            ),
            series(
                "Requests that the engine answered",
                "From the request to the end of the answer, as the client saw it.",
                "s",
                *(
                    Query(
                        quantile(
                            share, "understudy_request_duration_seconds", f'{OF_TABLE},answered_by="engine"'
                        ),
                        name,
                    )
                    for share, name in QUANTILES
                ),
            ),
            series(
                "What the proxy adds",
                "Time of a request that was spent in the proxy itself, not waiting for a side or for the "
                "client.",
                "s",
                *(
                    Query(quantile(share, "understudy_overhead_seconds", SELECTED), name)
                    for share, name in QUANTILES
                ),
                steps=((None, GREEN), (0.01, RED)),
            ),
        ),
    )


def _sides() -> Row:
    return Row(
        "Both sides",
        (
            series(
                "Time of each side",
                "For clients and for the mirror together. The mirror's reads follow the upstream's, and so "
                "find "
                "the database's caches warm: the paired ratio below has the same bias.",
                "s",
                *(
                    Query(
                        quantile(share, "understudy_side_duration_seconds", OF_TABLE, "side"),
                        f"{{{{side}}}} {name}",
                    )
                    for share, name in QUANTILES[:2]
                ),
            ),
            series(
                "Engine / upstream, read by read",
                "Each mirrored read's own ratio: below 1 the engine is faster. Readiness wants the median "
                "below "
                "`readiness.max_latency_ratio`.",
                "short",
                Query(quantile(0.5, "understudy_latency_ratio", OF_TABLE), "p50"),
                Query(quantile(0.9, "understudy_latency_ratio", OF_TABLE), "p90"),
                steps=RATIO_STEPS,
            ),
            heat(
                "How the ratio is spread",
                "Each column is the ratios of one moment. A second band is a second kind of request.",
                "short",
                f"sum by (le) (increase(understudy_latency_ratio_bucket{{{OF_TABLE}}}[$__rate_interval]))",
                width=8,
            ),
        ),
    )


def _tables() -> Row:
    def column(title: str, metric: str, selected: str, share: float) -> Column:
        return Column(title, quantile(share, metric, selected, "table", "$__range"), unit="s")

    sides = [
        column(f"{side} {name}", "understudy_side_duration_seconds", f'{OF_TABLE},side="{side}"', share)
        for share, name in QUANTILES[:2]
        for side in ("upstream", "engine")
    ]
    columns = (
        Column(
            "Requests",
            f"sum by (table) (increase(understudy_request_duration_seconds_count{{{OF_TABLE}}}[$__range]))",
            decimals=0,
        ),
        *sides,
        Column(
            "engine / upstream p50",
            quantile(0.5, "understudy_latency_ratio", OF_TABLE, "table", "$__range"),
            steps=RATIO_STEPS,
            decimals=2,
        ),
        Column(
            "engine / upstream p90",
            quantile(0.9, "understudy_latency_ratio", OF_TABLE, "table", "$__range"),
            steps=RATIO_STEPS,
            decimals=2,
        ),
    )
    return Row(
        "By table",
        (
            grid(
                "Both sides, by table",
                "Over the time range. A table may be promoted while the engine takes no longer than "
                "`readiness.max_latency_ratio` times what PostgREST takes.",
                "table",
                columns,
                height=10,
            ),
        ),
    )


def _database() -> Row:
    return Row(
        "What it costs",
        (
            series(
                "Time that each side spends answering",
                "Seconds per second, so the mean number of requests in work: what mirroring adds to the "
                "database's "
                "load. `shadow.budget` limits the mirror's share.",
                "short",
                Query(
                    "sum by (side) "
                    f"(rate(understudy_database_seconds_total{{{SELECTED}}}[$__rate_interval]))",
                    "{{side}}",
                ),
                width=12,
            ),
            heat(
                "How clients' times are spread",
                "Every request, whoever answered it.",
                "s",
                "sum by (le) (increase(understudy_request_duration_seconds_bucket"
                f"{{{OF_TABLE}}}[$__rate_interval]))",
            ),
        ),
    )

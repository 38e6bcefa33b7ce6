"""Metrics: every one that is named exists, and every one that exists is used or listed."""

import pytest
from prometheus_client import generate_latest

from dashboards.metrics import DEBUGGING
from proxy.operate.metrics import Metrics
from tests.dashboards.expressions import list_expressions, without_limits
from tests.dashboards.metrics import find_faults, named_metrics, named_records

PAGE = """\
# TYPE understudy_reads_total counter
understudy_reads_total 1.0
# TYPE understudy_seconds histogram
understudy_seconds_bucket{le="+Inf"} 1.0
understudy_seconds_count 1.0
understudy_seconds_sum 1.0
"""
NONE: frozenset[str] = frozenset()
USED = {"understudy_reads_total", "understudy_seconds_bucket"}


def test_what_is_named_is_exported_and_what_is_exported_is_used() -> None:
    page = generate_latest(Metrics(lambda: 0.0).registry).decode()
    named = {name for one in list_expressions() for name in named_metrics(one.text)}
    assert find_faults(named, page, DEBUGGING) == []


class TestTheCheckItself:
    def test_is_content_when_all_is_well(self) -> None:
        assert find_faults(USED, PAGE, NONE) == []

    @pytest.mark.parametrize(
        ("named", "debugging", "fault"),
        [
            ({*USED, "understudy_typo_total"}, NONE, "understudy_typo_total is named and not exported"),
            ({"understudy_reads_total"}, NONE, "understudy_seconds is exported and neither used"),
            (
                USED,
                frozenset({"understudy_seconds"}),
                "understudy_seconds is in DEBUGGING and on a panel",
            ),
            (USED, frozenset({"understudy_gone"}), "understudy_gone is in DEBUGGING and not exported"),
        ],
    )
    def test_finds_every_kind_of_fault(self, named: set[str], debugging: frozenset[str], fault: str) -> None:
        (found, *more) = find_faults(named, PAGE, debugging)
        assert found.startswith(fault)
        assert not more


class TestExpressions:
    def test_metrics_are_told_from_records_labels_and_texts(self) -> None:
        text = 'sum(rate(understudy_a_total{b="understudy_c"}[5m])) / job:understudy_d:rate5m > process_e'
        # A label's value is rarely a metric's name; none of ours is.
        assert named_metrics(text) >= {"understudy_a_total", "process_e"}
        assert named_records(text) == {"job:understudy_d:rate5m"}

    @pytest.mark.parametrize(
        ("alert", "looked_at"),
        [
            ("rate(a[5m]) / (rate(b[5m]) > 0.1) > 0.01", "rate(a[5m]) / (rate(b[5m]))"),
            ("increase(a[5m]) > 0 and on (job) b == 1", "increase(a[5m]) and on (job) b"),
            ('max(a{b!="c",d=~"e"}) < 1', 'max(a{b!="c",d=~"e"})'),
            ("absent(a)", "count(a)"),
        ],
    )
    def test_an_alert_without_its_limits_keeps_its_joins(self, alert: str, looked_at: str) -> None:
        assert without_limits(alert) == looked_at

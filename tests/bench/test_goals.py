"""The goals beside the figures, and the chart of them."""

import io
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence

import pytest
from rich.console import Console

from tests.bench.chart import make_chart
from tests.bench.figures import Sample
from tests.bench.goals import Goal, judge, make_goals_table
from tests.bench.rounds import ENGINE, FLOOR, FRONT, POSTGREST, Results
from tests.bench.stage import BARE, OFF, SHADOW


def samples(*per_second: float, p99: float = 4.0) -> Sequence[Sample]:
    return [Sample(int(rate), 0, rate, 1.0, p99, 1e6 / rate) for rate in per_second]


FRONT_SIDES = {
    BARE: samples(40_000, 40_000, 40_000),
    OFF: samples(8_000, 10_000, 12_000),
    SHADOW: samples(5_000, 5_000, 5_000, p99=4.1),
}


def results(**sides: float) -> Results:
    groups = {name: samples(rate, rate, rate) for name, rate in sides.items()}
    named = {
        {"floor": FLOOR, "engine": ENGINE, "postgrest": POSTGREST}[key]: value
        for key, value in groups.items()
    }
    return Results({FRONT: FRONT_SIDES, "by key": named, "insert": named}, {})


def find(goals: Sequence[Goal], what: str) -> Goal:
    return next(goal for goal in goals if goal.what == what)


def test_the_engine_is_judged_by_postgrest_where_it_could_run() -> None:
    goals = judge(results(floor=1000, engine=3000, postgrest=1500))
    assert find(goals, "reads, of PostgREST, mean").reached
    assert find(goals, "by key, of PostgREST").figure == 2
    assert find(goals, "insert, of PostgREST").reached


def test_else_the_engine_is_judged_by_the_floor() -> None:
    goals = judge(results(floor=1000, engine=1100))
    assert find(goals, f"reads, of {FLOOR}, mean").reached is False
    assert find(goals, f"by key, of {FLOOR}").reached
    assert find(goals, f"insert, of {FLOOR}").reached is False


def test_a_goal_has_the_interval_of_its_figure() -> None:
    off = find(judge(results(floor=1, engine=1)), "mirroring off, of bare")
    assert (off.figure, off.interval, off.reached) == (0.25, (0.2, 0.3), True)


@pytest.mark.parametrize(
    ("goal", "reached"),
    [
        (Goal("a", "≥", 2, 2.0), True),
        (Goal("a", "≥", 2, 1.9), False),
        (Goal("a", "≤", 0.8, 0.8), True),
        (Goal("a", "≤", 0.8, 0.9), False),
        (Goal("a", "≤", 0.8, None), None),
    ],
)
def test_a_goal_is_reached_missed_or_not_measured(goal: Goal, reached: bool | None) -> None:
    assert goal.reached is reached


def test_the_table_says_which_goals_are_reached() -> None:
    text = io.StringIO()
    goals = [Goal("fast", "≥", 2, 3.0, (2.5, 3.5)), Goal("slow", "≤", 1, 1.5), Goal("absent", "≥", 1, None)]
    Console(file=text, width=120).print(make_goals_table(goals))
    lines = [line.split() for line in text.getvalue().splitlines() if line.strip()]
    assert lines[2:] == [
        ["fast", "≥", "2", "3.00", "2.50", "–", "3.50", "reached"],
        ["slow", "≤", "1", "1.50", "missed"],
        ["absent", "≥", "1", "–", "not", "measured"],
    ]


def test_the_chart_has_a_bar_for_each_measured_goal_as_long_as_it_is_good() -> None:
    goals = [
        Goal("one & two", "≥", 2, 2.0, (1.0, 3.0)),
        Goal("latency", "≤", 0.8, 1.6),
        Goal("far", "≥", 1, 50.0),
        Goal("absent", "≥", 1, None),
    ]
    root = ElementTree.fromstring(make_chart(goals, "title <1>"))
    bars = [element for element in root if element.tag.endswith("rect") and element.get("fill") != "white"]
    one, latency, far = (float(bar.get("width") or 0) for bar in bars)
    assert latency == pytest.approx(one / 2, abs=0.1)
    assert far == pytest.approx(3 * one, abs=0.1)
    texts = [element.text for element in root if element.tag.endswith("text")]
    assert "one & two" in texts
    assert "absent" not in texts

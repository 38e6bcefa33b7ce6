"""The goals, and how near what was measured comes to them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.table import Table

from tests.bench.figures import Figure, Sample
from tests.bench.report import (
    Group,
    latency_ratio,
    mean_ratio,
    processor_ratio,
    reads_of,
    show_number,
    throughput_ratio,
    writes_of,
)
from tests.bench.rounds import ENGINE, FLOOR, FRONT, POSTGREST, REAL, Results
from tests.bench.stage import BARE, OFF, SHADOW


@dataclass(frozen=True, slots=True)
class Goal:
    """A goal: what is measured, against what bound, and the figure with its 95 % interval if it has one."""

    what: str
    sense: Literal["≥", "≤"]
    bound: float
    figure: float | None
    interval: tuple[float, float] | None = None

    @property
    def reached(self) -> bool | None:
        """None where it was not measured."""
        if self.figure is None:
            return None
        return self.figure >= self.bound if self.sense == "≥" else self.figure <= self.bound


def judge(results: Results, extra: Sequence[Goal] = ()) -> list[Goal]:
    """All goals that these results say something about."""
    goals = [*_judge_engine(results), *_judge_front(results.samples[FRONT])]
    if real := results.samples.get(REAL):
        goals.append(_judge_latency(real, f", {REAL}"))
    return [*goals, *extra]


def reference_of(groups: Mapping[str, Group]) -> str:
    """What the engine is measured against: PostgREST where it could run, else the floor."""
    return POSTGREST if groups and all(POSTGREST in sides for sides in groups.values()) else FLOOR


def make_goal(what: str, sense: Literal["≥", "≤"], bound: float, figure: Figure | None) -> Goal:
    """A goal for a figure that was measured several times."""
    if figure is None:
        return Goal(what, sense, bound, None)
    return Goal(what, sense, bound, figure.median, figure.interval)


def _judge_engine(results: Results) -> Iterator[Goal]:
    reads = reads_of(results)
    reference = reference_of(reads)
    yield Goal(f"reads, of {reference}, mean", "≥", 2.0, mean_ratio(reads, ENGINE, reference))
    for name, sides in reads.items():
        ratio = throughput_ratio(sides[ENGINE], sides[reference])
        yield make_goal(f"{name}, of {reference}", "≥", 1.0, ratio)
    for name, sides in writes_of(results).items():
        ratio = throughput_ratio(sides[ENGINE], sides[reference])
        yield make_goal(f"{name}, of {reference}", "≥", 1.2, ratio)


def _judge_front(sides: Mapping[str, Sequence[Sample]]) -> Iterator[Goal]:
    yield make_goal("mirroring off, of bare", "≥", 0.25, throughput_ratio(sides[OFF], sides[BARE]))
    yield make_goal("mirroring off, of bare per core", "≥", 0.25, processor_ratio(sides[OFF], sides[BARE]))
    yield _judge_latency(sides)


def _judge_latency(sides: Mapping[str, Sequence[Sample]], where: str = "") -> Goal:
    ratio = latency_ratio(sides[SHADOW], sides[OFF])
    return make_goal(f"mirroring on, p99 of off, saturated{where}", "≤", 1.05, ratio)


def make_goals_table(goals: Sequence[Goal]) -> Table:
    """The goals beside the figures."""
    table = Table(title="goals", title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for title in ("", "goal", "measured", "95 %", ""):
        table.add_column(title, justify="left" if title in ("", "goal") else "right", no_wrap=True)
    for goal in goals:
        interval = "" if goal.interval is None else " – ".join(map(show_number, goal.interval))
        word = {True: "reached", False: "missed", None: "not measured"}[goal.reached]
        table.add_row(goal.what, f"{goal.sense} {goal.bound:g}", show_number(goal.figure), interval, word)
    return table

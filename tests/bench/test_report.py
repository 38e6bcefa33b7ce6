"""The tables, and the same as JSON."""

import io
import json

import pytest
from rich.console import Console

from tests.bench.figures import Sample
from tests.bench.report import (
    count_failures,
    describe_mirrored,
    make_document,
    make_engine_table,
    make_front_table,
    mean_ratio,
    show,
)
from tests.bench.rounds import ENGINE, FLOOR, FRONT, POSTGREST, Results
from tests.bench.stage import BARE, DIRECT, HUNG, OFF, SHADOW


def samples(*per_second: float, p99: float = 4.0, processor_us: float | None = None) -> list[Sample]:
    return [Sample(int(rate), 0, rate, 1.0, p99, processor_us) for rate in per_second]


FRONT_SIDES = {
    BARE: samples(40_000, 44_000, 42_000, processor_us=25.0),
    DIRECT: samples(80_000, 88_000, 84_000, processor_us=12.5),
    OFF: samples(10_000, 11_000, 10_500, p99=4.0, processor_us=100.0),
    SHADOW: samples(5_000, 5_500, 5_250, p99=6.0, processor_us=200.0),
    HUNG: samples(9_000, 9_900, 9_450, p99=4.2, processor_us=110.0),
}
READS = {
    "by key": {FLOOR: samples(4000, 4000), ENGINE: samples(2000, 2000)},
    "csv": {FLOOR: samples(1000, 1000), ENGINE: samples(2000, 2000)},
}
MIRRORED = {SHADOW: {"reads": 15_750, "match": 15_000, "shed: queue": 750, "mismatch": 0}}
RESULTS = Results({FRONT: FRONT_SIDES, **READS}, MIRRORED)


def printed(thing: object) -> list[str]:
    text = io.StringIO()
    Console(file=text, width=120).print(thing)
    return text.getvalue().splitlines()


def row(lines: list[str], name: str) -> list[str]:
    return next(line for line in lines if line.strip().startswith(name)).replace(name, "").split()


def test_the_table_of_the_front_door_begins_with_ratios() -> None:
    lines = printed(make_front_table(FRONT_SIDES))
    assert row(lines, OFF) == ["0.25", "0.25", "0.12", "1.00", "10,500", "±5%", "1.00", "4.00", "100"]
    assert row(lines, SHADOW)[:4] == ["0.12", "0.12", "0.06", "1.50"]


def test_where_processor_time_is_not_known_there_is_a_dash() -> None:
    sides = {name: samples(100, 100) for name in FRONT_SIDES}
    cells = row(printed(make_front_table(sides)), BARE)
    assert (cells[1], cells[-1]) == ("–", "–")


def test_the_engine_is_compared_with_the_floor_and_the_mean_is_geometric() -> None:
    lines = printed(make_engine_table(READS))
    assert "of bare asyncpg" in lines[2]
    assert row(lines, "geometric mean") == [ENGINE, "1.00"]


def test_where_postgrest_could_run_it_comes_first() -> None:
    reads = {name: {POSTGREST: samples(1000, 1000), **sides} for name, sides in READS.items()}
    lines = printed(make_engine_table(reads))
    assert lines[2].index("of PostgREST") < lines[2].index("of bare asyncpg")
    assert row(lines, "geometric mean") == [ENGINE, "2.00", "1.00"]


def test_there_is_no_mean_where_a_side_did_nothing() -> None:
    reads = {**READS, "count": {FLOOR: samples(10, 10), ENGINE: samples(0, 0)}}
    assert mean_ratio(reads, ENGINE, FLOOR) is None


def test_what_became_of_mirrored_reads_is_told_by_frequency() -> None:
    assert describe_mirrored(MIRRORED[SHADOW]) == "15,750 reads: match 15,000, shed: queue 750"


def test_everything_is_shown() -> None:
    text = io.StringIO()
    show(RESULTS, Console(file=text, width=120))
    assert "mirroring on: 15,750 reads" in text.getvalue()
    assert "the engine alone" in text.getvalue()


def test_wrong_answers_are_counted_by_side() -> None:
    wrong = [Sample(10, 3, 10.0, 1.0, 1.0), Sample(10, 1, 10.0, 1.0, 1.0)]
    results = Results({FRONT: {BARE: samples(1), OFF: wrong}}, {})
    assert count_failures(results) == {f"{FRONT}, {OFF}": 4}


def test_the_document_holds_each_sample_and_can_be_written() -> None:
    document = json.loads(json.dumps(make_document(RESULTS, {"machine": "two processors"})))
    off = document["groups"][FRONT][OFF]
    assert [one["per_second"] for one in off["samples"]] == [10_000, 11_000, 10_500]
    assert off["throughput_of"][BARE] == {"median": 0.25, "low": 0.25, "high": 0.25, "interval": [0.25, 0.25]}
    assert document["engine_geometric_mean_of"] == {FLOOR: pytest.approx(1.0)}
    assert document["about"] == {"machine": "two processors"}

"""The tables, and the same as JSON: ratios first, then what they are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tests.bench.figures import Figure, Sample, geometric_mean, make_ratio, summarise
from tests.bench.reads import WRITES
from tests.bench.rounds import ENGINE, FLOOR, FRONT, POSTGREST, REAL, Results
from tests.bench.stage import BARE, DIRECT, OFF

Group = Mapping[str, Sequence[Sample]]

_MEASURED = ("req/s", "spread", "p50 ms", "p99 ms", "CPU µs")


def show(results: Results, console: Console) -> None:
    """Print the tables and what became of the mirrored reads."""
    console.print(make_front_table(results.samples[FRONT]))
    if REAL in results.samples:
        title = "the same read, through a proxy in front of PostgREST"
        console.print(make_front_table(results.samples[REAL], title))
    for name, counts in results.mirrored.items():
        console.print(f"{name}: {describe_mirrored(counts)}", soft_wrap=True)
    console.print()
    console.print(make_engine_table(reads_of(results)))
    if writes := writes_of(results):
        console.print(make_engine_table(writes, "the engine alone, writing"))


def reads_of(results: Results) -> dict[str, Group]:
    """The groups in which the engine reads, by read."""
    others = {FRONT, REAL, *(write.name for write in WRITES)}
    return {group: sides for group, sides in results.samples.items() if group not in others}


def writes_of(results: Results) -> dict[str, Group]:
    """The groups in which the engine writes, by write."""
    return {write.name: results.samples[write.name] for write in WRITES if write.name in results.samples}


def make_front_table(sides: Group, title: str = "one read by key, through the front door") -> Table:
    """One read through the proxy, beside the upstream itself and, if it was measured, a bare server."""
    table = _make_table(title)
    bare = sides.get(BARE)
    for title in ("of bare", "per core", "of direct", "p99 of off", *_MEASURED):
        table.add_column(title, justify="right", no_wrap=True)
    for name, samples in sides.items():
        ratios = (
            show_ratio(None if bare is None else throughput_ratio(samples, bare)),
            show_ratio(None if bare is None else processor_ratio(samples, bare)),
            show_ratio(throughput_ratio(samples, sides[DIRECT])),
            show_ratio(latency_ratio(samples, sides[OFF])),
        )
        table.add_row(name, *ratios, *_show_measured(samples))
    return table


def make_engine_table(reads: Mapping[str, Group], title: str = "the engine alone") -> Table:
    """The engine alone, read by read, beside the floor and, where it could run, PostgREST."""
    real = any(POSTGREST in sides for sides in reads.values())
    references = (POSTGREST, FLOOR) if real else (FLOOR,)
    table = _make_table(title)
    table.add_column("", no_wrap=True)
    for title in (*(f"of {name}" for name in references), "per core", *_MEASURED):
        table.add_column(title, justify="right", no_wrap=True)
    for read, sides in reads.items():
        for number, (name, samples) in enumerate(sides.items()):
            ratios = [show_ratio(throughput_ratio(samples, sides[reference])) for reference in references]
            ratios.append(show_ratio(processor_ratio(samples, sides[references[0]])))
            table.add_row("" if number else read, name, *ratios, *_show_measured(samples))
        table.add_section()
    means = [show_number(mean_ratio(reads, ENGINE, reference)) for reference in references]
    table.add_row("geometric mean", ENGINE, *means)
    return table


def mean_ratio(reads: Mapping[str, Group], name: str, reference: str) -> float | None:
    """The geometric mean over all reads of how much of the reference's throughput a side reaches."""
    ratios = [throughput_ratio(sides[name], sides[reference]) for sides in reads.values()]
    medians = [ratio.median for ratio in ratios if ratio is not None and ratio.median > 0]
    return geometric_mean(medians) if medians and len(medians) == len(ratios) else None


def throughput_ratio(samples: Sequence[Sample], reference: Sequence[Sample]) -> Figure | None:
    """Requests per second over the reference's, round by round."""
    return make_ratio([one.per_second for one in samples], [one.per_second for one in reference])


def processor_ratio(samples: Sequence[Sample], reference: Sequence[Sample]) -> Figure | None:
    """Requests per second of processor time over the reference's; None where that time is not known."""
    costs = [one.processor_us for one in samples if one.processor_us is not None]
    base = [one.processor_us for one in reference if one.processor_us is not None]
    return make_ratio(base, costs) if len(costs) == len(samples) and len(base) == len(reference) else None


def latency_ratio(samples: Sequence[Sample], reference: Sequence[Sample]) -> Figure | None:
    """The 99th percentile of latency over the reference's, round by round."""
    return make_ratio([one.p99 for one in samples], [one.p99 for one in reference])


def describe_mirrored(counts: Mapping[str, int]) -> str:
    """What became of a mirroring side's reads, the most frequent end first."""
    ends = sorted(
        ((name, count) for name, count in counts.items() if name != "reads" and count > 0),
        key=lambda end: -end[1],
    )
    listed = ", ".join(f"{name} {count:,}" for name, count in ends)
    return f"{counts.get('reads', 0):,} reads" + (f": {listed}" if listed else "")


def count_failures(results: Results) -> dict[str, int]:
    """The sides that failed to answer as they must, and how often."""
    failed = {}
    for group, sides in results.samples.items():
        for name, samples in sides.items():
            if failures := sum(sample.failures for sample in samples):
                failed[f"{group}, {name}"] = failures
    return failed


def make_document(results: Results, about: Mapping[str, object]) -> dict[str, Any]:
    """Everything as one JSON document: what was measured, each sample, summaries and ratios."""
    groups = {}
    for group, sides in results.samples.items():
        references = (BARE, DIRECT, OFF) if group in (FRONT, REAL) else (POSTGREST, FLOOR)
        groups[group] = {
            name: {
                "throughput_of": _make_ratios(sides, samples, references),
                "summary": asdict(summarise(samples)),
                "samples": [asdict(sample) for sample in samples],
            }
            for name, samples in sides.items()
        }
    reads = reads_of(results)
    means = {
        reference: mean_ratio(reads, ENGINE, reference)
        for reference in (POSTGREST, FLOOR)
        if all(reference in sides for sides in reads.values())
    }
    return {
        "about": dict(about),
        "groups": groups,
        "engine_geometric_mean_of": means,
        "mirrored": {name: dict(counts) for name, counts in results.mirrored.items()},
    }


def _make_ratios(
    sides: Group, samples: Sequence[Sample], references: Sequence[str]
) -> dict[str, dict[str, float] | None]:
    ratios = {}
    for reference in references:
        if reference in sides:
            ratio = throughput_ratio(samples, sides[reference])
            ratios[reference] = None if ratio is None else asdict(ratio)
    return ratios


def show_ratio(ratio: Figure | None) -> str:
    """A ratio's median, for people."""
    return show_number(None if ratio is None else ratio.median)


def show_number(number: float | None) -> str:
    """A ratio for people: two digits after the point, a dash for none."""
    return "–" if number is None else f"{number:.2f}"


def _show_measured(samples: Sequence[Sample]) -> list[str]:
    summary = summarise(samples)
    processor = summary.processor_us
    return [
        f"{summary.per_second.median:,.0f}",
        f"±{summary.per_second.spread:.0%}",
        f"{summary.p50.median:.2f}",
        f"{summary.p99.median:.2f}",
        "–" if processor is None else f"{processor.median:.0f}",
    ]


def _make_table(title: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("", no_wrap=True)
    return table

"""``understudy readiness``: for each table the verdict, the figures, and exactly what is still missing."""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from proxy.config import Config, ReadinessConfig
from proxy.console.output import print_line, print_rows, show_time
from proxy.console.sources import ask_ledger
from proxy.console.watching import add_watch, show
from proxy.ledger.judging import gather_evidence
from proxy.shadow.readiness import Readiness, TableEvidence, judge_readiness
from proxy.shadow.words import count_of, fraction

_STYLES = {"ready": "green", "not ready": "red", "insufficient evidence": "yellow"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``understudy readiness``."""
    parser.add_argument("tables", nargs="*", metavar="TABLE", help="default: all with evidence")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="understudy.yaml")
    parser.add_argument("--json", action="store_true", help="for programs")
    add_watch(parser)


def run(options: argparse.Namespace, config: Config | None) -> int:
    """Exit code 0: all that was asked about is ready, 1: something is not, 2: nobody could be asked."""
    assert config is not None

    def draw(console: Console) -> int:
        evidence = ask_ledger(config, gather_evidence)
        now = time.time()
        judgements = [
            judge_readiness(evidence.get(table, TableEvidence(table)), config.readiness, now)
            for table in options.tables or sorted(evidence)
        ]
        if options.json:
            print(render_json(judgements, config.readiness), file=console.file)
        elif options.tables:
            for judgement in judgements:
                print_details(judgement, config.readiness, console)
        else:
            print_overview(judgements, console)
        return int(any(judgement.verdict != "ready" for judgement in judgements))

    return show("readiness", draw, options.watch)


def render_json(judgements: Sequence[Readiness], limits: ReadinessConfig) -> str:
    """The judgements for programs, with the limits that they were made by."""
    return json.dumps(
        {"limits": asdict(limits), "tables": [asdict(one) for one in judgements]},
        ensure_ascii=False,
        indent=1,
    )


def print_overview(judgements: Sequence[Readiness], console: Console) -> None:
    """One row for each table; the first thing that is missing stands for the others."""
    names = ["table", "verdict", "missing", "compared", "mismatches", "bound", "shapes", "unseen", "ratio"]
    rows = [
        [
            *(one.table, one.verdict, _shorten(one)),
            *(str(one.agreed + one.mismatches), str(one.mismatches), fraction(one.mismatch_bound)),
            *(str(one.shapes), fraction(one.unseen.bound)),
            "-" if one.latency is None else f"{one.latency.mean:.2f}",
        ]
        for one in judgements
    ]
    styles = {"verdict": _STYLES, "mismatches": {"*": "red", "0": "dim"}}
    print_rows(console, names, rows, title="readiness", left=3, styles=styles)


def print_details(readiness: Readiness, limits: ReadinessConfig, console: Console) -> None:
    """Everything about one table."""
    one = readiness
    print_line(console, f"{one.table}: {one.verdict}", _STYLES[one.verdict])
    for gap in one.missing:
        what, style = ("against it", "red") if gap.against else ("missing", "yellow")
        print_line(console, f"  {what}: {gap.words}", style)
    for line in _list_figures(one, limits):
        print_line(console, f"  {line}")


def _list_figures(one: Readiness, limits: ReadinessConfig) -> list[str]:
    decided = one.agreed + one.mismatches
    undecided = ", ".join(f"{number:,} {verdict}" for verdict, number in one.undecided.items())
    lines = [
        f"compared: {count_of(decided, 'read')}, {count_of(one.mismatches, 'mismatch', 'mismatches')}",
        f"counted: {one.fresh:,} of these, that repeat none of shortly before; the rate of mismatches "
        f"is below {fraction(one.mismatch_bound)} at a confidence of {limits.confidence:g} "
        f"(limit {fraction(limits.max_mismatch_rate)})",
        f"open mismatch signatures: {one.open_signatures}",
        f"undecided: {undecided}",
        f"unanswered by the engine: {one.unsupported:,} unsupported, {one.failed:,} failed",
        f"shapes: {one.shapes:,} compared; the next read is of an unseen one with a chance of "
        f"{fraction(one.unseen.estimate)}, at most {fraction(one.unseen.bound)} "
        f"(limit {fraction(limits.max_unseen_shapes)})",
        f"must-see shapes: {one.must_see:,}, of which {len(one.never_seen):,} were never compared",
    ]
    if one.latency is not None:
        lines.append(
            f"latency, engine by upstream: {one.latency.mean:.2f}, from {one.latency.low:.2f} to "
            f"{one.latency.high:.2f} (limit {limits.max_latency_ratio:g})"
        )
    if one.cost_ratio is not None:
        lines.append(f"all time, engine by upstream: {one.cost_ratio:.2f}")
    lines.append(f"evidence from {show_time(one.first_seen)} to {show_time(one.last_seen)}")
    if one.void is not None and one.void.reads:
        changed = ", ".join(one.void.changed)
        lines.append(f"void: {count_of(one.void.reads, 'read')} from before a change of {changed}")
    return lines


def _shorten(one: Readiness) -> str:
    if not one.missing:
        return "-"
    # What was found against a table says more than what is not known yet.
    first = next((gap for gap in one.missing if gap.against), one.missing[0])
    more = len(one.missing) - 1
    return first.words + (f" (and {more} more)" if more else "")

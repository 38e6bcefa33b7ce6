"""``python -m tests.bench``, which ``make bench`` runs.

Exit codes: 0 done, 1 some side answered wrongly, 2 something that is needed is not there.
"""

import argparse
import asyncio
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from aiohttp import ClientError
from rich.console import Console

import proxy
from proxy.embedded import EmbeddedError
from tests.bench.chart import make_chart
from tests.bench.goals import Goal, judge, make_goals_table
from tests.bench.more import measure_more
from tests.bench.processes import BenchError
from tests.bench.reads import MIX, QUICK
from tests.bench.report import count_failures, make_document, show
from tests.bench.rounds import Plan, Results, measure
from tests.bench.stage import POOL, Stage, find_postgrest, set_stage

_WIDTH = 120
"""Columns that the widest table needs; a narrower terminal breaks lines, which loses less than cutting."""


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description="Compare the speed of all sides."
    )
    parser.add_argument("--quick", action="store_true", help="two rounds and fewer reads: a first impression")
    parser.add_argument("--rounds", type=_positive, help="how often each side is measured (5; quick: 2)")
    parser.add_argument("--seconds", type=_positive, default=1, help="how long each time (1)")
    parser.add_argument("--connections", type=_positive, default=16, help="clients at the same time (16)")
    parser.add_argument("--full", action="store_true", help="all rows of the goals; about ten minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measurement to FILE")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draw the goals into FILE, as SVG")
    parser.add_argument("--own-load", action="store_true", help="do not load with wrk, even if it is there")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; gives the exit code."""
    options = parse_arguments(arguments)
    console = Console(highlight=False)
    console.width = max(console.width, _WIDTH)
    plan = Plan(
        rounds=options.rounds or (2 if options.quick else 5),
        seconds=options.seconds,
        reads=QUICK if options.quick else MIX,
        connections=options.connections,
        wrk=None if options.own_load else shutil.which("wrk"),
        full=options.full,
    )
    try:
        results, goals, about = asyncio.run(_bench(plan, console))
    except (BenchError, EmbeddedError, ClientError, OSError) as error:
        console.print(f"bench: {error}", style="red", markup=False)
        return 2
    show(results, console)
    console.print(make_goals_table(goals))
    if options.json is not None:
        document = {**make_document(results, about), "goals": [asdict(goal) for goal in goals]}
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if options.chart is not None:
        beside = "PostgREST" if find_postgrest() else "bare asyncpg, in PostgREST's place"
        title = f"Understudy {proxy.__version__} beside {beside}; {about['machine']}"
        options.chart.write_text(make_chart(goals, title), encoding="utf-8")
    failed = count_failures(results)
    for side, failures in failed.items():
        console.print(f"{side}: {failures} wrong or missing answers", style="red", markup=False)
    return 1 if failed else 0


async def _bench(plan: Plan, console: Console) -> tuple[Results, list[Goal], dict[str, object]]:
    started = time.monotonic()
    with console.status("starting PostgreSQL, the upstream, three proxies and the engine") as status:
        async with set_stage() as stage:
            about = describe(stage, plan)
            for name, value in about.items():
                console.print(f"{name:<12}{value}", markup=False, soft_wrap=True)
            results = await measure(stage, plan, status.update)
            more = await measure_more(stage, plan, results, status.update) if plan.full else []
    console.print(f"{'took':<12}{time.monotonic() - started:.0f} s\n")
    return results, judge(results, more), about


def _ask_version() -> str | None:
    program = find_postgrest()
    if program is None:
        return None
    asked = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return asked.stdout.strip()


def describe(stage: Stage, plan: Plan) -> dict[str, object]:
    """In what surroundings the measurements are made."""
    unmeasured = "not measured: neither POSTGREST_BIN nor postgrest on the PATH; bare asyncpg stands for it"
    return {
        "understudy": f"{proxy.__version__}, Python {platform.python_version()}",
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, {platform.system()}",
        "database": f"{stage.database}, {POOL} connections for each side",
        "upstream": "the stand-in, which answers what PostgREST 14.17 was recorded to answer",
        "PostgREST": _ask_version() or unmeasured,
        "load": f"{plan.connections} connections, "
        + ("wrk" if plan.wrk else "our own generator, itself in Python"),
        "rounds": f"{plan.rounds} of {plan.seconds} s for each side, in alternating order; medians",
    }


if __name__ == "__main__":
    sys.exit(main())

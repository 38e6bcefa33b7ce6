"""``python -m tests.fuzz``, which ``make fuzz`` runs.

An input is made from its target's name, a seed and its number: ``--replay NAME/SEED/NUMBER`` makes it again.
Exit codes: 0 nothing found, 1 something was.
"""

import argparse
import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from random import Random

from proxy.config import EngineConfig
from proxy.config.engine import read_options
from proxy.engine.schema import Schema
from tests.engine.random.world import open_world
from tests.fuzz.run import Result, play
from tests.fuzz.targets import SECRET, Target, make_targets
from tests.support.conformance import variant_options
from tests.support.database import conformance_database

MOST_GROWTH = 64 * 1024 * 1024
"""Bytes that a process may grow by after it has settled; what it remembers is bounded, and fills up later."""

_targets: Mapping[str, Target] = {}


def load_world() -> tuple[Schema, EngineConfig]:
    """The conformance schema, read from a database that is gone afterwards."""
    with conformance_database() as database:
        given = {"db-uri": database.login_url(), "jwt-secret": SECRET}
        options = read_options(given, variant_options())
        with open_world("observatory", options) as world:
            return world.schema, options


def _play(name: str, seed: int, inputs: int, seconds: float) -> tuple[str, Result]:
    return name, play(name, _targets[name], seed, inputs, seconds)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=200_000, help="inputs in all (200,000)")
    parser.add_argument("--minutes", type=float, default=10.0, help="at most so long (10)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other inputs (0)")
    parser.add_argument("--target", action="append", help="only this one; may be repeated")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--replay", metavar="NAME/SEED/NUMBER", help="make one input again, and show it")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Play, and report a line for each target; gives the exit code."""
    global _targets
    options = _parse(arguments)
    _targets = make_targets(*load_world())
    if options.replay:
        target = _targets[options.replay.split("/")[0]]
        made = target.make(Random(options.replay))
        print(repr(made))
        target.check(made)
        return 0
    names = options.target or list(_targets)
    # Several parts for each target, so that no process waits for the slowest.
    parts = max(1, options.processes)
    inputs = max(1, options.inputs // (len(names) * parts))
    seconds = 60 * options.minutes * options.processes / (len(names) * parts)
    results: dict[str, list[Result]] = {name: [] for name in names}
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(options.processes, context, max_tasks_per_child=None) as pool:
        waiting = [
            pool.submit(_play, name, options.seed * parts + part, inputs, seconds)
            for name in names
            for part in range(parts)
        ]
        for one in waiting:
            name, result = one.result()
            results[name].append(result)
    return _report(results)


def _report(results: Mapping[str, Sequence[Result]]) -> int:
    print(f"{'target':10} {'inputs':>10} {'per second':>10} {'slowest':>9} {'growth':>10} faults")
    bad = 0
    for name, found in results.items():
        inputs, growth = sum(one.inputs for one in found), max(one.growth for one in found)
        rate = inputs / max(0.001, sum(one.seconds for one in found))
        slowest, faults = max(one.slowest for one in found), [fault for one in found for fault in one.faults]
        print(
            f"{name:10} {inputs:10,} {rate:10,.0f} {slowest:7.3f} s {growth / 2**20:6.1f} MiB {len(faults)}"
        )
        for fault in faults[:10]:
            print(f"    {fault}")
        bad += len(faults) + (growth > MOST_GROWTH)
    print(f"{sum(one.inputs for found in results.values() for one in found):,} inputs, {bad} findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

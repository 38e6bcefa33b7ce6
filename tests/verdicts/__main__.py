"""``make verdicts``: both measurements, and their figures. Exit code 1 if one is not what it must be."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.e2e.programs import PROXY, find_postgrest
from tests.verdicts.alarms import COMPARED, Outcome, measure, writing
from tests.verdicts.detection import Finding, detect
from tests.verdicts.faults import FAULTS
from tests.verdicts.stage import shop_database, upstream_on

BESIDE = 50
"""Writes a second to the tables of the reads in which faults are to be found."""


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and tell whether all is well."""
    parser = argparse.ArgumentParser(prog="make verdicts ARGS=...", description=__doc__)
    parser.add_argument("--minutes", type=float, default=15.0, help="for all rates of writing together (15)")
    parser.add_argument("--reads", type=int, default=1_000_000, help="for all rates together (1,000,000)")
    parser.add_argument("--rates", type=int, nargs="+", default=[10, 200, 1000], help="writes a second")
    chosen = parser.parse_args(arguments)
    if find_postgrest()[: len(PROXY)] == PROXY:
        print("The upstream is a second process of our own engine: there is no PostgREST here.")
    with tempfile.TemporaryDirectory() as folder:
        findings = _find(Path(folder))
    _print_findings(findings)
    with tempfile.TemporaryDirectory() as folder:
        outcomes = measure(Path(folder), tuple(chosen.rates), reads=chosen.reads, seconds=60 * chosen.minutes)
    _print_outcomes(outcomes)
    print(f"In all {sum(outcome.counts['reads'] for outcome in outcomes):,} mirrored reads")
    faults = [fault for outcome in outcomes for fault in outcome.faults]
    faults += [f"not found: {finding.fault.name}" for finding in findings if not finding.right]
    print("\n".join(faults) if faults else "All is as it must be.")
    return 1 if faults else 0


def _find(directory: Path) -> list[Finding]:
    with shop_database() as database, upstream_on(database, directory) as upstream:
        return asyncio.run(_find_beside_writers(database, upstream.url))


async def _find_beside_writers(database: str, upstream: str) -> list[Finding]:
    async with writing(database, BESIDE, seed=1):
        return await detect(database, upstream, FAULTS)


def _print_findings(findings: Sequence[Finding]) -> None:
    found = sum(finding.right for finding in findings)
    most = max(finding.reads for finding in findings)
    print(
        f"\nPlanted faults, beside {BESIDE} writes a second: {len(findings)}, found as mismatch: {found}, "
        f"after at most {most} reads"
    )
    for finding in findings:
        if not finding.right:
            print(f"  {finding.fault.name}: {finding.verdict} {set(finding.aspects)} {finding.detail}")


def _print_outcomes(outcomes: Iterable[Outcome]) -> None:
    print("\nMirrored reads beside writers")
    print(
        f"{'writes/s':>9} {'reached':>8} {'reads':>8} {'reads/s':>8}" + "".join(f"{v:>14}" for v in COMPARED)
    )
    for outcome in outcomes:
        reads = outcome.counts.get("reads", 0)
        row = f"{outcome.rate:>9} {outcome.written:>8.0f} {reads:>8} {reads / outcome.seconds:>8.0f}"
        print(row + "".join(f"{outcome.counts.get(verdict, 0):>14}" for verdict in COMPARED))
        others = {
            name: count
            for name, count in outcome.counts.items()
            if count and name not in (*COMPARED, "reads")
        }
        print(
            f"{'':>9} inconclusive {outcome.inconclusive:.3%}, pending {outcome.pending}, falsified "
            f"{outcome.injected}, of these found {outcome.detected}; besides {others}"
        )
        for example in outcome.examples if outcome.counts.get("mismatch") else ():
            print(f"{'':>9} {example}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

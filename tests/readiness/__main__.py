"""Run the simulation and print what came of it. Exit code 1 if a promise of the statistics is broken."""

import argparse
import sys
import time

from tests.readiness.simulation import LIMITS, simulate

ABOVE = 1.01
BELOW = (0.0, 0.01, 0.1, 0.3)


def main() -> int:
    """Simulate tables just above the limit, and tables that may well be promoted."""
    parser = argparse.ArgumentParser(prog="make readiness", description=__doc__)
    parser.add_argument("--tables", type=int, default=10_000)
    parser.add_argument("--horizon", type=int, default=1_000_000, help="reads of each table")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    limit, allowed = LIMITS.max_mismatch_rate, 1 - LIMITS.confidence
    print(f"limit {limit:g}, confidence {LIMITS.confidence:g}; {options.horizon:,} looks at each table")
    print(
        f"{'true mismatch rate':>20}  {'tables':>7}  {'ever ready':>10}  {'share':>7}  {'median reads':>12}"
    )
    started = time.monotonic()
    shares = []
    for factor in (ABOVE, *BELOW):
        outcome = simulate(factor * limit, options.tables, options.horizon, options.seed)
        shares.append(outcome.share)
        reads = "-" if outcome.median_reads is None else f"{outcome.median_reads:,}"
        row = f"{outcome.rate:>20.6f}  {outcome.tables:>7,}  {outcome.ready:>10,}"
        print(f"{row}  {outcome.share:>7.4f}  {reads:>12}")
    held = shares[0] < allowed
    print(
        f"just above the limit: {shares[0]:.4f} ever declared ready, {'below' if held else 'NOT below'} "
        f"{allowed:.4f} ({time.monotonic() - started:.1f} s)"
    )
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())

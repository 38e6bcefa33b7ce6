"""``python -m tests.soak``, which ``make soak`` runs. Exit code 1 if a promise was broken."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from proxy.loop import FAST_LOOP
from tests.soak.soak import Plan, soak


def main(arguments: Sequence[str] | None = None) -> int:
    """Run everything on this machine."""
    usual = Plan()
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--requests", type=int, default=usual.requests, help="how many at least")
    parser.add_argument("--minutes", type=float, default=usual.seconds / 60, help="how long at least")
    parser.add_argument("--clients", type=int, default=usual.clients, help="how many at the same time")
    options = parser.parse_args(arguments)
    plan = Plan(options.requests, options.minutes * 60, options.clients)
    with (
        tempfile.TemporaryDirectory() as directory,
        asyncio.Runner(loop_factory=FAST_LOOP) as runner,
    ):
        problems = runner.run(soak(Path(directory), plan, lambda text: print(text, flush=True)))
    for problem in problems:
        print(f"BROKEN: {problem}")
    print("broken" if problems else "all promises held")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())

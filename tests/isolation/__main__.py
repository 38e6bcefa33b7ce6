"""``python -m tests.isolation``, which ``make isolation`` runs. Exit code 1 if the promise is broken."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from proxy.loop import FAST_LOOP
from tests.isolation.rounds import CONDITIONS, Plan, Result, measure, show
from tests.isolation.stage import set_stage


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    usual = Plan()
    parser = argparse.ArgumentParser(prog="python -m tests.isolation", description=__doc__)
    parser.add_argument("--engine", choices=tuple(CONDITIONS), action="append", help="only this; repeatable")
    parser.add_argument("--clients", type=int, action="append", help="so many at once (16 and 256)")
    parser.add_argument("--rounds", type=int, default=usual.rounds, help="how often each side is measured")
    parser.add_argument("--seconds", type=float, default=usual.seconds, help="how long each time")
    parser.add_argument("--rate", type=float, default=usual.rate, help="requests per second")
    options = parser.parse_args(arguments)
    plan = Plan(
        options.rounds,
        options.seconds,
        options.rate,
        options.engine or usual.engines,
        options.clients or usual.clients,
    )

    def tell(result: Result) -> None:
        print(show(result), flush=True)
        for problem in result.problems:
            print(f"    {problem}")

    async def run(directory: Path) -> list[Result]:
        async with set_stage(directory) as stage:
            return await measure(stage, plan, tell)

    with tempfile.TemporaryDirectory() as name, asyncio.Runner(loop_factory=FAST_LOOP) as runner:
        results = runner.run(run(Path(name)))
    return int(any(result.verdict == "broken" for result in results))


if __name__ == "__main__":
    sys.exit(main())

"""How long calls take through ``proxy.access`` on the database, and through HTTP: ``python -m tests.access``.

The calls are the same reads of one row, made by the existing class over HTTP and by ours, in rounds whose
order alternates, so that whatever else the machine does falls on both. The server is a real PostgREST where
there is one, else our own engine alone.
"""

import argparse
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from proxy.access import PostgRESTAccess
from tests.access.existing import ExistingAccess
from tests.e2e import programs
from tests.support import database
from tests.support.conformance import variant_options

ROUND = 500

Select = Callable[[int], Any]


def main() -> int:
    """Measure and print; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.access", description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000, help="how many each way")
    calls = parser.parse_args().calls
    with ExitStack() as stack:
        place = stack.enter_context(database.conformance_database())
        settings = {**variant_options(), "PGRST_DB_URI": place.login_url()}
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        command = programs.find_postgrest()
        server = stack.enter_context(programs.postgrest(command, directory, settings))
        os.environ.update(settings)
        over_http = stack.enter_context(ExistingAccess(server.url))
        on_database = stack.enter_context(PostgRESTAccess(timeout=None))
        ways: dict[str, Select] = {
            "the existing class over HTTP": lambda number: over_http.select("sample", params=_ask(number)),
            "proxy.access on the database": lambda number: on_database.select("sample", params=_ask(number)),
        }
        assert len({str([select(number) for number in range(50)]) for select in ways.values()}) == 1
        seconds = measure(ways, calls)
    for name, rounds in seconds.items():
        total = sum(rounds)
        print(
            f"{name}: {calls} calls in {total:.1f} s, {1e6 * statistics.median(rounds) / ROUND:.0f} µs each"
        )
    first, second = seconds.values()
    ratios = sorted(one / other for one, other in zip(first, second, strict=True))
    print(f"ratio: {sum(first) / sum(second):.2f} (median of rounds {statistics.median(ratios):.2f})")
    return 0


def measure(ways: dict[str, Select], calls: int) -> dict[str, list[float]]:
    """The seconds of each round, by way."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    numbers = itertools.count()
    for turn in range(calls // ROUND):
        start = next(numbers) * ROUND
        for name in sorted(ways, reverse=bool(turn % 2)):
            select = ways[name]
            began = time.perf_counter()
            for number in range(start, start + ROUND):
                select(number)
            seconds[name].append(time.perf_counter() - began)
    return seconds


def _ask(number: int) -> dict[str, str]:
    return {"id": f"eq.{number % 5000 + 1}", "select": "id,channel,value"}


if __name__ == "__main__":
    sys.exit(main())

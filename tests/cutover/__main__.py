"""Play the cutover and print what each client saw. Exit code 1 if a promise was broken."""

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from proxy.loop import FAST_LOOP
from tests.cutover.kills import play_kills
from tests.cutover.replicas import KNOWN_WITHIN, spread_hold, two_replicas
from tests.cutover.stage import depot_database, stage, upstream_on
from tests.cutover.story import Pace, play
from tests.e2e.programs import Program

KILLS, RESTART_EVERY = 40, 10
ROUNDS = 5
"""How often a hold is put on one of two replicas, for each kind of ledger."""


def main() -> int:
    """Run everything on this machine."""
    started = time.monotonic()
    faults: list[str] = []
    for part in (_switch, _spread, _kill):
        with _set_up() as (url, upstream, directory):
            faults += part(url, upstream, directory)
    for fault in faults:
        print(f"FAULT: {fault}")
    print(f"{'broken' if faults else 'all promises held'} ({time.monotonic() - started:.0f} s)")
    return int(bool(faults))


@contextmanager
def _set_up() -> Iterator[tuple[str, Program, Path]]:
    with tempfile.TemporaryDirectory() as name, depot_database() as url:
        directory = Path(name)
        with upstream_on(url, directory) as upstream:
            yield url, upstream, directory


def _say(text: str) -> None:
    print(text, flush=True)


def _switch(url: str, upstream: Program, directory: Path) -> list[str]:
    """The cutover, and all that the engine can do wrong."""

    async def run() -> list[str]:
        async with stage(url, upstream, directory) as playing:
            return await play(playing, _say, Pace())

    with asyncio.Runner(loop_factory=FAST_LOOP) as runner:
        return runner.run(run())


def _spread(url: str, upstream: Program, directory: Path) -> list[str]:
    """Holds among replicas."""
    faults: list[str] = []
    for kind, ledger in (("SQLite", f"sqlite:///{directory}/shared.db"), ("PostgreSQL", url)):
        with two_replicas(url, upstream, directory, ledger) as (one, other):
            spreads = [spread_hold(url, one, other) for _ in range(ROUNDS)]
        held, rearmed = (max(getattr(one, what) for one in spreads) for what in ("held", "rearmed"))
        _say(
            f"two replicas, ledger in {kind}: in {ROUNDS} rounds a hold was known to the other after "
            f"{held:.2f} s at most, a re-arming after {rearmed:.2f} s"
        )
        if max(held, rearmed) > KNOWN_WITHIN:
            faults.append(f"replicas on {kind} do not know within {KNOWN_WITHIN:g} s what the other holds")
    return faults


def _kill(url: str, upstream: Program, directory: Path) -> list[str]:
    """Commands and proxies that are killed."""
    seed = time.time_ns()
    found = play_kills(url, upstream, directory, kills=KILLS, restart_every=RESTART_EVERY, dice=Random(seed))
    told = ", ".join(f"{number} {what}" for what, number in found.seen.items())
    _say(f"kill -9 during promotion and rollback (seed {seed}): {told}")
    return found.faults


if __name__ == "__main__":
    sys.exit(main())

"""Play the cutover and print what each client saw. Exit code 1 if a promise was broken."""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from proxy.loop import FAST_LOOP
from tests.cutover.stage import depot_database, stage, upstream_on
from tests.cutover.story import Pace, play


def main() -> int:
    """Run everything on this machine."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name, depot_database() as url:
        directory = Path(name)
        with upstream_on(url, directory) as upstream:

            async def run() -> list[str]:
                async with stage(url, upstream, directory) as playing:
                    return await play(playing, lambda text: print(text, flush=True), Pace())

            with asyncio.Runner(loop_factory=FAST_LOOP) as runner:
                faults = runner.run(run())
    for fault in faults:
        print(f"FAULT: {fault}")
    print(f"{'broken' if faults else 'all promises held'} ({time.monotonic() - started:.0f} s)")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())

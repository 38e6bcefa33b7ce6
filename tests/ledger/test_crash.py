"""A process that is killed while it writes leaves a ledger behind that can be read, and written to again."""

import asyncio
import random
import signal
import sys
from pathlib import Path

from proxy.ledger.read import list_evidence, list_signatures, list_traffic
from tests.ledger.support import Scene, judged

WRITER = """
import asyncio, sys
from tests.ledger.support import Scene, judged, mismatch
from proxy.events import Shed

async def main(url):
    scene = Scene(url, replica=sys.argv[2])
    number = 0
    while True:
        number += 1
        events = [judged(shape=f"GET storage?a{number % 50}=eq.*"), mismatch(f"kind {number % 20}")]
        assert await scene.flush(*events, Shed("storage", "queue")), scene.ledger.condition
        print(number, flush=True)

asyncio.run(main(sys.argv[1]))
"""


async def test_whatever_was_told_as_written_is_there_after_a_kill(url: str) -> None:
    dice = random.Random(1)
    told = 0
    for attempt in range(4):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", WRITER, url, f"replica-{attempt}"),
            stdout=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        assert process.stdout is not None
        last = b""
        for _ in range(dice.randint(3, 25)):
            last = await process.stdout.readline()
            assert last, "the writer ended by itself"
        process.send_signal(signal.SIGKILL)
        rest = await process.stdout.read()
        await process.wait()
        lines = [line for line in (last + rest).split(b"\n") if line.isdigit()]
        told += int(lines[-1])
        scene = Scene(url, replica=f"reader-{attempt}")
        assert await scene.flush()
        evidence = sum(one.reads for _, one in await scene.read(list_evidence))
        mismatches = sum(one.count for one in await scene.read(list_signatures))
        shed = sum(one.count for one in await scene.read(list_traffic))
        # A flush is there whole or not at all; each killed writer may have written one that it did not tell.
        assert evidence == 2 * mismatches == 2 * shed
        assert told <= shed <= told + attempt + 1
        await scene.ledger.close()
    scene = Scene(url, replica="afterwards")
    assert await scene.flush(judged())
    await scene.ledger.close()

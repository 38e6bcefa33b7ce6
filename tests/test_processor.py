"""Who waits for a processor, and who takes only what others leave of it."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Coroutine
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from proxy import processor
from proxy.processor import BEGINNING, LOOK, SHARING, Use, Yielder, read_use, read_wait
from tests.server.virtual_time import VirtualTimeLoop, holding_time, now

linux = pytest.mark.skipif(sys.platform != "linux", reason="no other system has such a policy, and tells")

ON_ONE_PROCESSOR = """
import os, time
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
"""

WAITING = """
from proxy.processor import read_wait

until = time.monotonic() + 0.6
first = os.fork()
while time.monotonic() < until:
    pass
if first:
    print(read_wait())
"""

CROWDED = """
import asyncio, signal
from proxy.loop import FAST_LOOP
from proxy.processor import Yielder

async def tell():
    while True:
        print(os.sched_getscheduler(0), flush=True)
        await asyncio.sleep(0.01)

if not (busy := os.fork()):
    while os.getppid() != 1:
        pass
    os._exit(0)
with asyncio.Runner(loop_factory=FAST_LOOP) as runner:
    Yielder(beginning=0.1, sharing=0.1).run(runner.get_loop(), tell())
"""


@dataclass
class Machine:
    """Leaves a loop this ``share`` of the time, as each of its threads is told."""

    share: float = 1.0
    uses: dict[int, Use] = field(default_factory=dict)
    at: float = 0.0
    loop: VirtualTimeLoop = field(default_factory=VirtualTimeLoop)

    def use(self) -> Use:
        thread, passed = threading.get_ident(), self.loop.time() - self.at
        self.at += passed
        used = self.uses.get(thread, Use(100.0, 100.0)) + Use(self.share * passed, (1 - self.share) * passed)
        self.uses[thread] = used
        return used

    def run(self, work: Coroutine[None, None, None], yielder: Yielder | None = None) -> None:
        with closing(self.loop):
            (yielder or Yielder(self.use)).run(self.loop, work)
            self.loop.run_until_complete(self.loop.shutdown_default_executor())


async def is_idle() -> bool:
    """Whether the loop is in its idle thread; its helpers have the same policy as it."""
    idle = threading.current_thread() is not threading.main_thread()
    if sys.platform == "linux":
        with holding_time():
            policies = os.sched_getscheduler(0), await asyncio.to_thread(os.sched_getscheduler, 0)
        assert policies == ((os.SCHED_IDLE,) * 2 if idle else (os.SCHED_OTHER,) * 2)
    return idle


@linux
def test_who_stands_still_shares_for_a_while_and_yields_again() -> None:
    machine = Machine()

    async def work() -> None:
        assert not await is_idle()
        await asyncio.sleep(BEGINNING + 3 * SHARING)
        assert await is_idle()
        machine.share = 0.01
        await asyncio.sleep(2.5 * LOOK)
        began = now()
        assert not await is_idle()
        await asyncio.sleep(SHARING - 2.5 * LOOK)
        assert not await is_idle()
        machine.share = 1.0
        await asyncio.sleep(2.5 * LOOK)
        assert await is_idle()
        assert now() > began

    machine.run(work())


@linux
@pytest.mark.parametrize("share", [1.0, 0.5, 0.06])
def test_who_gets_little_goes_on_yielding(share: float) -> None:
    machine = Machine(share)

    async def work() -> None:
        await asyncio.sleep(BEGINNING + SHARING)
        assert await is_idle()

    machine.run(work())


def test_who_wants_little_does_not_stand_still_if_it_waits_a_moment() -> None:
    assert not Use(0.001, 0.4).stood_still
    assert Use(0.001, 0.6).stood_still
    assert not Use().stood_still


@linux
def test_what_it_waited_is_counted_through_all_turns() -> None:
    machine = Machine(0.01)
    yielder = Yielder(machine.use)

    async def work() -> None:
        before, began = yielder.read_wait(), now()
        for _ in range(20):
            await asyncio.sleep(SHARING / 10)
            assert yielder.read_wait() - before == pytest.approx(0.99 * (now() - began))

    machine.run(work(), yielder)
    assert len(machine.uses) >= 2


@pytest.mark.parametrize("share", [1.0, 0.01])
def test_work_ends_in_either_turn_and_says_how(share: float) -> None:
    async def work() -> None:
        await asyncio.sleep(SHARING / 2)
        raise LookupError("the end")

    with pytest.raises(LookupError, match="the end"):
        Machine(share).run(work())


def test_where_no_thread_can_be_idle_standing_still_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "become_idle", lambda: False)

    async def work() -> None:
        await asyncio.sleep(BEGINNING + LOOK)
        thread = threading.get_ident()
        await asyncio.sleep(3 * SHARING)
        assert threading.get_ident() == thread

    Machine(0.01).run(work())


@linux
def test_of_two_that_want_one_processor_each_waits_for_the_other() -> None:
    command = [sys.executable, "-c", ON_ONE_PROCESSOR + WAITING]
    told = subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert float(told.stdout) > 0.1


@linux
def test_who_has_one_processor_with_one_that_is_busy_shares_it_in_turns() -> None:
    command = [sys.executable, "-c", ON_ONE_PROCESSOR + CROWDED]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        try:
            for policy in (os.SCHED_OTHER, os.SCHED_IDLE) * 2:
                assert any(int(line) == policy for line in program.stdout)
        finally:
            program.kill()


@pytest.mark.parametrize("told", ["", "1", "1 x 2"])
def test_what_is_not_told_is_nothing(told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "schedstat"
    monkeypatch.setattr(processor, "_STATISTICS", file)
    assert read_use() == Use()
    file.write_text(told)
    assert read_use() == Use()
    file.write_text("7000000000 1500000000 3\n")
    assert read_use() == Use(7.0, 1.5)
    assert read_wait() == 1.5

"""What the system tells of waiting for a processor."""

import subprocess
import sys
from pathlib import Path

import pytest

from proxy.server import processor
from proxy.server.processor import read_processor_wait

CROWDED = """
import os, time
from proxy.server.processor import read_processor_wait

os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
until = time.monotonic() + 0.6
if os.fork():
    while time.monotonic() < until:
        pass
    print(read_processor_wait())
else:
    while time.monotonic() < until:
        pass
"""


@pytest.mark.skipif(not Path("/proc/thread-self/schedstat").exists(), reason="this system does not tell")
def test_of_two_that_want_one_processor_each_waits_for_the_other() -> None:
    told = subprocess.run([sys.executable, "-c", CROWDED], capture_output=True, check=True, timeout=60)
    assert float(told.stdout) > 0.1


@pytest.mark.parametrize("told", ["", "1", "1 x 2"])
def test_what_is_not_told_is_nothing(told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "schedstat"
    monkeypatch.setattr(processor, "_STATISTICS", file)
    assert read_processor_wait() == 0.0
    file.write_text(told)
    assert read_processor_wait() == 0.0
    file.write_text("7 1500000000 3\n")
    assert read_processor_wait() == 1.5

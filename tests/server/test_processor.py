"""What the system tells of waiting for a processor."""

import sys
import time
from pathlib import Path

import pytest

from proxy.server import processor
from proxy.server.processor import read_processor_wait


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_waiting_grows_and_is_never_more_than_the_time_there_was() -> None:
    started, before = time.monotonic(), read_processor_wait()
    sum(range(100_000))
    waited = read_processor_wait() - before
    assert 0.0 <= waited <= time.monotonic() - started + 0.1


@pytest.mark.parametrize("told", ["", "1", "1 x 2"])
def test_what_is_not_told_is_nothing(told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "schedstat"
    monkeypatch.setattr(processor, "_STATISTICS", file)
    assert read_processor_wait() == 0.0
    file.write_text(told)
    assert read_processor_wait() == 0.0
    file.write_text("7 1500000000 3\n")
    assert read_processor_wait() == 1.5

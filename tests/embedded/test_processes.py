"""The children of a process, however the system tells."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.embedded import processes
from proxy.embedded.processes import child_processes


def test_a_started_process_is_a_child_until_it_has_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in child_processes(os.getpid())
        assert os.getpid() not in child_processes(os.getpid())
        child.communicate(b"\n")
    assert child.pid not in child_processes(os.getpid())


def test_without_proc_it_asks_ps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(processes, "_PROC", tmp_path)
    listing = subprocess.CompletedProcess(
        [], 0, stdout="    7     1\n   10     7\n   11    10\n   12     7\n"
    )
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: listing)
    assert child_processes(7) == [10, 12]

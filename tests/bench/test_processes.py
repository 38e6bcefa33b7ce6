"""Processes, as /proc tells of them."""

import os
import subprocess
import sys

from tests.bench.processes import family, resident_bytes


def test_a_process_has_a_family_and_memory() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert {os.getpid(), child.pid} <= family(os.getpid())
        assert family(child.pid) == {child.pid}
        assert resident_bytes(os.getpid()) > 1024 * 1024
    finally:
        child.communicate(b"\n")

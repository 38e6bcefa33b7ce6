"""The programs as their users start them, each in a process of its own."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from tests.e2e.support import LOCALHOST

PATIENCE = 60.0
"""Seconds after which a program that neither starts nor ends is given up."""

PROXY = (sys.executable, "-m", "proxy")


@dataclass(frozen=True, slots=True)
class Program:
    """One running program, with its ports for clients and operators."""

    process: "subprocess.Popen[bytes]"
    log: Path
    port: int
    admin_port: int = 0
    operator: str = ""
    """Name and secret, joined by a colon, where the admin port asks for them."""

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"http://{LOCALHOST}:{self.port}"

    @property
    def admin_url(self) -> str:
        """Where operators connect."""
        return f"http://{self.operator}{'@' * bool(self.operator)}{LOCALHOST}:{self.admin_port}"

    def terminate(self) -> int:
        """Send SIGTERM and wait; gives the exit code."""
        self.process.terminate()
        return self.process.wait(PATIENCE)


@contextmanager
def serving(
    file: Path,
    directory: Path,
    settings: Mapping[str, str],
    command: Sequence[str] = PROXY,
    operator: str = "",
) -> Iterator[Program]:
    """``understudy serve``, with its schema cache loaded. ``file`` should let the system choose the ports."""
    with _started([*command, "serve", "--config", str(file)], directory, settings) as (process, log):
        found = _wait_for_text(process, log, r'port (\d+), admin ports? (\d+)[, \d"}]*\n')
        running = Program(process, log, int(found[1]), int(found[2]), operator)
        _wait_until(lambda: _is_loaded(running), process, log)
        yield running


@contextmanager
def standing_in(tape: str, directory: Path) -> Iterator[Program]:
    """``understudy stand-in`` for the recordings at ``tape``."""
    with _started([*PROXY, "stand-in", "--tape", tape, "--port", "0"], directory) as (process, log):
        yield Program(process, log, int(_wait_for_text(process, log, r"http://[^:]+:(\d+)\n")[1]))


@contextmanager
def postgrest(
    command: Sequence[str], directory: Path, settings: Mapping[str, str] | None = None
) -> Iterator[Program]:
    """A program that is configured as PostgREST is, from the moment when it can answer.

    ``settings`` are ``PGRST_*`` variables, completed by where to listen.
    """
    port, admin_port = unused_ports(2)
    own = {
        "PGRST_SERVER_HOST": LOCALHOST,
        "PGRST_SERVER_PORT": str(port),
        "PGRST_ADMIN_SERVER_HOST": LOCALHOST,
        "PGRST_ADMIN_SERVER_PORT": str(admin_port),
    }
    with _started(command, directory, {**(settings or {}), **own}) as (process, log):
        running = Program(process, log, port, admin_port)
        _wait_until(lambda: is_ready(running), process, log)
        yield running


def find_postgrest() -> tuple[str, ...]:
    """The command of a real PostgREST where there is one, else that of our own engine, in one process too."""
    binary = os.environ.get("POSTGREST_BIN") or shutil.which("postgrest")
    return (binary,) if binary else (*PROXY, "engine", "--workers", "1")


def run_to_end(
    arguments: Sequence[str], settings: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run ``python -m proxy`` with ``arguments`` until it ends by itself."""
    return subprocess.run(
        [*PROXY, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env=environment(settings),
    )


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without what configures PostgREST and libpq, and with ``changes``."""
    foreign = foreign_settings()
    return {name: value for name, value in os.environ.items() if name not in foreign} | dict(changes or {})


def foreign_settings() -> frozenset[str]:
    """The variables of this process's environment that configure PostgREST or libpq."""
    return frozenset(name for name in os.environ if name.startswith("PG"))


def is_ready(running: Program) -> bool:
    """Whether the program says on its admin port that it can answer clients."""
    try:
        return requests.get(f"{running.admin_url}/ready", timeout=PATIENCE).status_code == 200
    except requests.ConnectionError:
        return False


def unused_ports(count: int) -> list[int]:
    """Ports on which nobody listens."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((LOCALHOST, 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


@contextmanager
def _started(
    command: Sequence[str], directory: Path, settings: Mapping[str, str] | None = None
) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    """A process that writes into a file of its own in ``directory``; it is ended when the block is left."""
    log = directory / f"{len(list(directory.iterdir()))}.log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            env=environment({"PYTHONUNBUFFERED": "1", **(settings or {})}),
        )
    with process:
        try:
            yield process, log
        finally:
            process.terminate()


def _wait_for_text(process: "subprocess.Popen[bytes]", log: Path, pattern: str) -> "re.Match[str]":
    found: list[re.Match[str]] = []

    def is_written() -> bool:
        found.extend(re.finditer(pattern, log.read_text(encoding="utf-8")))
        return bool(found)

    _wait_until(is_written, process, log)
    return found[0]


def _wait_until(condition: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        running = process.poll() is None and time.monotonic() < deadline
        assert running, log.read_text(encoding="utf-8")[-3000:]
        time.sleep(0.02)


def _is_loaded(running: Program) -> bool:
    answer = requests.get(f"{running.admin_url}/status", timeout=PATIENCE)
    return bool(answer.json()["schema_loaded"])

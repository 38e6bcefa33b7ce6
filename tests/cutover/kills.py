"""``understudy promote`` and ``rollback``, killed at random moments, beside a proxy that follows the file."""

import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import requests

from proxy.config.edit import set_rule
from proxy.config.reader import read_config
from proxy.ledger.database import LedgerDatabase
from proxy.ledger.holds import put_hold
from proxy.shadow.guard import Hold
from proxy.shadow.promotion import find_promoted, find_rolled_back
from proxy.shadow.ramp import plan_steps
from tests.cutover.stage import login_url, write_file
from tests.e2e.programs import PATIENCE, PROXY, Program, environment, serving

HELD, MOVED = "item", "shelf"
SHARES = (1.0, 10.0, 50.0)
PAUSE = 0.05
"""Seconds between two steps of the ramp, so that a promotion writes the file several times."""


@dataclass
class Findings:
    """What became of the file, how often, and what must not be."""

    seen: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def play_kills(
    url: str, upstream: Program, directory: Path, *, kills: int, restart_every: int, dice: Random
) -> Findings:
    """Kill so many commands, and every so often the proxy as well; look at the file and at the modes."""
    findings = Findings()
    ledger = f"sqlite:///{directory}/ledger.db"
    file = write_file(directory, ledger, upstream.url, login_url(url, "cutover_engine"), reads="engine")
    file.write_text(set_rule(file.read_text(), "tables", MOVED, {"reads": "shadow"}))
    with ExitStack() as stack:
        running = stack.enter_context(serving(file, directory, {}))
        _hold(ledger)
        _expect_modes(running, file, findings)
        usual = _measure(file)
        for number in range(1, kills + 1):
            before = file.read_text()
            killed = _kill_one(file, usual, dice)
            after = file.read_text()
            findings.seen["killed" if killed else "ended before"] += 1
            findings.seen["file changed" if after != before else "file as before"] += 1
            findings.seen["half of a file left beside"] += _find_half(file).exists()
            if after not in _list_ways(before):
                findings.faults.append(f"after kill {number} the file is neither the old one nor a new one")
                file.write_text(before)
            if number % restart_every == 0:
                running.process.kill()
                running.process.wait()
                running = stack.enter_context(serving(file, directory, {}))
                findings.seen["proxy killed too"] += 1
            _expect_modes(running, file, findings)
        if _run("rollback", file).wait() or _find_half(file).exists() or _read(file) != "shadow":
            findings.faults.append("what the killed ones left is in the way of the next")
        _expect_modes(running, file, findings)
    return findings


def _hold(ledger: str) -> None:
    database = LedgerDatabase(ledger, create=False)
    hold = Hold(HELD, time.time(), "errors", "5 engine errors")
    assert database.write(lambda connection: put_hold(connection, hold, "another"))
    database.close()


def _kill_one(file: Path, usual: float, dice: Random) -> bool:
    """Start a command and kill it; whether it was still running.

    Half of them at any moment of their lives, half while they write, or shortly after.
    """
    process = _run("rollback" if _read(file) != "shadow" else "promote", file)
    if dice.random() < 0.5:
        _wait_while_running(process, dice.uniform(0.0, usual))
    else:
        half, writings = _find_half(file), dice.randint(1, len(SHARES) + 1)
        while process.poll() is None:
            if half.exists():
                writings -= 1
                if not writings:
                    break
                while process.poll() is None and half.exists():
                    pass
        _wait_while_running(process, dice.uniform(0.0, 0.004))
    process.kill()
    return process.wait() < 0


def _wait_while_running(process: "subprocess.Popen[bytes]", seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return


def _run(command: str, file: Path) -> "subprocess.Popen[bytes]":
    arguments = [command, MOVED, "--config", str(file), "--reason", "to be killed"]
    if command == "promote":
        shares = ",".join(f"{share:g}" for share in SHARES)
        arguments += ["--to", "engine", "--ramp", shares, "--every", f"{PAUSE * 1000:g}ms", "--force"]
    return subprocess.Popen(
        [*PROXY, *arguments],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _measure(file: Path) -> float:
    """How long a promotion takes that nobody kills; it is rolled back again."""
    started = time.monotonic()
    assert _run("promote", file).wait() == 0
    seconds = time.monotonic() - started
    assert _run("rollback", file).wait() == 0
    return seconds


def _find_half(file: Path) -> Path:
    """What is beside the file while a new one is being written."""
    return file.with_name(f".{file.name}.new")


def _read(file: Path) -> str:
    return str(read_config(file.read_bytes(), file.name, {}).config.tables[MOVED].reads)


def _list_ways(text: str) -> Sequence[str]:
    """``text``, and every text that the command makes of it on its way."""
    ways = [text]
    rule = read_config(text.encode(), "file", {}).config.tables[MOVED]
    if rule.reads != "shadow":
        return [text, set_rule(text, "tables", MOVED, find_rolled_back(rule))]
    for step in plan_steps("engine", SHARES, PAUSE):
        rule = read_config(ways[-1].encode(), "file", {}).config.tables[MOVED]
        ways.append(set_rule(ways[-1], "tables", MOVED, find_promoted(rule, step)))
    return ways


def _expect_modes(running: Program, file: Path, findings: Findings) -> None:
    """Wait until the proxy does what the file says, less the hold."""
    wanted = {MOVED: (_read(file), False), HELD: ("shadow", True)}
    deadline = time.monotonic() + PATIENCE
    while (modes := _ask_modes(running)) != wanted:
        if time.monotonic() > deadline:
            findings.faults.append(f"modes are {modes}, and {wanted} by file and hold")
            return
        time.sleep(0.02)


def _ask_modes(running: Program) -> dict[str, tuple[str, bool]]:
    status: dict[str, Any] = requests.get(f"{running.admin_url}/status", timeout=PATIENCE).json()
    rows = (row for row in status["modes"] if row["table"] in (MOVED, HELD))
    return {row["table"]: (row["reads"], row["held"]) for row in rows}

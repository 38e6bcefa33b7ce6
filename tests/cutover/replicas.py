"""Two proxies, each in a process of its own, on one ledger: what the guard of one holds, both hold."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.cutover.faults import lose_database, restore_database
from tests.cutover.stage import login_url, write_file
from tests.e2e.programs import PATIENCE, Program, serving
from tests.support.database import run_apart

KNOWN_WITHIN = 2.0
"""Seconds after which a hold has to be known to the other replica."""

TABLE = "item"


@dataclass(frozen=True, slots=True)
class Spread:
    """Seconds from when a table was held, or re-armed, at one replica until it was at the other."""

    held: float
    rearmed: float


@contextmanager
def two_replicas(
    url: str, upstream: Program, directory: Path, ledger: str
) -> Iterator[tuple[Program, Program]]:
    """Two replicas that follow one file, in which the engine answers; ``url`` is the superuser's."""
    file = write_file(directory, ledger, upstream.url, login_url(url, "cutover_engine"), reads="engine")
    with serving(file, directory, {}) as one, serving(file, directory, {}) as other:
        yield one, other


def spread_hold(url: str, one: Program, other: Program) -> Spread:
    """Let the engine's database go away, ask only ``one``, and see how soon ``other`` holds the table too."""
    run_apart(lose_database(url))
    try:
        _wait(lambda: _ask(one) and _find_hold(one) is not None)
        _wait(lambda: _find_hold(other) is not None)
        seen = time.time()
    finally:
        run_apart(restore_database(url))
    hold, copy = _find_hold(one), _find_hold(other)
    assert hold is not None
    assert hold == copy
    answer = requests.post(
        f"{other.admin_url}/holds/{TABLE}/rearm",
        params={"who": "anna", "why": "it is back"},
        timeout=PATIENCE,
    )
    assert answer.status_code == 200, answer.text
    rearmed = time.time()
    _wait(lambda: _find_hold(one) is None)
    return Spread(seen - hold["since"], time.time() - rearmed)


def _ask(replica: Program) -> bool:
    """Read the table once; the client is answered whatever the engine does."""
    answer = requests.get(f"{replica.url}/{TABLE}?id=eq.1", timeout=PATIENCE)
    assert answer.status_code == 200, answer.text
    return True


def _find_hold(replica: Program) -> dict[str, Any] | None:
    holds = requests.get(f"{replica.admin_url}/holds", timeout=PATIENCE).json()
    return next((hold for hold in holds if hold["table"] == TABLE), None)


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)

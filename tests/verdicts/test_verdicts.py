"""The short form of ``make verdicts``: it shows that the measurements measure, and every planted fault."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.programs import Program
from tests.verdicts.alarms import SHADOW, Outcome, read_beside_writers
from tests.verdicts.detection import Finding, detect
from tests.verdicts.faults import FAULTS
from tests.verdicts.stage import proxy_before, shop_database, upstream_on


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("verdicts")


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with shop_database() as url:
        yield url


@pytest.fixture(scope="module")
def upstream(database: str, directory: Path) -> Iterator[Program]:
    with upstream_on(database, directory) as running:
        yield running


@pytest.fixture(scope="module")
def findings(database: str, upstream: Program) -> dict[str, Finding]:
    found = asyncio.run(detect(database, upstream.url, FAULTS))
    return {finding.fault.name: finding for finding in found}


def test_there_are_enough_faults_and_no_two_of_one_name() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 60


@pytest.mark.parametrize("name", [fault.name for fault in FAULTS])
def test_a_planted_fault_is_found_in_its_aspects(name: str, findings: dict[str, Finding]) -> None:
    finding = findings[name]
    assert finding.right, (finding.verdict, finding.aspects, finding.signature, finding.detail)


@pytest.mark.parametrize("rate", [200, 1000])
def test_writers_make_no_false_alarm(rate: int, database: str, upstream: Program, directory: Path) -> None:
    with proxy_before(upstream, database, directory, shadow=SHADOW, compare="{selftest: 20}") as running:
        outcome = asyncio.run(read_beside_writers(database, running, rate, reads=600, seconds=30))
    assert outcome.counts["mismatch"] == 0, outcome.examples
    assert outcome.pending == 0
    assert outcome.injected == outcome.detected > 0
    assert outcome.compared > 0


def ask(running: Program, *targets: str) -> dict[str, Any]:
    """Read ``targets`` one after the other; the status once all that is settled."""
    for target in targets:
        requests.get(running.url + target, timeout=20)
    while True:
        status: dict[str, Any] = requests.get(f"{running.admin_url}/status", timeout=20).json()
        if not any(table["pending"] for table in status["tally"]):
            return status


def verdicts(status: Mapping[str, Any], table: str) -> dict[str, int]:
    (row,) = (row for row in status["tally"] if row["table"] == table)
    return {verdict: count for verdict, count in row["verdicts"].items() if count}


def test_what_is_made_up_on_every_call_is_volatile_and_proposed_as_a_rule(
    database: str, upstream: Program, directory: Path
) -> None:
    with proxy_before(upstream, database, directory) as running:
        status = ask(running, "/clock?order=id", "/clock?select=id,name&order=id", "/rpc/dice")
    assert verdicts(status, "clock") == {"volatile": 1, "match": 1}
    # A function that may do something is not called again.
    assert verdicts(status, "rpc/dice") == {"inconclusive": 1}
    assert status["proposed_rules"] == [
        {"table": "clock", "shape": "GET clock?order=id", "path": "seen", "header": ""}
    ]


def test_a_rule_excuses_what_it_names_and_says_that_it_did(
    database: str, upstream: Program, directory: Path
) -> None:
    rule = "{table: clock, path: seen, reason: it is a clock, expires: 2100-01-01}"
    expired = "{table: listing, path: name, reason: it was once, expires: 2020-01-01}"
    with proxy_before(upstream, database, directory, compare=f"{{ignore: [{rule}, {expired}]}}") as running:
        status = ask(running, "/clock?order=id")
    assert verdicts(status, "clock") == {"match": 1}
    assert [(one["rule"], one["state"], one["hits"]) for one in status["ignore_rules"]] == [
        ("clock: seen", "active", 1),
        ("listing: name", "expired", 0),
    ]


def test_a_pause_is_in_force_at_once(database: str, upstream: Program, directory: Path) -> None:
    with proxy_before(upstream, database, directory) as running:
        requests.post(f"{running.admin_url}/pause", timeout=20)
        assert ask(running, "/item?id=eq.1")["mirror"] == {"paused": True, "stopped": False}
        requests.post(f"{running.admin_url}/resume", timeout=20)
        status = ask(running, "/item?id=eq.1")
    (row,) = status["tally"]
    assert (row["shed"]["paused"], row["verdicts"]["match"]) == (1, 1)


def test_an_outcome_says_what_is_wrong_with_it() -> None:
    assert Outcome(200, 200.0, 1.0, {"match": 100, "inconclusive": 1}).faults == []
    assert Outcome(200, 200.0, 1.0, {"match": 100, "mismatch": 1}, 1).faults == [
        "1 false alarms",
        "1 reads unaccounted for",
    ]
    assert Outcome(200, 200.0, 1.0, {"match": 10, "inconclusive": 1}).faults == [
        "9.09% inconclusive, more than 2 %"
    ]
    assert Outcome(10, 10.0, 1.0, {"match": 1}, injected=2, detected=1).faults == [
        "1 falsified answers were not found"
    ]
    assert Outcome(10, 10.0, 1.0).faults == ["nothing was compared"]

"""What was counted on both sides of the proxy and in its ledger: all have to agree to the last request."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

from proxy.ledger.database import LedgerDatabase
from proxy.ledger.read import list_evidence, list_traffic
from tests.soak.stage import Stage
from tests.soak.traffic import TABLES, Seen

PATIENCE = 30.0
LASTING = (*TABLES, "note")
"""The tables whose schema stays: of the others one side may know what the other does not know yet."""


async def settle(stage: Stage) -> dict[str, Any]:
    """The proxy's status as soon as the end of every read is known. Raises TimeoutError."""
    async with asyncio.timeout(PATIENCE):
        while True:
            status = await stage.status()
            if not any(row["pending"] for row in status["tally"]):
                return status
            await asyncio.sleep(0.1)


def sum_tally(status: Mapping[str, Any]) -> Counter[str]:
    """The tally of all tables together."""
    counts: Counter[str] = Counter()
    for row in status["tally"]:
        counts.update(reads=row["reads"], writes=row["writes"], settled=row["settled"])
        counts.update(engine_served=row["engine_served"], unknown_outcomes=row["unknown_outcomes"])
        if row["table"] in LASTING:
            counts.update(false=row["verdicts"]["mismatch"] + row["rehearsals"]["mismatch"])
        counts.update(fallbacks=sum(row["fallbacks"].values()), judged=sum(row["verdicts"].values()))
        for kind in ("verdicts", "skipped", "shed", "rehearsals", "unrehearsed"):
            counts.update({f"{kind}: {name}": count for name, count in row[kind].items() if count})
    return counts


async def check_accounts(stage: Stage, seen: Seen, counts: Mapping[str, int]) -> list[str]:
    """Where the proxy's counts are not the clients'."""
    problems = []
    if counts["reads"] != counts["settled"]:
        problems.append(f"{counts['reads']} reads, of which {counts['settled']} have an end")
    if counts["reads"] + counts["writes"] != seen.requests:
        told = counts["reads"] + counts["writes"]
        problems.append(f"{seen.requests} requests were sent, {told} are counted")
    if counts["false"]:
        problems.append(f"{counts['false']} mismatches between two sides that are the same")
    problems += await _check_notes(stage, seen)
    return problems


async def _check_notes(stage: Stage, seen: Seen) -> list[str]:
    """Every note that was acknowledged is there once, and no other one but what is in doubt."""
    rows: Counter[str] = Counter()
    for key, times in await stage.fetch("select key, count(*) from soak.note group by key"):
        rows[key] = times
    problems = [f"{key} was written {times} times" for key, times in rows.items() if times > 1]
    if missing := seen.acknowledged - rows.keys() - seen.doubtful:
        problems.append(f"{len(missing)} acknowledged notes are not there")
    if surplus := rows.keys() - seen.acknowledged - seen.doubtful:
        problems.append(f"{len(surplus)} notes are there that nobody was told of")
    return problems


def check_ledger(url: str, counts: Mapping[str, int]) -> list[str]:
    """Where the ledger, which the ended proxy has left behind, says something else than its last status."""
    database = LedgerDatabase(url, create=False)
    try:
        evidence = database.read(list_evidence)
        traffic = database.read(list_traffic)
    finally:
        database.close()
    kept = {
        "judged": sum(one.reads for _, one in evidence),
        "reads": sum(one.count for one in traffic if one.kind == "reads"),
        "writes": sum(one.count for one in traffic if one.kind == "writes"),
    }
    return [
        f"the ledger has {found} {name}, the proxy counted {counts[name]}"
        for name, found in kept.items()
        if found != counts[name]
    ]

"""One thing broken in one way while the clients of all modes go on, and the accounts afterwards."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import asyncpg

from proxy.errors import UnderstudyError
from proxy.ledger.read import list_evidence
from tests.chaos.breaking import breaking
from tests.chaos.cells import CELLS, MODES, Broken, Cell, How, Mode, Seen
from tests.chaos.clients import Crowd, Kind, Notes
from tests.chaos.stage import Place, Stage, set_stage, table_of
from tests.e2e.support import is_settled, until, until_async

ENOUGH = 3
"""So many answers of each kind and mode are seen before, while and after something is broken."""

LASTING = 1.0
"""Seconds for which something is broken, at least."""

PATIENCE = 40.0

BESIDE: dict[Broken, bool] = {"client": True}
"""Where there are requests beside those of the crowd, whose number is not known."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was seen in one cell: outcomes of both kinds, the slowest answer, what was counted, seconds until
    all was well again, and what should not be."""

    cell: Cell
    reads: Counter[str]
    writes: Counter[str]
    slowest: float
    counts: Counter[str]
    mended_in: float
    faults: tuple[str, ...]


def find_cells(broken: Broken, how: How) -> dict[Mode, Cell]:
    """The cells of one row, by mode."""
    return {cell.mode: cell for cell in CELLS if (cell.broken, cell.how) == (broken, how)}


async def play(place: Place, broken: Broken, how: How, number: int) -> list[Finding]:
    """Play one row of the matrix."""
    loop = asyncio.get_running_loop()
    async with set_stage(place, broken, number) as stage:
        crowd = Crowd(stage.proxy.port)
        living = asyncio.create_task(crowd.live())
        faults: list[str] = []
        mended_in = 0.0
        before = {mode: count(stage, mode) for mode in MODES}
        try:
            await until_async(partial(_is_well, stage, crowd, before), PATIENCE)
            before = {mode: count(stage, mode) for mode in MODES}
            async with breaking(stage, broken, how):
                crowd.begin()
                await asyncio.sleep(LASTING)
                await until(lambda: crowd.has(_is_enough), PATIENCE)
                await until(lambda: _all_are_counted(stage, broken, how, before), PATIENCE / 2)
            mended = loop.time()
            seen = {mode: crowd.notes[mode] for mode in MODES}
            outcomes = {mode: (dict(notes.seen), notes.slowest) for mode, notes in seen.items()}
            after = {mode: count(stage, mode) for mode in MODES}
            crowd.begin()
            await until_async(partial(_is_well, stage, crowd, after), PATIENCE)
            mended_in = loop.time() - mended
        except TimeoutError:
            outcomes = {mode: (dict(crowd.notes[mode].seen), crowd.notes[mode].slowest) for mode in MODES}
            after = {mode: count(stage, mode) for mode in MODES}
            faults.append(f"not well after {PATIENCE:g} s: {_describe(crowd)}")
        finally:
            crowd.leave()
            await living
        faults += await check_accounts(stage, crowd, exact=broken != "client")
        faults += await check_ledger(stage)
    found = []
    for mode, cell in find_cells(broken, how).items():
        by_kind, slowest = outcomes[mode]
        counted = after[mode] - before[mode]
        own = [
            *judge("reads", cell.reads, by_kind["reads"]),
            *judge("writes", cell.writes, by_kind["writes"]),
            *(f"{name} was not counted" for name in cell.counted if not is_counted(name, counted)),
            *(fault for fault in faults if not fault.startswith("in_") or fault.startswith(table_of(mode))),
        ]
        found.append(
            Finding(cell, by_kind["reads"], by_kind["writes"], slowest, counted, mended_in, tuple(own))
        )
    return found


def judge(kind: Kind, expected: Seen, outcomes: Counter[str]) -> list[str]:
    """What clients saw and should not have, and what they should have seen."""
    wrong = [f"{kind}: {outcome} was seen" for outcome in outcomes if outcome not in expected.may]
    return wrong + [f"{kind}: {outcome} was not seen" for outcome in expected.must if not outcomes[outcome]]


def is_counted(name: str, counts: Counter[str]) -> bool:
    """Whether one of the counters in ``name`` is above zero."""
    return any(counts[one] > 0 for one in name.split("|"))


def count(stage: Stage, mode: Mode) -> Counter[str]:
    """What the proxy has counted of the table in this mode, and of itself."""
    counts = Counter(stage.witness.happened)
    reload = stage.proxy.health.last_reload
    counts["clients that left"] = stage.witness.served[table_of(mode), 499]
    counts["file refused"] = int(reload is not None and not reload.accepted)
    for row in stage.proxy.tally.report():
        if row.table != table_of(mode):
            continue
        counts.update(reads=row.reads, writes=row.writes, engine_served=row.engine_served)
        counts.update(fallbacks=sum(row.fallbacks.values()), unknown_outcomes=row.unknown_outcomes)
        counts.update(unrehearsed=sum(row.unrehearsed.values()))
        counts.update({f"rehearsal {name}": number for name, number in row.rehearsals.items()})
        for kind in (row.verdicts, row.skipped, row.shed):
            counts.update(kind)
        counts["client_gone"] += row.unrehearsed["client_gone"]
    return counts


async def check_accounts(stage: Stage, crowd: Crowd, *, exact: bool) -> list[str]:
    """Where the counters of the two sides, or the rows, are not what they have to be; promise 3."""
    try:
        await until(lambda: is_settled(stage.proxy), PATIENCE)
    except TimeoutError:
        return ["some reads have no end"]
    faults = []
    tally = {row.table: row for row in stage.proxy.tally.report()}
    rows = await fetch_keys(stage)
    for mode, notes in crowd.notes.items():
        table, row = table_of(mode), tally[table_of(mode)]
        served = {code: n for (name, code), n in stage.witness.served.items() if name == table}
        told = {code: n for code, n in notes.statuses.items() if code >= 400}
        if row.reads != row.settled or row.pending:
            faults.append(f"{table}: {row.reads} reads, {row.settled} with an end")
        if row.to_rehearse != sum(row.rehearsals.values()) + sum(row.unrehearsed.values()):
            faults.append(f"{table}: {row.to_rehearse} writes to rehearse, and not as many ends")
        if row.verdicts["mismatch"] or row.rehearsals["mismatch"]:
            faults.append(f"{table}: a mismatch between two sides that are the same")
        if exact and row.reads + row.writes != notes.sent:
            faults.append(f"{table}: {notes.sent} requests sent, {row.reads + row.writes} counted")
        faults += [
            f"{table}: {n} answers {code} seen, {served.get(code, 0)} counted"
            for code, n in told.items()
            if served.get(code, 0) < n
        ]
        faults += [f"{table}: {text}" for text in compare_rows(rows[table], notes)]
    seen = sum(sum(n for code, n in notes.statuses.items() if code < 400) for notes in crowd.notes.values())
    passed = stage.upstream.requests + sum(row.engine_served for row in tally.values())
    if seen > passed + sum(row.writes for row in tally.values()):
        faults.append("more answers were seen than were given")
    return faults


def compare_rows(rows: Counter[str], notes: Notes) -> Iterable[str]:
    """Nothing acknowledged is lost, nothing is done twice, nothing is done that was told not to be."""
    if twice := [key for key, number in rows.items() if number > 1]:
        yield f"written twice: {twice[:3]}"
    if lost := notes.done - rows.keys():
        yield f"acknowledged and lost: {sorted(lost)[:3]}"
    if done := notes.not_done & rows.keys():
        yield f"told as failed, and done: {sorted(done)[:3]}"
    if foreign := rows.keys() - notes.done - notes.not_done - notes.doubtful:
        yield f"written by nobody: {sorted(foreign)[:3]}"


async def fetch_keys(stage: Stage) -> dict[str, Counter[str]]:
    """What was written during this scene, by table; it is gone afterwards."""
    connection = await asyncpg.connect(stage.place.database)
    try:
        found = {}
        for table in map(table_of, MODES):
            rows = await connection.fetch(f"DELETE FROM chaos.{table} WHERE id >= 1000 RETURNING name")
            found[table] = Counter(row["name"] for row in rows)
        return found
    finally:
        await connection.close()


async def check_ledger(stage: Stage) -> list[str]:
    """Whether the ledger has every verdict that was given, as far as it did not tell that it let some go."""
    ledger = stage.proxy.ledger

    async def is_written() -> bool:
        return await ledger.flush() and not ledger.entries

    await until_async(is_written, PATIENCE)
    evidence = await ledger.read(list_evidence)
    kept = sum(one.reads for _, one in evidence)
    given = sum(sum(row.verdicts.values()) for row in stage.proxy.tally.report())
    shed = ledger.condition.shed
    return [] if kept == given or shed else [f"the ledger has {kept} verdicts of {given}"]


def _is_right(notes: Notes, kind: Kind) -> bool:
    return notes.in_a_row[kind] >= ENOUGH


def _is_enough(notes: Notes, kind: Kind) -> bool:
    return notes.seen[kind].total() >= ENOUGH


def _all_are_counted(stage: Stage, broken: Broken, how: How, before: dict[Mode, Counter[str]]) -> bool:
    return all(
        is_counted(name, count(stage, mode) - before[mode])
        for mode, cell in find_cells(broken, how).items()
        for name in cell.counted
    )


async def _is_well(stage: Stage, crowd: Crowd, since: dict[Mode, Counter[str]]) -> bool:
    """Whether clients get what is right, and each mode does what it is for; holds are let go."""
    for table in stage.proxy.guarding.holds:
        with suppress(UnderstudyError):
            await stage.proxy.guarding.rearm(table, "chaos", "mended")
    new = {mode: count(stage, mode) - since[mode] for mode in MODES}
    agreed = {mode: new[mode]["match"] + new[mode]["equivalent"] > 0 for mode in MODES}
    return (
        crowd.has(_is_right)
        and agreed["shadow"]
        and agreed["canary"]
        and agreed["engine"]
        and new["engine"]["engine_served"] > 0
        and new["rehearse"]["rehearsal match"] > 0
        and await stage.proxy.ledger.flush()
    )


def _describe(crowd: Crowd) -> str:
    return "; ".join(f"{mode} {dict(notes.seen['reads'])}" for mode, notes in crowd.notes.items())

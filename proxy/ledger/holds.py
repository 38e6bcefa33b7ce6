"""The guard's holds, which outlive the process and are the same for all replicas.

Both putting and taking one are written down among the mode changes as well, so that they stay known.
"""

import asyncio
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import cast

from sqlalchemy import Connection, delete, select

from proxy.events import TripReason
from proxy.ledger.batch import clean
from proxy.ledger.database import LedgerDatabase, Result, Work
from proxy.ledger.tables import HOLDS, MODE_CHANGES
from proxy.shadow.guard import Hold
from proxy.shadow.scrub import scrub

GUARD = "guard"
"""Who is written down for a hold that nobody but the guard has put."""


def put_hold(connection: Connection, hold: Hold, replica: str) -> bool:
    """Keep ``hold``; False if its table is held already, by whichever replica."""
    held = select(HOLDS.c.table_name).where(HOLDS.c.table_name == hold.table)
    if connection.scalar(held) is not None:
        return False
    row = {
        "table_name": hold.table,
        "since": hold.since,
        "reason": hold.reason,
        "words": clean(hold.words),
        "replica": replica,
    }
    connection.execute(HOLDS.insert(), row)
    _note(connection, hold.table, "engine", "held", GUARD, hold.words, hold.since, replica)
    return True


def remove_hold(connection: Connection, table: str, who: str, why: str, now: float) -> bool:
    """Take the hold from ``table``; whether there was one."""
    if connection.execute(delete(HOLDS).where(HOLDS.c.table_name == table)).rowcount == 0:
        return False
    _note(connection, table, "held", "re-armed", who, why, now, "")
    return True


def list_holds(connection: Connection) -> dict[str, Hold]:
    """All holds, by table."""
    return {
        row.table_name: Hold(row.table_name, row.since, cast(TripReason, row.reason), row.words)
        for row in connection.execute(select(HOLDS).order_by(HOLDS.c.table_name))
    }


def note_change(
    connection: Connection, table: str, before: str, after: str, who: str, why: str, now: float
) -> None:
    """Write down that somebody has changed what a table's reads do, by way of the file."""
    _note(connection, table, before, after, who, why, now, "")


def _note(
    connection: Connection,
    table: str,
    before: str,
    after: str,
    who: str,
    why: str,
    now: float,
    replica: str,
) -> None:
    row = {
        "id": uuid.uuid4().hex,
        "replica": replica,
        "changed_at": now,
        "table_name": table,
        "operation": "reads",
        "mode_before": before,
        "mode_after": after,
        "who": clean(scrub(who)),
        "why": clean(scrub(why)),
    }
    connection.execute(MODE_CHANGES.insert(), row)


class LedgerHolds:
    """The holds in ``database``, as the guard asks for them.

    It has a connection and a thread of its own: a hold must not wait behind a flush of evidence.
    """

    def __init__(self, database: LedgerDatabase, replica: str, wall_clock: Callable[[], float]) -> None:
        self._database = database
        self._replica = replica
        self._wall_clock = wall_clock
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="holds")

    async def put(self, hold: Hold) -> None:
        """Keep a hold; one that is there already stays as it is. Raises LedgerDown and its likes."""
        await self._write(lambda connection: put_hold(connection, hold, self._replica))

    async def remove(self, table: str, who: str, why: str) -> None:
        """Take the hold from a table, if there is one. Raises LedgerDown and its likes."""
        now = self._wall_clock()
        await self._write(lambda connection: remove_hold(connection, table, who, why, now))

    async def list(self) -> Mapping[str, Hold]:
        """All holds, by table. Raises LedgerDown and its likes."""
        return await self._apart(lambda: self._database.read(list_holds))

    async def close(self) -> None:
        """Let go of the database."""
        await self._apart(self._database.close)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _write(self, work: Work[Result]) -> Result:
        return await self._apart(lambda: self._database.write(work))

    async def _apart(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

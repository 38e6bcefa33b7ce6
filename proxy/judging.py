"""Readiness as it is shown all the time: every table judged about once a minute."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial

from sqlalchemy import Connection

from proxy.config import ReadinessConfig
from proxy.errors import UnderstudyError
from proxy.ledger.judging import gather_evidence, list_judged
from proxy.ledger.ledger import Ledger
from proxy.server.state import State
from proxy.shadow.policy import list_modes
from proxy.shadow.readiness import Readiness, TableEvidence, judge_readiness

EVERY = 60.0
AFTER = 6.0
PAUSE = 0.05
"""Seconds between two rounds, from the start to the first, and between two tables."""


class ReadinessWatch:
    """Judges every table about once a minute, and has ``show`` told.

    Table by table with a pause between, in the ledger's thread: no client's answer waits for it. While the
    ledger cannot be read, the last judgements stay. ``wall_clock`` gives seconds since 1970.
    """

    def __init__(
        self,
        ledger: Ledger,
        state: State,
        show: Callable[[Readiness], None],
        wall_clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._ledger = ledger
        self._state = state
        self._show = show
        self._wall_clock = wall_clock
        self._sleep = sleep

    async def keep(self) -> None:
        """Judge until cancelled."""
        while True:
            await self._sleep(AFTER)
            with contextlib.suppress(UnderstudyError):
                await self._judge_all()
            await self._sleep(EVERY - AFTER)

    async def _judge_all(self) -> None:
        snapshot = self._state.current
        judged = await self._ledger.read(list_judged)
        for modes in list_modes(snapshot.config, snapshot.names):
            table = modes.table
            limits, now = snapshot.config.readiness, self._wall_clock()
            if table not in judged:
                self._show(judge_readiness(TableEvidence(table), limits, now))
                continue
            judge = partial(judge_kept, table=table, limits=limits, now=now)
            self._show(await self._ledger.read(judge))
            await self._sleep(PAUSE)


def judge_kept(connection: Connection, table: str, limits: ReadinessConfig, now: float) -> Readiness:
    """The judgement on ``table`` at ``now`` by what the ledger knows."""
    evidence = gather_evidence(connection, table).get(table, TableEvidence(table))
    return judge_readiness(evidence, limits, now)

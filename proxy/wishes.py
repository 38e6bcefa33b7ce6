"""Do what people wish of the tables of a running proxy: the same for the admin port and the web console.

The file is changed as ``understudy promote`` changes it, and read again at once. Where it cannot be changed
from here, as in a ConfigMap, the patch is told instead.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from proxy.config.reader import ConfigFile
from proxy.errors import ConfigError, EditRefused, UnderstudyError
from proxy.events import ModeChanged
from proxy.judging import judge_kept
from proxy.ledger.ledger import Ledger
from proxy.modes.file import NotChangeable
from proxy.modes.patch import CONFIG_MAP, explain_patch, find_namespace
from proxy.modes.switch import Changed, Order, Refused, Switch
from proxy.server.state import State
from proxy.shadow.guard import Hold
from proxy.shadow.policy import list_modes
from proxy.shadow.promotion import describe_rule, find_target
from proxy.shadow.ramp import plan_steps
from proxy.shadow.readiness import Readiness
from proxy.shadow.subject import OTHER
from proxy.shadow.wish import Outcome, Wish

USUAL_SHARE = 10.0
"""The percentage of a canary of which nobody says how large it is to be."""


class HoldsTables(Protocol):
    """The guard, as far as people handle it."""

    @property
    def holds(self) -> Mapping[str, Hold]: ...

    async def rearm(self, table: str, who: str, why: str) -> bool: ...


class Reloads(Protocol):
    """Reads the file now; see ``proxy.server.reload``."""

    def __call__(self, who: str, why: str) -> Awaitable[None]: ...


@dataclass(frozen=True, slots=True)
class WatchedFile:
    """The configuration file that the proxy follows: where it is, how it is read, how it is read at once."""

    path: Path
    parse: Callable[[bytes], ConfigFile]
    reload: Reloads


@dataclass
class Known:
    """What is known of the one table of a wish, and the changes that were made to it."""

    readiness: Readiness | None
    holds: Mapping[str, Hold]
    changes: list[Changed] = field(default_factory=list)

    def judge(self, _: str) -> Readiness | None:
        return self.readiness

    def find_hold(self, table: str) -> Hold | None:
        return self.holds.get(table)

    def record(self, change: Changed) -> None:
        self.changes.append(change)


class Wishes:
    """Called with each wish. It never raises: whatever is in the way is the outcome.

    ``file`` is None where the proxy runs without one. ``wall_clock`` gives seconds since 1970.
    """

    def __init__(
        self,
        file: WatchedFile | None,
        state: State,
        guarding: HoldsTables,
        ledger: Ledger,
        wall_clock: Callable[[], float],
    ) -> None:
        self._file = file
        self._state = state
        self._guarding = guarding
        self._ledger = ledger
        self._wall_clock = wall_clock

    async def __call__(self, wish: Wish) -> Outcome:
        """Do it, or say why not."""
        if not wish.why.strip() and (wish.force or wish.action == "rearm"):
            return Outcome("refused", ("a reason is needed",))
        if wish.action == "rearm":
            return await self._rearm(wish)
        table = find_target(wish.table, self._state.current.config).label
        if not self._is_known(table):
            return Outcome("refused", (f"there is no table or function {wish.table}",))
        if self._file is None:
            return Outcome("refused", ("the proxy runs without a configuration file",))
        return await self._change(wish, table, self._file)

    async def _rearm(self, wish: Wish) -> Outcome:
        try:
            held = await self._guarding.rearm(wish.table, wish.who, wish.why)
        except UnderstudyError as error:
            return Outcome("unreachable", (f"the hold cannot be taken: {error}",))
        if not held:
            return Outcome("refused", (f"there is no hold on {wish.table}",))
        return Outcome("done", (f"{wish.table}: re-armed",))

    async def _change(self, wish: Wish, table: str, file: WatchedFile) -> Outcome:
        name = file.path.name
        known = Known(None, self._guarding.holds)
        doubts: list[str] = []
        if wish.action == "promote" and not wish.force:
            try:
                known.readiness = await self._judge(table)
            except UnderstudyError as error:
                doubts.append(f"the ledger cannot be read: {error}")
        said: list[str] = []
        try:
            await asyncio.to_thread(_switch, wish, file, known, said.append)
        except Refused as refused:
            return Outcome("refused", (*str(refused).splitlines(), *doubts))
        except NotChangeable as refused:
            patch = explain_patch(refused, name, os.environ.get(CONFIG_MAP), find_namespace())
            return Outcome("not_writable", (f"{name} cannot be changed by the proxy",), patch)
        except (ConfigError, EditRefused, ValueError) as error:
            return Outcome("refused", tuple(str(error).splitlines()))
        except OSError as error:
            return Outcome("refused", (f"{name}: {error.strerror or type(error).__name__}",))
        await file.reload(wish.who, wish.why)
        return self._conclude(wish, known.changes, said)

    def _conclude(self, wish: Wish, changes: Sequence[Changed], said: Sequence[str]) -> Outcome:
        """Keep who has changed the file and why, and see that it is in force."""
        for one in changes:
            self._ledger.listen(ModeChanged(one.table, "reads", one.before, one.after, one.who, one.why))
        ignored = changes and not self._is_in_force(wish.table, changes[-1].after)
        more = ("the proxy does not follow the changed file: its last reload says why",) if ignored else ()
        return Outcome("done", (*said, *more))

    async def _judge(self, table: str) -> Readiness:
        """The judgement on ``table`` by what the ledger knows. Raises UnderstudyError."""
        limits, now = self._state.current.config.readiness, self._wall_clock()
        return await self._ledger.read(partial(judge_kept, table=table, limits=limits, now=now))

    def _is_known(self, table: str) -> bool:
        """Whether there is such a table; while no schema cache is loaded, every one may be there."""
        snapshot = self._state.current
        if snapshot.engine is None:
            return True
        return table != OTHER and any(
            one.table == table for one in list_modes(snapshot.config, snapshot.names)
        )

    def _is_in_force(self, table: str, rule: str) -> bool:
        return describe_rule(find_target(table, self._state.current.config).rule) == rule


def _switch(wish: Wish, file: WatchedFile, known: Known, say: Callable[[str], None]) -> None:
    """Change the file; belongs to a thread. Raises what ``Switch`` does, and ValueError."""
    switch = Switch(file.path, file.parse, known, say)
    order = Order((wish.table,), wish.who, wish.why, wish.force)
    if wish.action == "rollback":
        switch.rollback(order)
    elif wish.to == "engine":
        switch.promote(order, plan_steps("engine", (), 0.0))
    else:
        share = USUAL_SHARE if wish.share is None else wish.share
        switch.promote(order, plan_steps("canary", (share,), 0.0))

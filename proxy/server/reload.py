"""Hot reload: watch the configuration file, and put what it says in force within a second.

The file's content is read four times a second and compared. That costs some ten microseconds, needs no
library, and sees every way of changing a file: written in place, renamed over (editors), or a symbolic
link pointed elsewhere (Kubernetes ConfigMaps), on every file system, where notifications and time stamps
each miss some. A new content counts when two readings in a row agree: half a file is not a configuration.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeAlias

from proxy.config import Config
from proxy.config.change import merge_change
from proxy.config.names import check_names
from proxy.config.reader import ConfigFile
from proxy.errors import ConfigError
from proxy.events import ConfigReloaded, Crashed, Emit, ModeChanged
from proxy.server.state import State
from proxy.shadow.policy import Names, list_modes

INTERVAL = 0.25
"""Seconds between two readings of the file."""

FILE, RELOAD = "file", "reload"
"""Who has changed a mode, and why, where only the file says it."""

Reading: TypeAlias = bytes | str
"""The content of the file, or why it could not be read."""


class Reload:
    """Keeps ``state`` in step with a file.

    ``read`` gives the file's content or raises ``OSError``; ``parse`` makes a configuration of it or raises
    ``ConfigError``. Both run in a thread, so that a slow disk or a long file holds up no client. ``content``
    is what the configuration in force was read from.
    """

    def __init__(
        self,
        state: State,
        emit: Emit,
        *,
        read: Callable[[], bytes],
        parse: Callable[[bytes], ConfigFile],
        content: bytes,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._state = state
        self._emit = emit
        self._read = read
        self._parse = parse
        self._sleep = sleep
        self._seen: Reading = content
        self._judged: Reading = content
        self._ends_in_line_end = content.endswith(b"\n")
        # The names for which the last judgement holds, when other names may change it.
        self._provisional: Names | None = state.current.names if state.current.engine is None else None
        self._problem = ""
        self._wanted = False
        self._turn = asyncio.Lock()

    async def watch(self) -> None:
        """Follow the file until cancelled."""
        while True:
            await self._sleep(INTERVAL)
            if self._wanted:
                self._wanted = False
                await self.reload()
                continue
            async with self._turn:
                await self._look()

    def refresh(self) -> None:
        """Have the file read anew, soon, changed or not."""
        self._wanted = True

    async def reload(self, who: str = FILE, why: str = RELOAD) -> None:
        """Read the file now, changed or not, with the files that it names by ``@file`` (SIGHUP).

        Mode changes that this leads to are told to be ``who``'s, and ``why``.
        """
        async with self._turn:
            self._problem = ""
            self._seen = await self._take_reading()
            await self._judge(self._seen, who, why)

    async def _look(self) -> None:
        reading = await self._take_reading()
        settled, self._seen = reading == self._seen, reading
        # A table that a refused file names may exist by now, and an unchecked one may turn out not to.
        again = self._provisional is not None and self._provisional is not self._state.current.names
        if settled and (reading != self._judged or again):
            await self._judge(reading)

    async def _take_reading(self) -> Reading:
        try:
            return await asyncio.to_thread(self._read)
        except OSError as error:
            return f"the file cannot be read: {error.strerror or type(error).__name__}"

    async def _judge(self, reading: Reading, who: str = FILE, why: str = RELOAD) -> None:
        """Put the configuration in force that ``reading`` holds, or refuse it; say which, once."""
        if reading != self._judged:
            self._problem = ""
        self._judged = reading
        if isinstance(reading, str):
            self._refuse(reading)
            return
        if self._ends_in_line_end and not reading.endswith(b"\n"):
            # What is left of it may be valid, and mean something else: no upstream, say.
            self._refuse("the file breaks off in the middle of a line, and the one in force does not")
            return
        try:
            file = await asyncio.to_thread(self._parse, reading)
            self._accept(file, who, why)
            self._ends_in_line_end = reading.endswith(b"\n")
        except ConfigError as error:
            self._refuse(str(error))
        except Exception as error:
            # The last fault of ours that must not end the watching: without it no mode can be rolled back.
            self._emit(Crashed("reload", type(error).__name__))
            self._refuse(f"the file could not be judged: {type(error).__name__}")

    def _refuse(self, problem: str) -> None:
        self._provisional = self._state.current.names
        if problem != self._problem:
            self._problem = problem
            self._emit(ConfigReloaded(False, problem))

    def _accept(self, file: ConfigFile, who: str, why: str) -> None:
        """Swap the snapshot. Raises ``ConfigError`` for names that the schema cache does not have.

        While there is no schema cache, names are taken on trust, and checked once there is one; and the
        upstream has to stay until then, since nobody else could answer.
        """
        snapshot = self._state.current
        names = snapshot.names
        if snapshot.engine is None and snapshot.config.upstream is not None and file.config.upstream is None:
            place = file.place("upstream")
            raise ConfigError([place.problem("none", "an upstream, until the engine has a schema cache")])
        if snapshot.engine is not None:
            problems = check_names(file, names.relations, names.functions.keys(), names.columns)
            if problems:
                raise ConfigError(problems)
        config, needs_restart = merge_change(snapshot.config, file.config)
        engine = snapshot.engine and replace(snapshot.engine, options=config.engine)
        self._state.replace(replace(snapshot, config=config, engine=engine))
        self._provisional, self._problem = (names if engine is None else None), ""
        self._emit(ConfigReloaded(True, needs_restart=needs_restart))
        for event in find_mode_changes(snapshot.config, config, names):
            self._emit(replace(event, who=who, why=why or RELOAD))


def find_mode_changes(before: Config, after: Config, names: Names) -> tuple[ModeChanged, ...]:
    """One event for each table's reads or writes that do something else under ``after``."""
    old = {modes.table: modes for modes in list_modes(before, names)}
    changes: list[ModeChanged] = []
    for new in list_modes(after, names):
        was = old[new.table]
        if was.reads != new.reads:
            changes.append(ModeChanged(new.table, "reads", was.reads, new.reads))
        if was.writes != new.writes:
            changes.append(ModeChanged(new.table, "writes", was.writes, new.writes))
    return tuple(changes)

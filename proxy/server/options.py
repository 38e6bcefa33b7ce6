"""Keep the options of an engine alone in step with their sources, of which the database is one.

Source: PostgREST 14, reference 12.1 and 12.2.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

from proxy.config import EngineConfig
from proxy.config.complaints import explain
from proxy.database.settings import RoleSettings
from proxy.errors import ApiError, ConfigError, EngineDown
from proxy.events import ConfigReloaded, Emit, SettingsUnread
from proxy.server.failures import tell_failure
from proxy.server.state import State

ReadOptions: TypeAlias = Callable[[Mapping[str, str]], EngineConfig]
"""The options, given the settings in the database; raises ``ConfigError`` and ``OSError``."""


class Options:
    """Reads the options anew when it is told to, and puts them in force if all of them are right.

    ``read`` runs in a thread: it reads files. ``adopt`` is awaited before it is told that they are in force.
    Settings in the database that cannot be read are taken to be what they were.
    """

    def __init__(
        self,
        state: State,
        emit: Emit,
        *,
        read: ReadOptions,
        read_settings: Callable[[EngineConfig], Awaitable[Mapping[str, str]]],
        read_roles: Callable[[], Awaitable[RoleSettings]],
        adopt: Callable[[EngineConfig], Awaitable[None]],
    ) -> None:
        self._state = state
        self._emit = emit
        self._read = read
        self._read_settings = read_settings
        self._read_roles = read_roles
        self._adopt = adopt
        self._settings: Mapping[str, str] = {}
        self._turn = asyncio.Lock()

    async def reload(self) -> None:
        """Read the options; the settings of roles as well, which requests are to have from now on."""
        async with self._turn:
            await self._reload_options()
            if self._state.current.config.engine.db_config:
                await self._reload_roles()

    async def prepare(self) -> None:
        """Read the options before the schema cache is loaded, which brings the settings of roles.

        Only those in the database are looked for there; without them the options stay (reference 11.2).
        """
        if not self._state.current.config.engine.db_config:
            return
        async with self._turn:
            await self._reload_options()

    async def start(self) -> None:
        """Read the options with those in the database. Raises ConfigError and OSError if they are wrong."""
        async with self._turn:
            await self._take_settings()
            await self._put(await asyncio.to_thread(self._read, self._settings))

    async def _reload_options(self) -> None:
        await self._take_settings()
        try:
            options = await asyncio.to_thread(self._read, self._settings)
        except ConfigError as error:
            self._emit(ConfigReloaded(False, explain(error)))
        except (OSError, ValueError) as error:
            self._emit(ConfigReloaded(False, f"{type(error).__name__}: {error}"))
        else:
            await self._put(options)
            self._emit(ConfigReloaded(True))

    async def _take_settings(self) -> None:
        options = self._state.current.config.engine
        if not options.db_config:
            self._settings = {}
            return
        try:
            self._settings = await self._read_settings(options)
        except (ApiError, EngineDown) as error:
            self._emit(SettingsUnread("options", tell_failure(error)))

    async def _reload_roles(self) -> None:
        try:
            roles = await self._read_roles()
        except (ApiError, EngineDown) as error:
            self._emit(SettingsUnread("roles", tell_failure(error)))
            return
        snapshot = self._state.current
        if snapshot.engine is not None:
            schema = replace(snapshot.engine.schema, role_settings=roles)
            self._state.replace(replace(snapshot, engine=replace(snapshot.engine, schema=schema)))

    async def _put(self, options: EngineConfig) -> None:
        snapshot = self._state.current
        engine = snapshot.engine and replace(snapshot.engine, options=options)
        config = replace(snapshot.config, engine=options)
        self._state.replace(replace(snapshot, config=config, engine=engine))
        await self._adopt(options)

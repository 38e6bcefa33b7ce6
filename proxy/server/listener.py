"""Listen for notifications that ask for a reload, and find the way back when the connection is lost.

Source: PostgREST 14, reference 11.2.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias

from proxy.config import EngineConfig
from proxy.errors import Unrecoverable
from proxy.events import Emit, ListenerFailed, ListenerStarted, ReloadNotified
from proxy.server.failures import tell_failure
from proxy.server.schema_cache import FIRST_WAIT, LONGEST_WAIT
from proxy.server.state import State


class IsSubscribed(Protocol):
    """A channel that is listened on; see ``proxy.database.notifications``."""

    @property
    def server(self) -> str:
        """How the server describes itself."""

    @property
    def address(self) -> str:
        """Where the server is."""

    @property
    def lost(self) -> asyncio.Event:
        """Set when the connection is lost."""


Subscribe: TypeAlias = Callable[
    [EngineConfig, Callable[[str], None]], AbstractAsyncContextManager[IsSubscribed]
]


class Listener:
    """Calls ``reload_schema`` and ``reload_config`` when a notification asks for it.

    Whatever was notified while nobody listened is made up for by one reload of the schema cache.
    ``listening`` says whether the connection is up.
    """

    def __init__(
        self,
        state: State,
        subscribe: Subscribe,
        emit: Emit,
        *,
        reload_schema: Callable[[], None],
        reload_config: Callable[[], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._state = state
        self._subscribe = subscribe
        self._emit = emit
        self._reload_schema = reload_schema
        self._reload_config = reload_config
        self._sleep = sleep
        self._missed = False
        self._wait = FIRST_WAIT
        self.listening = False

    async def keep(self) -> None:
        """Listen until cancelled. Raises Unrecoverable if the database is lost and may not be looked for."""
        while True:
            options = self._state.current.config.engine
            try:
                await self._listen(options)
                problem = "the connection was lost"
            except Exception as error:
                # Whatever it is: requests are answered meanwhile, and the next attempt may be better.
                problem = tell_failure(error)
            finally:
                self.listening = False
            self._missed = True
            if not options.db_pool_automatic_recovery:
                self._emit(ListenerFailed(options.db_channel, problem, None))
                raise Unrecoverable("Automatic recovery disabled, exiting.")
            self._emit(ListenerFailed(options.db_channel, problem, self._wait))
            await self._sleep(self._wait)
            self._wait = min(2 * self._wait, LONGEST_WAIT)

    async def _listen(self, options: EngineConfig) -> None:
        channel = options.db_channel

        def hear(payload: str) -> None:
            if payload in ("", "reload schema"):
                self._emit(ReloadNotified(channel, "schema"))
                self._reload_schema()
            elif payload == "reload config":
                self._emit(ReloadNotified(channel, "config"))
                self._reload_config()

        async with self._subscribe(options, hear) as subscription:
            self.listening = True
            self._wait = FIRST_WAIT
            if self._missed:
                self._missed = False
                self._reload_schema()
            self._emit(ListenerStarted(channel, subscription.server, subscription.address))
            await subscription.lost.wait()

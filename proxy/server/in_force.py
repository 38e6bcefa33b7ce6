"""The upstream in force: it may change, go and come back by a reload, and no request is lost over it.

Nobody is told of a reload here. Whoever has something to send asks what is in force at that moment; what was
made for an earlier configuration ends what it has begun, and its unused connections close by themselves.
"""

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from proxy.config import UpstreamConfig
from proxy.errors import UpstreamRefused
from proxy.messages import Answer, Request
from proxy.server.again import UpstreamAgain
from proxy.server.connection import TakeInterim, UpstreamAnswer
from proxy.server.heads import RequestHead
from proxy.server.request_body import RequestBody
from proxy.server.state import State
from proxy.server.upstream import Upstream


class Connected(Protocol):
    """What is made for one upstream, and keeps connections to it."""

    @property
    def connections(self) -> int:
        """How many there are."""

    async def close(self) -> None:
        """Close them."""


_Made = TypeVar("_Made", bound=Connected)


class InForce(Generic[_Made]):
    """What ``make`` makes of the upstream's configuration, made anew when that has changed."""

    def __init__(self, state: State, make: Callable[[UpstreamConfig], _Made]) -> None:
        self._state = state
        self._make = make
        self._config: UpstreamConfig | None = None
        self._last: _Made | None = None
        self._earlier: list[_Made] = []

    @property
    def connections(self) -> int:
        """How many connections there are, to the present upstream and to earlier ones."""
        return sum(made.connections for made in (*self._earlier, self._last) if made is not None)

    def find(self) -> _Made:
        """For the upstream in force, or for the last one there was.

        A request is decided on by the configuration at its beginning: it may have to go to an upstream that
        is not in force any more. Raises UpstreamRefused where there never was one.
        """
        config = self._state.current.config.upstream
        if config is not None and config is not self._config and config != self._config:
            self._earlier = [made for made in self._earlier if made.connections]
            if self._last is not None:
                self._earlier.append(self._last)
            self._config, self._last = config, self._make(config)
        if self._last is None:
            raise UpstreamRefused("there is no upstream")
        return self._last

    async def close(self) -> None:
        """Close every connection; requests in flight fail."""
        for made in (*self._earlier, self._last):
            if made is not None:
                await made.close()


class UpstreamInForce:
    """Sends requests of clients to the upstream in force; see ``Upstream``."""

    def __init__(self, in_force: InForce[Upstream]) -> None:
        self._in_force = in_force

    async def send(self, head: RequestHead, body: RequestBody, interim: TakeInterim) -> UpstreamAnswer:
        """Send a request and wait for the head of its answer. Raises what ``Upstream.send`` raises."""
        return await self._in_force.find().send(head, body, interim)


class AgainInForce:
    """Asks the upstream in force again, and nobody where there is none now; see ``UpstreamAgain``."""

    def __init__(self, state: State, in_force: InForce[UpstreamAgain]) -> None:
        self._state = state
        self._in_force = in_force

    async def ask(self, request: Request, room: int) -> Answer:
        """The upstream's whole answer. Raises UpstreamError."""
        if self._state.current.config.upstream is None:
            raise UpstreamRefused("there is no upstream")
        return await self._in_force.find().ask(request, room)

"""The parts around the handler, as far as it needs them."""

from typing import Protocol

from proxy.events import UnrehearsedReason
from proxy.messages import Answer, Exchange
from proxy.server.connection import TakeInterim, UpstreamAnswer
from proxy.server.heads import RequestHead
from proxy.server.rehearsal import Complete, Rehearsal
from proxy.server.request_body import RequestBody
from proxy.server.state import Snapshot
from proxy.shadow.policy import Decision


class SendsRequests(Protocol):
    """The upstream as the handler needs it; see ``proxy.server.upstream``."""

    async def send(self, head: RequestHead, body: RequestBody, interim: TakeInterim) -> UpstreamAnswer:
        """Send a request and wait for the head of its answer."""


class TakesOffers(Protocol):
    """The mirror as the handler needs it."""

    def offer(self, decision: Decision, exchange: Exchange, snapshot: Snapshot) -> None:
        """Take a read that the upstream has answered; never waits and never raises."""


class Rehearses(Protocol):
    """Rehearsals as the handler needs them; see ``proxy.server.rehearsal``."""

    async def attempt(
        self, table: str, snapshot: Snapshot, complete: Complete
    ) -> Rehearsal | UnrehearsedReason:
        """Have a write done and undone; raises nothing that the engine can cause."""

    def settle(self, rehearsal: Rehearsal, upstream: Answer, seconds: float, *, overlapped: bool) -> None:
        """Compare and tell the verdict; never waits and never raises."""

    def drop(self, rehearsal: Rehearsal) -> None:
        """There is nothing to compare with."""

"""Whose request it was: the role that both sides would run it as."""

from proxy.engine.auth.claims import identify
from proxy.messages import Request
from proxy.server.state import Snapshot


def find_role(request: Request, snapshot: Snapshot, now: float) -> str:
    """The role of ``request``; empty if its token is refused. ``now`` is in seconds since 1970.

    Tokens that have been checked once are remembered, so that this costs little. Never raises: it is asked
    also where something went wrong already.
    """
    try:
        return identify(request, snapshot.config.engine, now).role
    except Exception:
        return ""

"""Holds and modes on the admin port, for whoever may change them.

``/holds``                  which tables are held, since when and why
``/holds/TABLE/rearm``      POST with ``who`` and ``why``: take the hold from a table, for all replicas
``/tables/TABLE/promote``   POST with ``who``, ``why``, ``to``, ``share``, ``force``: as the command does
``/tables/TABLE/rollback``  POST with ``who`` and ``why``: as the command does

Where operators are named, it is the operator who asks, whatever ``who`` says.

200: done; 409: refused, with the reasons, or with the patch where the file cannot be changed; 503: the ledger
cannot be written.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, replace
from typing import Any, Protocol, get_args

from aiohttp import web

from proxy.operate.gate import ADMITTED
from proxy.shadow.guard import Hold
from proxy.shadow.ramp import Promoted
from proxy.shadow.wish import Action, Outcome, Wish

_STATUS = {"done": 200, "refused": 409, "not_writable": 409, "unreachable": 503}
_NOBODY = "admin port"
"""Who is written down where nobody says who it was."""

_WORDS = {"": False, "0": False, "false": False, "1": True, "true": True}


class HasHolds(Protocol):
    """The guard, as far as it is looked at."""

    @property
    def holds(self) -> Mapping[str, Hold]: ...


def list_wish_routes(
    guarding: HasHolds, carry_out: Callable[[Wish], Awaitable[Outcome]]
) -> list[web.RouteDef]:
    """The routes that this module's docstring names."""

    async def holds(_: web.Request) -> web.Response:
        return _json([asdict(hold) for hold in guarding.holds.values()])

    def handle(action: Action) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def carry(request: web.Request) -> web.Response:
            wish = read_wish(action, request.match_info["table"], request.query)
            operator = request[ADMITTED].operator
            return _answer(await carry_out(replace(wish, who=operator) if operator else wish))

        return carry

    return [
        web.get("/holds", holds),
        web.post("/holds/{table:.+}/rearm", handle("rearm")),
        web.post("/tables/{table:.+}/promote", handle("promote")),
        web.post("/tables/{table:.+}/rollback", handle("rollback")),
    ]


def read_wish(action: Action, table: str, query: Mapping[str, str]) -> Wish:
    """The wish that a query means. Raises HTTPBadRequest for what is none."""
    to, share, force = query.get("to", "canary"), query.get("share"), query.get("force", "")
    if to not in get_args(Promoted) or force not in _WORDS:
        raise web.HTTPBadRequest(reason="to: canary or engine; force: true or false")
    try:
        percentage = None if share is None else float(share)
    except ValueError as error:
        raise web.HTTPBadRequest(reason="share: a number is needed") from error
    if percentage is not None and not 0 < percentage <= 100:
        raise web.HTTPBadRequest(reason="share: above 0, up to 100")
    promoted: Promoted = "engine" if to == "engine" else "canary"
    who = query.get("who", "").strip() or _NOBODY
    return Wish(action, table, who, query.get("why", ""), promoted, percentage, _WORDS[force])


def _answer(outcome: Outcome) -> web.Response:
    document: dict[str, Any] = asdict(outcome)
    if outcome.result != "done":
        document["error"] = "; ".join(outcome.words)
    return _json(document, _STATUS[outcome.result])


def _json(value: object, status: int = 200) -> web.Response:
    return web.json_response(value, status=status, headers={"Cache-Control": "no-store"})

"""The guard's holds on the admin port.

``/holds``              which tables are held, since when and why
``/holds/TABLE/rearm``  POST with ``who`` and ``why``: take the hold from a table, for all replicas
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Protocol

from aiohttp import web

from proxy.errors import UnderstudyError
from proxy.shadow.guard import Hold


class HoldsTables(Protocol):
    """The guard, as far as operators handle it."""

    @property
    def holds(self) -> Mapping[str, Hold]: ...

    async def rearm(self, table: str, who: str, why: str) -> bool: ...


def list_hold_routes(guarding: HoldsTables) -> list[web.RouteDef]:
    """The routes that this module's docstring names."""

    async def holds(_: web.Request) -> web.Response:
        return _json([asdict(hold) for hold in guarding.holds.values()])

    async def rearm(request: web.Request) -> web.Response:
        # A page in an operator's browser may send a POST anywhere; it cannot leave this header out.
        if "Origin" in request.headers:
            raise web.HTTPForbidden
        table = request.match_info["table"]
        who, why = request.query.get("who", ""), request.query.get("why", "")
        if not why.strip():
            raise web.HTTPBadRequest(reason="why is it re-armed?")
        try:
            held = await guarding.rearm(table, who, why)
        except UnderstudyError as error:
            return _json({"error": f"the hold cannot be taken: {error}"}, 503)
        if not held:
            raise web.HTTPNotFound(reason="there is no hold on this table")
        return _json({"table": table, "held": False})

    return [web.get("/holds", holds), web.post("/holds/{table:.+}/rearm", rearm)]


def _json(value: object, status: int = 200) -> web.Response:
    return web.json_response(value, status=status, headers={"Cache-Control": "no-store"})

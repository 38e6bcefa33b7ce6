"""The routes of the console. Each asks for what a page needs, makes the page and answers; nothing decides.

``/console``                      all tables: the picture of go and no-go
``/console/table?name=TABLE``     one table, with the forms that change what it does
``/console/readiness``            for every table what is missing
``/console/mismatches``           the kinds of mismatch; ``?table=TABLE``: of one table
``/console/mismatches/ID``        one of them, both answers beside each other
``/console/history``              the mode changes
``/console/configuration``        the configuration in force
``/console/promote``, ``rollback``, ``rearm``   what the forms send, by POST

Every page is JSON as well: for ``Accept: application/json``, or with ``format=json`` in the query.
"""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeVar, get_args

from aiohttp import web

import proxy
from proxy.config import Config
from proxy.errors import UnderstudyError
from proxy.operate.admin import AdminSources
from proxy.operate.gate import ADMITTED
from proxy.operate.history import History
from proxy.operate.judgements import Judgement, Judgements
from proxy.operate.wish_admin import read_wish
from proxy.shadow.wish import Action
from proxy.web import gather
from proxy.web.configuration import show_configuration
from proxy.web.forms import derive_key, is_token, make_token
from proxy.web.render import STATIC, read_static, render_html, render_json
from proxy.web.security import make_page_headers
from proxy.web.values import (
    ConfigurationPage,
    Document,
    ErrorPage,
    Frame,
    HistoryPage,
    MismatchesPage,
    OutcomePage,
    Page,
)

_STATUS = {"done": 200, "refused": 409, "not_writable": 409, "unreachable": 503}
_FOUND = TypeVar("_FOUND")


class Pages:
    """The handlers, over what the admin port knows.

    ``own_key`` is a secret of this process; ``wall_clock`` gives seconds since 1970.
    """

    def __init__(
        self,
        sources: AdminSources,
        config: Callable[[], Config],
        judgements: Judgements,
        history: History,
        *,
        own_key: bytes,
        wall_clock: Callable[[], float],
    ) -> None:
        self._sources = sources
        self._config = config
        self._judgements = judgements
        self._history = history
        self._own_key = own_key
        self._wall_clock = wall_clock

    def list_routes(self) -> list[web.RouteDef]:
        """The routes that this module's docstring names."""
        return [
            web.get("/", _lead_here),
            web.get("/console", self._show(self.tables)),
            web.get("/console/table", self._show(self.table)),
            web.get("/console/readiness", self._show(self.readiness)),
            web.get("/console/mismatches", self._show(self.mismatches)),
            web.get("/console/mismatches/{id}", self._show(self.mismatch)),
            web.get("/console/history", self._show(self.history)),
            web.get("/console/configuration", self._show(self.configuration)),
            *(web.post(f"/console/{action}", self._take(action)) for action in get_args(Action)),
            web.get("/console/static/{name}", _serve_static),
            web.get("/console/{rest:.*}", self._show(_find_nothing)),
        ]

    async def tables(self, _: web.Request) -> Page:
        sources = self._sources
        return gather.make_tables(
            sources.modes(),
            sources.guarding.holds,
            self._judgements.report(),
            self._history.report,
            self._config().readiness,
            await self._list_problems(),
        )

    async def table(self, request: web.Request) -> Page:
        sources, name = self._sources, request.query.get("name", "")
        modes = next((one for one in sources.modes() if one.table == name), None)
        if modes is None:
            return ErrorPage(404, (f"there is no table or function {name}",))
        problems = list(await self._list_problems())
        evidence: Document = await _try(sources.ask_ledger.evidence(), {}, problems)
        found: Sequence[Document] = await _try(sources.ask_ledger.mismatches(name), (), problems)
        limits, now = self._config().readiness, self._wall_clock()
        judged = await _try(sources.ask_ledger.judge(name, limits, now), None, problems)
        judgement = self._judgements.report().get(name)
        if judged is not None:
            bounds = () if judgement is None else judgement.bounds
            judgement = Judgement(judged, now, bounds)
        line = gather.make_line(
            modes, sources.guarding.holds.get(name), judgement, self._history.report(name)
        )
        return gather.make_table(line, self._config(), evidence, found, tuple(problems))

    async def readiness(self, _: web.Request) -> Page:
        return gather.make_readiness(self._judgements.report(), self._config(), await self._list_problems())

    async def mismatches(self, request: web.Request) -> Page:
        problems = list(await self._list_problems())
        table = request.query.get("table", "")
        asked = self._sources.ask_ledger.mismatches(table or None)
        found: Sequence[Document] = await _try(asked, (), problems)
        return MismatchesPage(table, tuple(found), tuple(problems))

    async def mismatch(self, request: web.Request) -> Page:
        prefix = request.match_info["id"]
        try:
            found = await self._sources.ask_ledger.mismatch(prefix)
        except UnderstudyError as error:
            return ErrorPage(503, (str(error),))
        if len(found) != 1:
            words = "several mismatches have" if found else "no mismatch has"
            return ErrorPage(404, (f"{words} the ID {prefix}",))
        upstream = self._config().upstream
        return gather.make_mismatch(
            found[0],
            gather.UPSTREAM if upstream is None else upstream.url,
            gather.ENGINE,
            await self._list_problems(),
        )

    async def history(self, _: web.Request) -> Page:
        problems = list(await self._list_problems())
        evidence: Document = await _try(self._sources.ask_ledger.evidence(), {}, problems)
        return HistoryPage(tuple(evidence.get("mode_changes", ())), tuple(problems))

    async def configuration(self, _: web.Request) -> Page:
        health = self._sources.health
        return ConfigurationPage(
            show_configuration(self._config()),
            health.last_reload,
            health.last_schema_load,
            await self._list_problems(),
        )

    async def _list_problems(self) -> tuple[str, ...]:
        sources = self._sources
        return gather.list_problems(
            await sources.condition(),
            sources.health.last_reload,
            sources.ledger(),
            paused=sources.throttle.paused,
            stopped=sources.throttle.stopped,
        )

    def _show(
        self, make: Callable[[web.Request], Awaitable[Page]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def show(request: web.Request) -> web.Response:
            page = await make(request)
            return self._answer(request, page, page.status if isinstance(page, ErrorPage) else 200)

        return show

    def _take(self, action: Action) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def take(request: web.Request) -> web.Response:
            sources, operator = self._sources, request[ADMITTED].operator
            form = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
            if not is_token(form.get("token", ""), self._key(), operator, self._wall_clock()):
                words = "this form is too old, or not of this console: load the page again"
                return self._answer(request, ErrorPage(403, (words,)), 403)
            try:
                given = {name: value for name, value in form.items() if value.strip()}
                wish = read_wish(action, given.get("table", ""), given)
            except web.HTTPBadRequest as error:
                return self._answer(request, ErrorPage(400, (error.reason,)), 400)
            wish = replace(wish, who=operator) if operator else wish
            outcome = await sources.carry_out(wish)
            return self._answer(request, OutcomePage(wish, outcome), _STATUS[outcome.result])

        return take

    def _answer(self, request: web.Request, page: Page, status: int) -> web.Response:
        if _wants_json(request):
            headers = {"Vary": "Accept"}
            return web.Response(
                text=render_json(page), status=status, content_type="application/json", headers=headers
            )
        sources, operator, now = self._sources, request[ADMITTED].operator, self._wall_clock()
        nonce = secrets.token_urlsafe(16)
        frame = Frame(
            now,
            proxy.__version__,
            request.path,
            operator,
            make_token(self._key(), operator, now),
            nonce,
            len(sources.guarding.holds),
        )
        return web.Response(
            text=render_html(page, frame),
            status=status,
            content_type="text/html",
            headers=make_page_headers(nonce),
        )

    def _key(self) -> bytes:
        return derive_key(self._config().console.operators, self._own_key)


async def _try(asked: Awaitable[_FOUND], otherwise: _FOUND, problems: list[str]) -> _FOUND:
    """What was ``asked`` for; while the ledger cannot be read ``otherwise``, and it is a problem."""
    try:
        return await asked
    except UnderstudyError as error:
        if str(error) not in problems:
            problems.append(str(error))
        return otherwise


async def _lead_here(_: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": "/console"})


async def _find_nothing(_: web.Request) -> Page:
    return ErrorPage(404, ("there is no such page",))


async def _serve_static(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    if name not in STATIC:
        raise web.HTTPNotFound
    # Its path names the content.
    headers = {"Cache-Control": "private, max-age=86400, immutable"}
    return web.Response(body=read_static(name), content_type=STATIC[name], charset="utf-8", headers=headers)


def _wants_json(request: web.Request) -> bool:
    if "format" in request.query:
        return request.query["format"] == "json"
    accept = request.headers.get("Accept", "")
    return "application/json" in accept and "text/html" not in accept

"""The console on the admin port: who gets which page, and what is done with what they send."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiohttp import ClientResponse, encode_basic_auth
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from proxy.config import Config, Operator, ReadinessConfig
from proxy.config.values import ConsoleConfig
from proxy.errors import UnderstudyError
from proxy.events import ConfigReloaded
from proxy.operate.admin import AdminSources, make_admin
from proxy.operate.health import Condition, Health
from proxy.operate.history import History
from proxy.operate.judgements import Judgements
from proxy.operate.metrics import Metrics
from proxy.operate.proposals import Proposals
from proxy.operate.recent import Recent
from proxy.operate.tally import Tally
from proxy.server.throttle import Throttle
from proxy.shadow.guard import Hold
from proxy.shadow.policy import TableModes
from proxy.shadow.readiness import Readiness
from proxy.shadow.wish import Outcome, Wish
from proxy.web.handlers import Pages
from tests.web.samples import HOSTILE, NOW, SECRET, change, config, judged, mismatch, modes

ADA = Operator("ada", SECRET)
BASIC = {"Authorization": encode_basic_auth("ada", SECRET)}
PATHS = (
    *("/console", f"/console/table?name={URL.build(query={'n': HOSTILE}).raw_query_string[2:]}"),
    *("/console/readiness", "/console/mismatches", "/console/mismatches?table=x", "/console/mismatches/0123"),
    *("/console/history", "/console/configuration"),
)


@dataclass
class Ledger:
    """A ledger that answers what it was asked for, or not at all."""

    down: bool = False
    found: int = 1

    def describe(self) -> Mapping[str, object]:
        return {"state": "down" if self.down else "up", "problem": "disk is full"}

    async def evidence(self) -> Any:
        return self._tell({"tables": [], "mode_changes": [change()]})

    async def mismatches(self, table: str | None) -> Sequence[Any]:
        return [self._tell(mismatch())]

    async def mismatch(self, prefix: str) -> Sequence[Any]:
        return [self._tell(mismatch())] * self.found

    async def judge(self, table: str, limits: ReadinessConfig, now: float) -> Readiness:
        self._tell({})
        return judged(table)

    def _tell(self, document: dict[str, Any]) -> dict[str, Any]:
        if self.down:
            raise UnderstudyError("the ledger cannot be read: disk is full")
        return document


@dataclass
class Desk:
    """The admin port with the console, and everything behind it."""

    config: Config = field(default_factory=lambda: replace(config(), console=ConsoleConfig()))
    ledger: Ledger = field(default_factory=Ledger)
    holds: dict[str, Hold] = field(default_factory=lambda: {HOSTILE: Hold(HOSTILE, NOW, "errors", HOSTILE)})
    health: Health = field(default_factory=lambda: Health(lambda: NOW))
    throttle: Throttle = field(default_factory=lambda: Throttle(lambda: 0.0, lambda: 0))
    wishes: list[Wish] = field(default_factory=list)
    outcome: Outcome = field(default_factory=lambda: Outcome("done", ("storage: shadow -> canary 10 %",)))
    client: Any = None
    now: float = NOW

    async def carry_out(self, wish: Wish) -> Outcome:
        self.wishes.append(wish)
        return self.outcome

    async def condition(self) -> Condition:
        return Condition(True, True, True, True)

    def list_modes(self) -> tuple[TableModes, ...]:
        return (modes(HOSTILE), modes("storage"), modes("rpc/latest"))

    async def get(self, path: str, **headers: str) -> ClientResponse:
        response: ClientResponse = await self.client.get(URL(path, encoded=True), headers=headers)
        return response

    async def find_token(self, **headers: str) -> str:
        text = await (await self.get("/console/table?name=storage", **headers)).text()
        (token,) = set(re.findall(r'name="token" value="([0-9a-f]+)"', text))
        return str(token)

    async def send(
        self, action: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> ClientResponse:
        own = {"Origin": f"http://{self.client.host}:{self.client.port}", **(headers or {})}
        response: ClientResponse = await self.client.post(f"/console/{action}", data=form, headers=own)
        return response


async def never(*_: object) -> Any:
    raise AssertionError


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    made = Desk()
    sources = AdminSources(
        Metrics(lambda: NOW).registry,
        Tally(),
        made.health,
        Recent(),
        made.throttle,
        Proposals(),
        tuple,
        made.list_modes,
        made.condition,
        made.ledger.describe,
        made.ledger,
        never,  # type: ignore[arg-type]
        never,
        made,
        made.carry_out,
        operators=lambda: made.config.console.operators,
        loopback=True,
    )
    pages = Pages(
        sources,
        lambda: made.config,
        Judgements(lambda: NOW),
        History(lambda: 0.0),
        own_key=b"k" * 32,
        wall_clock=lambda: made.now,
    )
    async with TestClient(TestServer(make_admin(sources, pages.list_routes()))) as client:
        made.client = client
        yield made


@pytest.mark.parametrize("path", PATHS)
async def test_every_page_is_there_under_a_strict_policy(desk: Desk, path: str) -> None:
    response = await desk.get(path)
    text = await response.text()
    assert (response.status, response.content_type) == (200, "text/html")
    policy = dict(part.split(" ", 1) for part in response.headers["Content-Security-Policy"].split("; "))
    nonce = policy["script-src"].removeprefix("'nonce-").removesuffix("'")
    assert len(nonce) > 20
    assert re.findall(r'<script nonce="([^"]+)"', text) == [nonce]
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["form-action"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["Referrer-Policy"] == "same-origin"
    # Another page, another nonce.
    assert nonce not in await (await desk.get(path)).text()


@pytest.mark.parametrize("path", PATHS)
async def test_every_page_is_json_for_those_who_ask_for_it(desk: Desk, path: str) -> None:
    asked = await desk.get(path, Accept="application/json")
    document = await asked.json()
    assert (asked.status, asked.headers["Vary"]) == (200, "Accept")
    joined = "&" if "?" in path else "?"
    assert await (await desk.get(f"{path}{joined}format=json")).json() == document
    browser = await desk.get(path, Accept="text/html,application/xhtml+xml,application/json;q=0.9")
    assert browser.content_type == "text/html"


async def test_the_port_itself_leads_to_the_console(desk: Desk) -> None:
    response = await desk.client.get("/", allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (302, "/console")


@pytest.mark.parametrize(
    "path", ["/console/table", "/console/table?name=gone", "/console/nothing", "/console/mismatches/none"]
)
async def test_what_is_not_there_is_told_as_page_and_as_json(desk: Desk, path: str) -> None:
    desk.ledger.found = 0
    response = await desk.get(path)
    assert (response.status, response.content_type) == (404, "text/html")
    problems = (await (await desk.get(path, Accept="application/json")).json())["problems"]
    assert len(problems) == 1


async def test_an_id_that_several_have_is_none(desk: Desk) -> None:
    desk.ledger.found = 2
    response = await desk.get("/console/mismatches/0")
    assert response.status == 404
    assert "several mismatches have the ID 0" in await response.text()


@pytest.mark.parametrize("path", PATHS)
async def test_while_the_ledger_is_gone_pages_say_so_and_show_the_rest(desk: Desk, path: str) -> None:
    desk.ledger.down = True
    response = await desk.get(path)
    assert response.status == (503 if "0123" in path else 200)
    assert "disk is full" in await response.text()


async def test_what_an_operator_has_to_know_is_on_every_page(desk: Desk) -> None:
    desk.health.listen(ConfigReloaded(False, "f:3: a misspelt key"))
    desk.throttle.paused = True
    for path in PATHS:
        text = await (await desk.get(path)).text()
        assert "f:3: a misspelt key" in text
        assert "mirroring is paused" in text


async def test_only_operators_see_it_where_there_are_some(desk: Desk) -> None:
    desk.config = config()
    for path in (*PATHS, "/", "/console/static/console.js"):
        refused = await desk.client.get(URL(path, encoded=True), allow_redirects=False)
        assert refused.status == 401
        assert refused.headers["WWW-Authenticate"].startswith("Basic ")
        assert SECRET not in await refused.text()
    text = await (await desk.get("/console", **BASIC)).text()
    assert "ada" in text
    assert SECRET not in await (await desk.get("/console/configuration", **BASIC)).text()


FORM = {"table": "storage", "who": "anna", "why": "evidence of a week"}


async def test_forms_do_what_they_say(desk: Desk) -> None:
    token = await desk.find_token()
    for action, form in (
        ("promote", {**FORM, "to": "canary", "share": "12.5"}),
        ("promote", {**FORM, "to": "engine", "share": "", "force": "true"}),
        ("rollback", {"table": "rpc/latest", "who": "", "why": ""}),
        ("rearm", {**FORM, "table": HOSTILE}),
    ):
        response = await desk.send(action, {**form, "token": token})
        assert response.status == 200
        assert "canary 10 %" in await response.text()
    assert desk.wishes == [
        Wish("promote", "storage", "anna", "evidence of a week", "canary", 12.5),
        Wish("promote", "storage", "anna", "evidence of a week", "engine", None, True),
        Wish("rollback", "rpc/latest", "admin port"),
        Wish("rearm", HOSTILE, "anna", "evidence of a week"),
    ]


async def test_an_operator_is_written_down_whatever_the_form_says(desk: Desk) -> None:
    desk.config = config()
    token = await desk.find_token(**BASIC)
    assert (await desk.send("rollback", {**FORM, "token": token}, BASIC)).status == 200
    assert [wish.who for wish in desk.wishes] == ["ada"]
    text = await (await desk.get("/console/table?name=storage", **BASIC)).text()
    assert 'name="who"' not in text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 421),
    ],
)
async def test_a_page_of_another_site_changes_nothing_even_with_a_token(
    desk: Desk, headers: dict[str, str], status: int
) -> None:
    token = await desk.find_token()
    for action in ("promote", "rollback", "rearm"):
        assert (await desk.send(action, {**FORM, "token": token}, headers)).status == status
    assert desk.wishes == []


@pytest.mark.parametrize("token", ["", "0" * 64, "another"])
async def test_a_form_without_the_token_changes_nothing(desk: Desk, token: str) -> None:
    await desk.find_token()
    for headers in ({}, {"Sec-Fetch-Site": "same-origin"}, {"Origin": ""}):
        response = await desk.send("rollback", {**FORM, "token": token}, headers)
        assert response.status == 403
    assert desk.wishes == []


async def test_a_token_is_good_for_a_day_and_for_its_operator(desk: Desk) -> None:
    old = await desk.find_token()
    desk.now += 2 * 86_400
    assert (await desk.send("rollback", {**FORM, "token": old})).status == 403
    desk.config = replace(config(), console=ConsoleConfig((ADA, Operator("bob", "a-secret-of-bob-2"))))
    token = await desk.find_token(**BASIC)
    other = {"Authorization": encode_basic_auth("bob", "a-secret-of-bob-2")}
    assert (await desk.send("rollback", {**FORM, "token": token}, other)).status == 403
    assert desk.wishes == []


@pytest.mark.parametrize("form", [{"share": "x"}, {"share": "0"}, {"share": "101"}, {"to": "shadow"}])
async def test_a_form_that_makes_no_sense_is_told_so(desk: Desk, form: dict[str, str]) -> None:
    response = await desk.send("promote", {**FORM, **form, "token": await desk.find_token()})
    assert (response.status, desk.wishes) == (400, [])


@pytest.mark.parametrize(
    ("outcome", "status", "shown"),
    [
        (Outcome("refused", ("storage: another ~2,300 matched reads",)), 409, "another ~2,300 matched reads"),
        (Outcome("not_writable", ("it cannot be changed",), "--- a/u.yaml\n+++ <b>"), 409, "+++ &lt;b&gt;"),
        (Outcome("unreachable", ("the ledger is gone",)), 503, "the ledger is gone"),
    ],
)
async def test_what_was_not_done_is_told_with_its_reasons_and_the_patch(
    desk: Desk, outcome: Outcome, status: int, shown: str
) -> None:
    desk.outcome = outcome
    response = await desk.send("promote", {**FORM, "token": await desk.find_token()})
    assert response.status == status
    assert shown in await response.text()


@pytest.mark.parametrize("action", ["promote", "rollback", "rearm"])
async def test_nothing_is_changed_by_looking(desk: Desk, action: str) -> None:
    assert (await desk.get(f"/console/{action}?table=storage")).status == 404
    assert desk.wishes == []


async def test_what_belongs_to_the_pages_is_kept_by_browsers(desk: Desk) -> None:
    for name, kind in (("console.css", "text/css"), ("console.js", "text/javascript")):
        response = await desk.get(f"/console/static/{name}")
        assert (response.status, response.content_type) == (200, kind)
        assert "immutable" in response.headers["Cache-Control"]
    for name in ("x.js", "..%2fhandlers.py", "%2e%2e/handlers.py"):
        assert (await desk.get(f"/console/static/{name}")).status == 404

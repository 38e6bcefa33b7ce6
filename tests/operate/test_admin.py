"""The admin port."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest
from aiohttp import encode_basic_auth
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from proxy.config import IgnoreRule, Operator, ReadinessConfig
from proxy.errors import UnderstudyError
from proxy.events import (
    ConfigReloaded,
    Event,
    Judged,
    RuleHit,
    SchemaLoaded,
    Served,
    VolatileFound,
)
from proxy.messages import Answer, Request
from proxy.operate.admin import AdminSources, make_admin
from proxy.operate.health import Condition, Health
from proxy.operate.listeners import join_listeners
from proxy.operate.metrics import Metrics
from proxy.operate.proposals import Proposals
from proxy.operate.recent import Recent
from proxy.operate.rules import Rules
from proxy.operate.tally import Tally
from proxy.server.throttle import Throttle
from proxy.shadow.guard import Hold
from proxy.shadow.policy import TableModes
from proxy.shadow.readiness import Readiness
from proxy.shadow.wish import Outcome, Wish

RULES = (
    IgnoreRule("readers touch it", date(2026, 12, 31), table="storage", path="last_access", owner="ops"),
    IgnoreRule("never seen again", date(2026, 12, 31), table="storage", path="gone"),
    IgnoreRule("until the upgrade", date(2026, 5, 31), function="latest", header="X-Build"),
)


HOLD = Hold("storage", 7.0, "errors", "5 engine errors")


@dataclass
class Desk:
    """Holds, and wishes that come to ``outcome``."""

    holds: dict[str, Hold]
    outcome: Outcome = field(default_factory=lambda: Outcome("done", ("done",)))
    wishes: list[Wish] = field(default_factory=list)

    async def carry_out(self, wish: Wish) -> Outcome:
        self.wishes.append(wish)
        return self.outcome


@dataclass
class Asked:
    """A ledger that answers what it was asked for, or not at all."""

    down: str = ""

    async def evidence(self) -> object:
        return self._tell("evidence")

    async def mismatches(self, table: str | None) -> Sequence[object]:
        return [self._tell(f"mismatches of {table}")]

    async def mismatch(self, prefix: str) -> Sequence[object]:
        return [self._tell(f"mismatch {prefix}")]

    async def judge(self, table: str, limits: ReadinessConfig, now: float) -> Readiness:
        raise AssertionError("this is for the console")

    def _tell(self, text: str) -> str:
        if self.down:
            raise UnderstudyError(self.down)
        return text


@dataclass
class Port:
    """The admin port with everything behind it."""

    condition: Condition = field(default_factory=lambda: Condition(True, True, False, True))
    metrics: Metrics = field(default_factory=lambda: Metrics(wall_clock=lambda: 7.0))
    tally: Tally = field(default_factory=Tally)
    recent: Recent = field(default_factory=Recent)
    throttle: Throttle = field(default_factory=lambda: Throttle(lambda: 0.0, lambda: 0))
    proposals: Proposals = field(default_factory=Proposals)
    rules: Rules = field(default_factory=Rules)
    health: Health = field(default_factory=lambda: Health(wall_clock=lambda: 7.0))
    guarding: Desk = field(default_factory=lambda: Desk({"storage": HOLD}))
    client: Any = None
    asked: Asked = field(default_factory=Asked)
    operators: tuple[Operator, ...] = ()
    recordings_ended: int = 0
    requests: list[Request] = field(default_factory=list)

    def emit(self, event: Event) -> None:
        listeners = (self.metrics, self.tally, self.recent, self.health, self.proposals, self.rules)
        join_listeners(*(listener.hearing for listener in listeners))(event)

    async def record(self, *, per_shape: int, max_bytes: int, seconds: float) -> AsyncGenerator[str, None]:
        if self.asked.down:
            raise UnderstudyError(self.asked.down)
        try:
            for line in (f"{per_shape} {max_bytes} {seconds}", "", "one", "two"):
                yield line
        finally:
            self.recordings_ended += 1

    async def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        odd = ((b"X-Odd", b"a"), (b"X-Odd", b"b"), (b"Access-Control-Allow-Origin", b"*"))
        return Answer(206, ((b"Content-Type", b"text/csv"), (b"Content-Length", b"9"), *odd), b"a,b")

    async def get_condition(self) -> Condition:
        return self.condition


@pytest.fixture
async def port() -> AsyncIterator[Port]:
    made = Port()
    sources = AdminSources(
        made.metrics.registry,
        made.tally,
        made.health,
        made.recent,
        made.throttle,
        made.proposals,
        lambda: made.rules.report(RULES, date(2026, 6, 1)),
        lambda: (TableModes("storage", "shadow", "upstream"),),
        made.get_condition,
        lambda: {"state": "up", "entries": 0},
        made.asked,
        made.record,
        made.answer,
        made.guarding,
        made.guarding.carry_out,
        operators=lambda: made.operators,
        loopback=True,
    )
    async with TestClient(TestServer(make_admin(sources))) as client:
        made.client = client
        yield made


async def test_live_says_so(port: Port) -> None:
    response = await port.client.get("/live")
    assert response.status == 200
    assert (await response.json())["live"] is True


async def test_ready_follows_the_condition_and_says_why(port: Port) -> None:
    response = await port.client.get("/ready")
    assert (response.status, await response.json()) == (200, {"ready": True, "problems": []})
    port.condition = Condition(True, False, False, True)
    response = await port.client.get("/ready")
    expected = {"ready": False, "problems": ["the upstream cannot be reached"]}
    assert (response.status, await response.json()) == (503, expected)
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/live", "/ready"])
async def test_probes_answer_head_too(port: Port, path: str) -> None:
    assert (await port.client.head(path)).status == 200


async def test_metrics_speak_both_formats(port: Port) -> None:
    plain = await port.client.get("/metrics")
    assert plain.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "understudy_queue_entries 0.0" in await plain.text()
    accept = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"}
    other = await port.client.get("/metrics", headers=accept)
    assert other.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert (await other.text()).endswith("# EOF\n")


async def test_status_tells_modes_tally_and_what_happened_last(port: Port) -> None:
    port.emit(Served("storage", "GET", "shadow", True, "upstream", 200, 0.1, 0.0))
    port.emit(Served("storage", "GET", "shadow", True, "upstream", 200, 0.1, 0.0))
    port.emit(Judged("storage", "match", "GET /storage?token=secret", (), 0.1, 0.1))
    port.emit(ConfigReloaded(False, "bad: password=hunter2"))
    port.emit(SchemaLoaded(True, 8, 0.2))
    response = await port.client.get("/status")
    status = await response.json()
    (storage,) = status["tally"]
    assert (storage["reads"], storage["verdicts"]["match"], storage["settled"], storage["pending"]) == (
        2,
        1,
        1,
        1,
    )
    assert status["modes"] == [
        {
            "table": "storage",
            "reads": "shadow",
            "writes": "upstream",
            "hazards": [],
            "held": False,
            "engine_share": 0.0,
            "acts_outside": False,
        }
    ]
    assert status["last_reload"] == {
        "at": 7.0,
        "accepted": False,
        "problem": "bad: password=***",
        "needs_restart": [],
    }
    assert status["last_schema_load"]["relations"] == 8
    assert (status["ready"], status["schema_loaded"], status["upstream_reachable"]) == (True, True, True)
    assert "secret" not in json.dumps(status)


async def test_status_before_anything_happened(port: Port) -> None:
    status = await (await port.client.get("/status")).json()
    assert (status["tally"], status["last_reload"], status["last_schema_load"]) == ([], None, None)


async def test_status_tells_which_rules_do_something_and_which_might_be_made(port: Port) -> None:
    port.emit(RuleHit("storage", "storage: last_access"))
    for _ in range(2):
        port.emit(VolatileFound("storage", "GET storage", "seen_at"))
    status = await (await port.client.get("/status")).json()
    assert [(rule["rule"], rule["state"], rule["hits"]) for rule in status["ignore_rules"]] == [
        ("storage: last_access", "active", 1),
        ("storage: gone", "stale", 0),
        ("rpc/latest: header X-Build", "expired", 0),
    ]
    assert status["ignore_rules"][0]["owner"] == "ops"
    assert status["proposed_rules"] == [
        {"table": "storage", "shape": "GET storage", "path": "seen_at", "header": ""}
    ]


async def test_mirroring_is_paused_and_goes_on(port: Port) -> None:
    response = await port.client.post("/pause")
    assert await response.json() == {"paused": True, "stopped": False}
    assert port.throttle.paused
    assert (await (await port.client.get("/status")).json())["mirror"] == {"paused": True, "stopped": False}
    await port.client.post("/resume")
    assert not port.throttle.paused


async def test_a_page_in_somebodys_browser_cannot_pause_it(port: Port) -> None:
    response = await port.client.post("/pause", headers={"Origin": "https://elsewhere.test"})
    assert response.status == 403
    assert (await port.client.get("/pause")).status == 405
    assert not port.throttle.paused


@pytest.mark.parametrize("path", ["/", "/storage", "/metrics/", "/%ff"])
async def test_anything_else_is_not_found_in_json(port: Port, path: str) -> None:
    response = await port.client.get(path)
    assert (response.status, await response.json()) == (404, {"error": "Not Found"})


async def test_other_methods_are_refused_in_json(port: Port) -> None:
    response = await port.client.post("/ready")
    assert (response.status, await response.json()) == (405, {"error": "Method Not Allowed"})
    assert "GET" in response.headers["Allow"]


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("/evidence", "evidence"),
        ("/mismatches", ["mismatches of None"]),
        ("/mismatches?table=storage", ["mismatches of storage"]),
        ("/mismatches/ab12", ["mismatch ab12"]),
    ],
)
async def test_the_ledger_can_be_asked(port: Port, path: str, document: object) -> None:
    response = await port.client.get(path)
    assert (response.status, await response.json()) == (200, document)
    port.asked.down = "disk is full"
    response = await port.client.get(path)
    assert response.status == 503
    assert await response.json() == {"error": "disk is full"}
    status = await (await port.client.get("/status")).json()
    assert status["ledger"] == {"state": "up", "entries": 0}


async def test_the_engine_can_be_asked_with_the_target_as_it_was_sent(port: Port) -> None:
    url = URL("/engine/storage?uri=eq.%41%20b&or=(a.eq.1,b.is.null)", encoded=True)
    response = await port.client.get(url, headers={"Accept": "text/csv"})
    assert (response.status, await response.text()) == (206, "a,b")
    assert response.headers.getall("X-Odd") == ["a", "b"]
    assert "Access-Control-Allow-Origin" not in response.headers
    (request,) = port.requests
    assert (request.method, request.target) == (
        "GET",
        b"/storage?uri=eq.%41%20b&or=(a.eq.1,b.is.null)",
    )
    assert request.header(b"accept") == b"text/csv"
    assert (await port.client.post("/engine/storage")).status == 405


async def test_a_recording_comes_line_by_line_and_ends(port: Port) -> None:
    response = await port.client.get("/tape?per_shape=1&max_bytes=1000&seconds=2.5")
    assert (response.status, await response.text()) == (200, "1 1000 2.5\n\none\ntwo\n")
    assert port.recordings_ended == 1


@pytest.mark.parametrize("query", ["per_shape=x", "seconds=0", "max_bytes=-1", "seconds=inf", "seconds=nan"])
async def test_limits_of_a_recording_that_are_none_are_refused(port: Port, query: str) -> None:
    assert (await port.client.get(f"/tape?{query}")).status == 400


async def test_a_recording_that_cannot_be_is_told(port: Port) -> None:
    port.asked.down = "4 recordings are under way"
    response = await port.client.get("/tape")
    assert (response.status, await response.json()) == (503, {"error": "4 recordings are under way"})


async def test_holds_are_listed(port: Port) -> None:
    held = {"table": "storage", "since": 7.0, "reason": "errors", "words": "5 engine errors"}
    assert await (await port.client.get("/holds")).json() == [held]
    assert (await (await port.client.get("/status")).json())["holds"] == [held]


async def test_wishes_are_carried_out_as_they_are_put(port: Port) -> None:
    for path in (
        "/holds/rpc/latest/rearm?who=anna&why=the+disk+is+back",
        "/tables/dlm.storage/promote?who=anna&share=12.5",
        "/tables/storage/promote?to=engine&force=true&why=a+demonstration",
        "/tables/storage/rollback?who=+",
    ):
        assert (await port.client.post(path)).status == 200
    assert port.guarding.wishes == [
        Wish("rearm", "rpc/latest", "anna", "the disk is back"),
        Wish("promote", "dlm.storage", "anna", share=12.5),
        Wish("promote", "storage", "admin port", "a demonstration", "engine", force=True),
        Wish("rollback", "storage", "admin port"),
    ]


@pytest.mark.parametrize("query", ["to=shadow", "share=all", "share=0", "share=nan", "force=perhaps"])
async def test_a_wish_that_is_none_is_refused(port: Port, query: str) -> None:
    assert (await port.client.post(f"/tables/storage/promote?{query}")).status == 400
    assert port.guarding.wishes == []


@pytest.mark.parametrize("path", ["/holds/storage/rearm?why=x", "/tables/storage/rollback"])
async def test_a_web_page_has_no_wishes(port: Port, path: str) -> None:
    assert (await port.client.post(path, headers={"Origin": "https://evil.example"})).status == 403
    assert (await port.client.get(path)).status == 405
    assert port.guarding.wishes == []


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Outcome("refused", ("it is held", "2 open mismatch signatures")), 409),
        (Outcome("not_writable", ("it cannot be changed",), "a patch"), 409),
        (Outcome("unreachable", ("the ledger is gone",)), 503),
    ],
)
async def test_what_is_not_done_is_told_with_its_reasons(port: Port, outcome: Outcome, status: int) -> None:
    port.guarding.outcome = outcome
    answer = await port.client.post("/tables/storage/promote")
    told = await answer.json()
    assert (answer.status, told["words"], told["patch"]) == (status, list(outcome.words), outcome.patch)
    assert told["error"] == "; ".join(outcome.words)


ADA = Operator("ada", "a-secret-of-ada-1")


async def test_where_operators_are_named_only_they_are_answered(port: Port) -> None:
    port.operators = (ADA,)
    refused = await port.client.get("/status")
    assert (refused.status, await refused.json()) == (
        401,
        {"error": "name and secret of an operator are needed"},
    )
    assert refused.headers["WWW-Authenticate"] == 'Basic realm="Understudy", charset="UTF-8"'
    basic = encode_basic_auth("ada", ADA.secret)
    assert (await port.client.get("/status", headers={"Authorization": basic})).status == 200
    assert (await port.client.post("/pause", headers={"X-Operator-Secret": ADA.secret})).status == 200
    assert (await port.client.get("/ready")).status == 200


async def test_an_operators_secret_is_not_passed_on_to_the_engine(port: Port) -> None:
    port.operators = (ADA,)
    await port.client.get("/engine/storage", headers={"Authorization": f"Bearer {ADA.secret}"})
    token = {"Authorization": "Bearer a.b.c", "X-Operator-Secret": ADA.secret}
    await port.client.get("/engine/storage", headers=token)
    assert [request.header(b"authorization") for request in port.requests] == [None, b"Bearer a.b.c"]
    assert ADA.secret.encode() not in b"".join(v for request in port.requests for _, v in request.headers)


@pytest.mark.parametrize("path", ["/live", "/status", "/engine/rpc/page", "/nothing"])
async def test_browsers_are_told_to_do_nothing_with_an_answer(port: Port, path: str) -> None:
    headers = (await port.client.get(path)).headers
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'; sandbox"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Server"] == "understudy"


async def test_a_name_that_was_pointed_here_is_refused(port: Port) -> None:
    response = await port.client.get("/status", headers={"Host": "evil.example"})
    assert response.status == 421


async def test_a_change_is_the_operators_who_asks_for_it(port: Port) -> None:
    port.operators = (ADA,)
    bearer = {"Authorization": f"Bearer {ADA.secret}"}
    await port.client.post("/tables/storage/rollback?who=somebody+else", headers=bearer)
    assert [wish.who for wish in port.guarding.wishes] == ["ada"]

"""A page of every kind, with values that would be markup wherever they were not escaped."""

from typing import Any

from proxy.config import Config, EngineConfig, Operator, ReadinessConfig, Rule, UpstreamConfig
from proxy.config.values import ConsoleConfig
from proxy.operate.health import LastReload, LastSchemaLoad
from proxy.operate.history import EMPTY, SLOTS, Moment
from proxy.operate.judgements import Judgement
from proxy.shadow.guard import Hold
from proxy.shadow.policy import TableModes
from proxy.shadow.readiness import Readiness, ShapeEvidence, TableEvidence, judge_readiness
from proxy.shadow.wish import Outcome, Wish
from proxy.web.configuration import show_configuration
from proxy.web.gather import make_line, make_mismatch, make_readiness, make_table, make_tables
from proxy.web.values import (
    ConfigurationPage,
    ErrorPage,
    Frame,
    HistoryPage,
    MismatchesPage,
    OutcomePage,
    Page,
)

NOW = 1_800_000_000.0
LIMITS = ReadinessConfig()
HOSTILE = """"'></td><script>alert(1)</script><img src=x onerror=alert(1)>&amp;{{ 7*7 }}\u202e\x1b[31m"""
"""What breaks out of a text, an attribute, a script; a template's own braces; what turns text around."""

SECRET = "a-secret-of-ada-1"


def frame(**changes: Any) -> Frame:
    return Frame(
        NOW, "0.1.0", "/console", **{"operator": HOSTILE, "token": "f" * 64, "nonce": "abc", **changes}
    )


def moments(count: int = SLOTS) -> tuple[Moment, ...]:
    busy = Moment(90, 30, 80, 1, 2, 1, 0.004, 0.003)
    return (*[EMPTY] * (count // 2), *[busy] * (count - count // 2))


def judged(table: str, *, mismatches: int = 1) -> Readiness:
    shape = ShapeEvidence(f"GET {table}?id=eq.*", verdicts={"match": 1000, "mismatch": mismatches, "race": 2})
    evidence = TableEvidence(
        table, (shape,), open_signatures=mismatches, first_seen=NOW - 90_000, last_seen=NOW - 5
    )
    return judge_readiness(evidence, LIMITS, NOW)


def judgement(table: str, **changes: int) -> Judgement:
    return Judgement(judged(table, **changes), NOW - 30, (1.0, 0.1, 0.01, 0.002))


def modes(table: str, reads: str = "shadow", share: float = 0.0) -> TableModes:
    return TableModes(table, reads, "upstream", (HOSTILE,), engine_share=share)


def mismatch(table: str = HOSTILE) -> dict[str, Any]:
    """As the ledger reports one."""
    request = {
        "method": "GET",
        "target": "/x?" + HOSTILE,
        "headers": [["Accept", HOSTILE], ["Authorization", "***"]],
        "body": "",
    }
    upstream = {
        "status": 200,
        "headers": [["X-Odd", HOSTILE], ["Date", "now"]],
        "body": '[{"a": 1, "b": "x"}]',
    }
    engine = {"status": 200, "headers": [["X-Odd", "other"]], "body": '[{"a": 1, "b": "<script>"}]'}
    differences = [
        {"aspect": "headers", "path": "x-odd", "upstream": HOSTILE, "engine": "other", "kind": "value"},
        {"aspect": "body", "path": "$[0].b", "upstream": '"x"', "engine": HOSTILE, "kind": "value"},
    ]
    return {
        **{"id": "0123abcd", "table": table, "signature": HOSTILE, "aspects": ["body", "headers"]},
        **{"state": "closed", "count": 3, "first_seen": NOW - 100, "last_seen": NOW - 1},
        **{"closed_at": NOW, "closed_by": HOSTILE, "closed_why": HOSTILE},
        **{"smallest": request, "smallest_tries": 7},
        "examples": [
            {
                **{"seen_at": NOW, "shape": HOSTILE, "role": HOSTILE, "request": request},
                **{"upstream": upstream, "engine": engine, "differences": differences, "cut": ["engine"]},
            }
        ],
    }


def change(table: str = HOSTILE) -> dict[str, Any]:
    return {
        **{"at": NOW, "table": table, "operation": "reads", "before": "shadow", "after": "held"},
        **{"who": HOSTILE, "why": HOSTILE, "replicas": 1},
    }


def config() -> Config:
    return Config(
        upstream=UpstreamConfig("http://postgrest:3000"),
        engine=EngineConfig(
            db_uri="postgresql://u:pass-of-db@db/x",
            jwt_secret="secret-of-jwt-secret-of-jwt-secret",
            app_settings=(("app.settings.key", "secret-of-an-app"),),
            db_pre_request=HOSTILE,
        ),
        tables={HOSTILE: Rule("engine")},
        ledger="postgresql://u:pass-of-ledger@db/ledger",
        console=ConsoleConfig((Operator("ada", SECRET),)),
    )


def pages() -> dict[str, Page]:
    """A page of every kind."""
    hold = Hold(HOSTILE, NOW - 60, "mismatches", HOSTILE)
    line = make_line(modes(HOSTILE), hold, judgement(HOSTILE), moments())
    evidence = {
        "tables": [{"table": HOSTILE, "traffic": {"reads": {"upstream": 90}, "skipped": {HOSTILE: 3}}}],
        "mode_changes": [change(), change("another")],
    }
    many = (modes(HOSTILE), modes("quiet"), modes("on stage", "canary", 0.25), modes("fine"))
    judgements = {HOSTILE: judgement(HOSTILE), "fine": judgement("fine", mismatches=0)}
    return {
        "tables": make_tables(
            many, {HOSTILE: hold}, judgements, lambda _: (EMPTY,) * SLOTS, LIMITS, (HOSTILE,)
        ),
        "table": make_table(line, config(), evidence, [mismatch()], (HOSTILE,)),
        "readiness": make_readiness(judgements, config(), (HOSTILE,)),
        "mismatches": MismatchesPage(HOSTILE, (mismatch(),), (HOSTILE,)),
        "mismatch": make_mismatch(mismatch(), "http://postgrest:3000", "$ADMIN/engine", (HOSTILE,)),
        "history": HistoryPage((change(),), (HOSTILE,)),
        "configuration": ConfigurationPage(
            show_configuration(config()),
            LastReload(NOW, False, HOSTILE),
            LastSchemaLoad(NOW, False, 0, HOSTILE),
            (HOSTILE,),
        ),
        "outcome": OutcomePage(
            Wish("promote", HOSTILE, HOSTILE, HOSTILE), Outcome("not_writable", (HOSTILE,), f"-{HOSTILE}\n+x")
        ),
        "error": ErrorPage(404, (HOSTILE,)),
    }

"""The conditions of evidence follow the schema cache, the dialect and the upstream's version."""

from dataclasses import replace
from datetime import date

from proxy.config import CompareConfig, Config, EngineConfig, IgnoreRule, UpstreamConfig
from proxy.database.snapshot import EngineSnapshot
from proxy.engine.reach import Reach
from proxy.engine.schema import Column, Relation, Schema
from proxy.messages import Request
from proxy.server.conditions import MAX_UPSTREAMS, ConditionsInForce
from proxy.server.roles import find_role
from proxy.server.schema_cache import make_names
from proxy.server.state import Snapshot, State
from proxy.shadow.policy import Names
from proxy.tape.request import RequestSettings, sign

SECRET = "a secret of thirty-two characters"
CONFIG = Config(
    upstream=UpstreamConfig("http://a"),
    engine=EngineConfig(db_schemas=("dlm",), db_anon_role="anon", jwt_secret=SECRET),
)


def snapshot(**columns: str) -> Snapshot:
    made = {name: Column(name, kind, kind) for name, kind in columns.items()}
    other = Relation("dlm", "other", {})
    schema = Schema(relations={("dlm", "storage"): Relation("dlm", "storage", made), ("dlm", "other"): other})
    return Snapshot(CONFIG, make_names(schema, CONFIG.engine, Reach()), EngineSnapshot(CONFIG.engine, schema))


def test_a_new_schema_changes_the_tables_that_it_changes() -> None:
    state = State(snapshot(uid="int8"))
    conditions = ConditionsInForce(state, "1.0")
    before = {name: conditions.find(name, "14").epoch for name in ("storage", "other")}
    state.replace(snapshot(uid="int8"))
    assert {name: conditions.find(name, "14").epoch for name in before} == before
    state.replace(snapshot(uid="int8", uri="text"))
    assert conditions.find("other", "14").epoch == before["other"]
    assert conditions.find("storage", "14").epoch != before["storage"]


def test_versions_and_dialects_are_conditions() -> None:
    state = State(snapshot(uid="int8"))
    conditions = ConditionsInForce(state, "1.0")
    first = conditions.find("storage", "postgrest/14")
    assert (first.engine, first.upstream) == ("1.0 compat 14", "postgrest/14")
    assert conditions.find("storage", "postgrest/13").epoch != first.epoch
    assert ConditionsInForce(state, "2.0").find("storage", "postgrest/14").epoch != first.epoch
    engine = replace(CONFIG.engine, compat="12")
    state.replace(replace(state.current, config=replace(CONFIG, engine=engine)))
    assert conditions.find("storage", "postgrest/14").engine == "1.0 compat 12"


def test_without_a_schema_cache_and_for_other_requests_there_are_conditions_too() -> None:
    conditions = ConditionsInForce(State(Snapshot(CONFIG, Names(), None)), "1.0")
    assert conditions.find("other", "14").schema == ""


def test_an_upstream_that_says_something_else_every_time_fills_nothing() -> None:
    conditions = ConditionsInForce(State(snapshot(uid="int8")), "1.0")
    epochs = {conditions.find("storage", f"version {number}").epoch for number in range(1_000)}
    assert len(epochs) <= MAX_UPSTREAMS + 1


def test_the_role_is_that_of_the_token_or_of_nobody() -> None:
    here = snapshot(uid="int8")
    token = sign('{"role":"editor"}', RequestSettings(b"h", token_secret=SECRET.encode()))

    def ask(*headers: tuple[bytes, bytes]) -> str:
        return find_role(Request("GET", b"/storage", headers), here, 0.0)

    assert ask() == "anon"
    assert ask((b"Authorization", b"Bearer " + token)) == "editor"
    assert ask((b"Authorization", b"Bearer " + token[:-3])) == ""
    nobody = replace(here, config=replace(CONFIG, engine=replace(CONFIG.engine, db_anon_role=None)))
    assert find_role(Request("GET", b"/storage"), nobody, 0.0) == ""


def test_a_rule_that_comes_goes_or_expires_is_a_new_condition_of_its_table() -> None:
    state = State(snapshot(uid="int8", uri="text"))
    day = date(2027, 1, 1)
    conditions = ConditionsInForce(state, "1.0", lambda: day)
    before = {name: conditions.find(name, "14").epoch for name in ("storage", "other")}
    rule = IgnoreRule("readers touch it", date(2027, 1, 31), table="storage", path="uri")
    config = replace(CONFIG, compare=CompareConfig(ignore=(rule,)))
    state.replace(replace(state.current, config=config))
    assert conditions.find("storage", "14").epoch != before["storage"]
    assert conditions.find("other", "14").epoch == before["other"]
    day = date(2027, 2, 1)
    assert conditions.find("storage", "14").epoch == before["storage"]


def test_an_upstream_that_says_nothing_is_the_one_that_last_said_what_it_is() -> None:
    conditions = ConditionsInForce(State(snapshot(uid="int8")), "1.0")
    assert conditions.find("storage", "").upstream == ""
    known = conditions.find("storage", "postgrest/14")
    assert conditions.find("storage", "") == known
    assert conditions.find("other", "").upstream == "postgrest/14"

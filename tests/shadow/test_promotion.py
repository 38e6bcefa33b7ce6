"""What promotions and rollbacks set, what they mean by a name, and when they are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config import Config, EngineConfig, ReadMode, Rule, UpstreamConfig
from proxy.shadow.guard import Hold
from proxy.shadow.promotion import (
    ADVANCE,
    describe_rule,
    find_promoted,
    find_refusals,
    find_rolled_back,
    find_target,
)
from proxy.shadow.ramp import Step, plan_steps

CONFIG = Config(
    upstream=UpstreamConfig("http://postgrest:3000"),
    engine=EngineConfig(db_schemas=("dlm", "zoo")),
    defaults=Rule(sample=50.0),
    tables={"storage": Rule("engine"), "dlm.location": Rule("canary"), "zoo.animal": Rule("upstream")},
    functions={"latest": Rule("canary")},
)
ENGINE, TEN = Step(0.0, "engine"), Step(0.0, "canary", 10.0)


@pytest.mark.parametrize(
    ("name", "section", "key", "label", "reads"),
    [
        ("storage", "tables", "storage", "storage", "engine"),
        ("dlm.storage", "tables", "storage", "storage", "engine"),
        ("location", "tables", "dlm.location", "location", "canary"),
        ("dlm.location", "tables", "dlm.location", "location", "canary"),
        ("zoo.animal", "tables", "zoo.animal", "zoo.animal", "upstream"),
        ("data_item", "tables", "data_item", "data_item", "shadow"),
        ("dlm.data_item", "tables", "data_item", "data_item", "shadow"),
        ("rpc/latest", "functions", "latest", "rpc/latest", "canary"),
        ("rpc/dlm.latest", "functions", "latest", "rpc/latest", "canary"),
        ("rpc/oldest", "functions", "oldest", "rpc/oldest", "shadow"),
    ],
)
def test_a_name_means_the_key_that_is_there(
    name: str, section: str, key: str, label: str, reads: ReadMode
) -> None:
    target = find_target(name, CONFIG)
    assert (target.section, target.key, target.label, target.rule.reads) == (section, key, label, reads)


def test_a_step_sets_the_mode_and_what_it_needs() -> None:
    assert find_promoted(Rule(), TEN) == {"reads": "canary", "share": "10"}
    assert find_promoted(Rule(share=2.5), Step(0.0, "canary")) == {"reads": "canary", "share": "2.5"}
    assert find_promoted(Rule(), ENGINE) == {"reads": "engine", "verify": "5"}
    assert find_promoted(Rule(verify=1.0), ENGINE) == {"reads": "engine"}


@given(st.sampled_from(ADVANCE))
def test_a_rollback_never_moves_a_table_forward(reads: ReadMode) -> None:
    after = find_rolled_back(Rule(reads))["reads"]
    assert ADVANCE.index(after) <= min(ADVANCE.index(reads), ADVANCE.index("shadow"))


def test_a_promotion_does_not_go_back_and_does_not_pass_a_hold() -> None:
    storage, item = find_target("storage", CONFIG), find_target("data_item", CONFIG)
    assert list(find_refusals(storage, ENGINE, CONFIG, None)) == []
    assert list(find_refusals(storage, TEN, CONFIG, None)) == ["it is in engine already: roll it back first"]
    hold = Hold("data_item", 0.0, "errors", "5 engine errors of 5 reads within 1 min, over the limit 0.01")
    assert list(find_refusals(item, TEN, CONFIG, hold)) == [f"it is held ({hold.words}): re-arm it first"]
    assert list(find_refusals(item, TEN, Config(), None)) == [
        "without an upstream the engine answers everything already"
    ]


def test_a_ramp_is_a_step_for_each_share_and_one_for_the_engine() -> None:
    assert plan_steps("engine", (1, 10, 100), 600.0) == (
        Step(0.0, "canary", 1),
        Step(600.0, "canary", 10),
        Step(1200.0, "canary", 100),
        Step(1800.0, "engine"),
    )
    assert plan_steps("canary", (5,), 600.0) == (Step(0.0, "canary", 5),)
    assert plan_steps("engine", (), 600.0) == (ENGINE,)
    with pytest.raises(ValueError, match="have to grow"):
        plan_steps("engine", (10, 10), 600.0)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Rule(), "shadow"),
        (Rule("canary", share=2.5), "canary 2.5 %"),
        (Rule("engine"), "engine"),
        (Rule("engine", verify=5), "engine, 5 % verified"),
    ],
)
def test_a_rule_in_words(rule: Rule, words: str) -> None:
    assert describe_rule(rule) == words

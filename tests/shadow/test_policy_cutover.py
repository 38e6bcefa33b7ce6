"""The modes of a cutover: canary, engine with verification, the weakest link among them, and holds."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.config import Config, ReadMode, Rule, UpstreamConfig
from proxy.messages import Request
from proxy.shadow.canary import is_chosen
from proxy.shadow.policy import Decision, FindClient, FindTouched, Names, TableModes, decide, list_modes

TABLES = ("data_item", "storage", "location")
NAMES = Names(("dlm",), frozenset(("dlm", name) for name in TABLES))
UPSTREAM = UpstreamConfig("http://postgrest:3000")
READ = Request("GET", b"/data_item?uid=eq.1")
ADVANCE = ("upstream", "shadow", "canary", "engine")

RULES = st.builds(
    Rule,
    reads=st.sampled_from(ADVANCE),
    sample=st.floats(0, 100),
    share=st.floats(0, 100),
    verify=st.floats(0, 100),
)
CLIENTS = st.binary(max_size=8)
ROLLS = st.floats(0, 100, exclude_max=True)


def configure(**rules: Rule) -> Config:
    return Config(upstream=UPSTREAM, tables=rules)


ALONE = Config(tables={"data_item": Rule("engine", verify=100)})


def known_as(client: bytes) -> FindClient:
    return lambda: client


def touching(*tables: str) -> FindTouched:
    return lambda _: [("dlm", table) for table in tables]


def test_a_canary_is_compared_whichever_side_answers() -> None:
    config = configure(data_item=Rule("canary", share=50))
    decisions = {
        decide(READ, config, NAMES, 99.0, find_client=known_as(bytes([number]))) for number in range(50)
    }
    assert decisions == {
        Decision("data_item", "canary", True, "engine", None),
        Decision("data_item", "canary", True, "upstream", None),
    }


def test_a_share_of_what_the_engine_answers_is_verified() -> None:
    config = configure(data_item=Rule("engine", verify=5))
    assert decide(READ, config, NAMES, 4.9) == Decision("data_item", "engine", True, "engine", None)
    assert decide(READ, config, NAMES, 5.0).skip == "not_sampled"
    assert decide(READ, configure(data_item=Rule("engine")), NAMES, 0.0).skip == "mode"


def test_without_an_upstream_there_is_nothing_to_verify_against() -> None:
    assert decide(READ, ALONE, NAMES, 0.0).skip == "mode"


def test_of_a_canary_and_an_engine_the_canary_is_the_weakest() -> None:
    config = configure(data_item=Rule("engine"), storage=Rule("canary", share=0))
    decision = decide(READ, config, NAMES, 0.0, touching("storage"))
    assert decision == Decision("data_item", "canary", True, "upstream", None)


def test_of_two_canaries_the_smaller_share_counts() -> None:
    config = configure(data_item=Rule("canary", share=100), storage=Rule("canary", share=0))
    assert decide(READ, config, NAMES, 0.0).serve == "engine"
    assert decide(READ, config, NAMES, 0.0, touching("storage")).serve == "upstream"


@given(st.lists(RULES, min_size=3, max_size=3), CLIENTS, ROLLS, st.sets(st.sampled_from(TABLES)))
def test_the_engine_answers_only_what_every_touched_table_allows(
    rules: list[Rule], client: bytes, roll: float, touched: set[str]
) -> None:
    config = configure(**dict(zip(TABLES, rules, strict=True)))
    decision = decide(READ, config, NAMES, roll, touching(*touched), known_as(client))
    alone = [config.tables[name] for name in {"data_item", *touched}]
    allowed = all(
        rule.reads == "engine" or (rule.reads == "canary" and is_chosen(READ, client, rule.share))
        for rule in alone
    )
    assert (decision.serve == "engine") == allowed
    assert decision.mode == min((rule.reads for rule in alone), key=ADVANCE.index)


@given(RULES, CLIENTS, ROLLS, st.sets(st.sampled_from(TABLES)))
def test_a_hold_only_ever_holds_back(rule: Rule, client: bytes, roll: float, touched: set[str]) -> None:
    config = configure(**dict.fromkeys(TABLES, rule))
    free = decide(READ, config, NAMES, roll, touching(*touched), known_as(client))
    held = decide(READ, config, NAMES, roll, touching(*touched), known_as(client), {"storage"})
    assert ADVANCE.index(held.mode) <= ADVANCE.index(free.mode)
    if "storage" in touched:
        assert held.serve == "upstream"
        assert ADVANCE.index(held.mode) <= ADVANCE.index("shadow")
    else:
        assert held == free


def test_a_held_table_is_mirrored_as_any_in_shadow() -> None:
    config = configure(data_item=Rule("engine", sample=30))
    assert decide(READ, config, NAMES, 29.0, holds={"data_item"}) == Decision(
        "data_item", "shadow", True, "upstream", None
    )
    assert decide(READ, config, NAMES, 30.0, holds={"data_item"}).skip == "not_sampled"


def test_without_an_upstream_a_hold_has_nothing_to_go_back_to() -> None:
    assert decide(READ, ALONE, NAMES, 0.0, holds={"data_item"}).serve == "engine"


def test_a_hold_is_listed_with_the_mode_that_it_makes() -> None:
    config = configure(data_item=Rule("engine"), storage=Rule("upstream"))
    modes = {one.table: one for one in list_modes(config, NAMES, {"data_item", "storage"})}
    assert modes["data_item"] == TableModes("data_item", "shadow", "upstream", held=True)
    assert modes["storage"] == TableModes("storage", "upstream", "upstream", held=True)
    assert not modes["location"].held


@given(CLIENTS, st.floats(0, 100), st.floats(0, 100))
def test_a_larger_share_keeps_whom_a_smaller_one_had(client: bytes, one: float, other: float) -> None:
    if is_chosen(READ, client, min(one, other)):
        assert is_chosen(READ, client, max(one, other))


def mode_of(reads: ReadMode, share: float) -> set[str]:
    config = configure(data_item=Rule(reads, share=share))
    return {
        decide(READ, config, NAMES, 0.0, find_client=known_as(bytes([number]))).serve for number in range(100)
    }


def test_shares_of_nothing_and_of_everything_are_exact() -> None:
    assert mode_of("canary", 0) == {"upstream"}
    assert mode_of("canary", 100) == {"engine"}


def test_a_hold_on_an_embedded_table_counts_where_no_table_has_a_rule_of_its_own() -> None:
    config = Config(upstream=UPSTREAM, defaults=Rule("engine"))
    decision = decide(READ, config, NAMES, 0.0, touching("storage"), holds={"storage"})
    assert (decision.mode, decision.serve) == ("shadow", "upstream")

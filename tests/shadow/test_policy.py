"""Which side answers, what is mirrored, and under which name it is counted."""

import string
from dataclasses import replace
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config import Config, EngineConfig, ReadMode, Rule, UpstreamConfig, WriteMode
from proxy.messages import Headers, Request
from proxy.shadow.names import Actors
from proxy.shadow.policy import (
    Decision,
    FindTouched,
    Hazards,
    Names,
    Side,
    TableModes,
    decide,
    list_modes,
)
from proxy.shadow.subject import Subject, label_subject, list_subjects

NAMES = Names(
    schemas=("dlm", "zoo"),
    relations=frozenset(
        {
            ("dlm", "storage"),
            ("dlm", "data_item"),
            ("dlm", "rpc"),
            ("dlm", "a b/ü"),
            ("dlm", "other"),
            ("zoo", "storage"),
            ("zoo", "animal"),
            ("hidden", "secret"),
        }
    ),
    functions=MappingProxyType({("dlm", "latest"): True, ("dlm", "drop_all"): False, ("zoo", "feed"): False}),
)
UPSTREAM = UpstreamConfig("http://upstream:3000")


def configure(
    defaults: Rule | None = None,
    tables: dict[str, Rule] | None = None,
    functions: dict[str, Rule] | None = None,
    upstream: UpstreamConfig | None = UPSTREAM,
    root_function: str | None = None,
) -> Config:
    return Config(
        upstream=upstream,
        defaults=defaults or Rule(),
        tables=tables or {},
        functions=functions or {},
        engine=EngineConfig(db_root_spec=root_function),
    )


def ask(
    target: bytes, config: Config | None = None, method: str = "GET", headers: Headers = (), roll: float = 0.0
) -> Decision:
    return decide(Request(method, target, headers), config or configure(), NAMES, roll)


@pytest.mark.parametrize(
    ("target", "table"),
    [
        (b"/storage", "storage"),
        (b"/storage?id=eq.1", "storage"),
        (b"/stor%61ge", "storage"),
        (b"/rpc", "rpc"),
        (b"/rpc/latest", "rpc/latest"),
        (b"/rpc/l%61test?x=1", "rpc/latest"),
        (b"/a%20b%2F%C3%BC", "dlm.a b/ü"),
        (b"/other", "dlm.other"),
        (b"/", "other"),
        (b"", "other"),
        (b"/storage/", "other"),
        (b"//storage", "other"),
        (b"/rpc/", "other"),
        (b"/rpc/latest/x", "other"),
        (b"/rpc/storage", "other"),
        (b"/latest", "other"),
        (b"/animal", "other"),
        (b"/secret", "other"),
        (b"/Storage", "other"),
        (b"/a+b%2F%C3%BC", "other"),
        (b"/%zz%ff\xff", "other"),
    ],
)
def test_the_label_is_found_from_the_raw_path_as_postgrest_routes(target: bytes, table: str) -> None:
    assert ask(target).table == table


@pytest.mark.parametrize(
    ("method", "header", "schema", "table"),
    [
        ("GET", b"Accept-Profile", b"zoo", "zoo.storage"),
        ("HEAD", b"accept-profile", b"zoo", "zoo.storage"),
        ("OPTIONS", b"Accept-Profile", b"zoo", "zoo.storage"),
        ("GET", b"Content-Profile", b"zoo", "storage"),
        ("POST", b"Content-Profile", b"zoo", "zoo.storage"),
        ("PATCH", b"Content-Profile", b"zoo", "zoo.storage"),
        ("DELETE", b"Accept-Profile", b"zoo", "storage"),
        ("GET", b"Accept-Profile", b"dlm", "storage"),
        ("GET", b"Accept-Profile", b"hidden", "other"),
        ("GET", b"Accept-Profile", b"ZOO", "other"),
        ("GET", b"Accept-Profile", b"", "other"),
    ],
)
def test_the_profile_header_of_the_method_chooses_the_schema(
    method: str, header: bytes, schema: bytes, table: str
) -> None:
    assert ask(b"/storage", method=method, headers=((header, schema),)).table == table


@given(st.binary(max_size=40), st.sampled_from(["GET", "POST", "X"]), st.binary(max_size=5))
def test_a_label_is_never_anything_but_a_name_of_the_schema_cache(
    path: bytes, method: str, profile: bytes
) -> None:
    known = {label_subject(subject, NAMES) for subject in list_subjects(NAMES)} | {"other"}
    headers = ((b"Accept-Profile", profile),) if profile else ()
    assert ask(b"/" + path, method=method, headers=headers).table in known


@given(
    st.sets(st.tuples(st.sampled_from("ab"), st.text(string.ascii_lowercase + "./", min_size=1, max_size=3)))
)
def test_no_two_names_of_the_default_schema_share_a_label(relations: set[tuple[str, str]]) -> None:
    names = Names(("a", "b"), frozenset(relations))
    subjects = [subject for subject in list_subjects(names) if subject.schema == "a"]
    assert len({label_subject(subject, names) for subject in subjects}) == len(subjects)


@pytest.mark.parametrize(
    ("reads", "roll", "serve", "skip"),
    [
        ("upstream", 0.0, "upstream", "mode"),
        ("shadow", 0.0, "upstream", None),
        ("shadow", 24.9, "upstream", None),
        ("shadow", 25.0, "upstream", "not_sampled"),
        ("engine", 0.0, "engine", "mode"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_reads_go_where_the_mode_says_and_are_mirrored_by_the_roll(
    reads: str, roll: float, serve: str, skip: str | None, method: str
) -> None:
    config = configure(tables={"storage": Rule(reads=reads, sample=25.0)})  # type: ignore[arg-type]
    decision = ask(b"/storage", config, method=method, roll=roll)
    assert decision == Decision("storage", reads, True, serve, skip)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])
def test_writes_go_to_the_upstream_whatever_the_reads_do(method: str) -> None:
    config = configure(tables={"storage": Rule(reads="engine")})
    assert ask(b"/storage", config, method=method) == Decision(
        "storage", "upstream", False, "upstream", "method"
    )


SAFE = replace(
    NAMES,
    hazards=Hazards(
        {("dlm", "storage"): (), ("dlm", "data_item"): ("its trigger calls dblink",)},
        {("dlm", "drop_all"): ()},
    ),
)


@pytest.mark.parametrize(
    ("writes", "serve", "rehearse"),
    [("upstream", "upstream", False), ("rehearse", "upstream", True), ("engine", "engine", False)],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_write_goes_where_the_mode_of_writes_says(
    writes: WriteMode, serve: Side, rehearse: bool, method: str
) -> None:
    config = configure(tables={"storage": Rule(writes=writes)}, functions={"drop_all": Rule(writes=writes)})
    for target, table in ((b"/storage", "storage"), (b"/rpc/drop_all", "rpc/drop_all")):
        decision = decide(Request(method, target), config, SAFE, 0.0)
        assert decision == Decision(table, writes, False, serve, "method", rehearse)


@pytest.mark.parametrize("method", ["OPTIONS", "BREW", "post", "TRACE", "CONNECT", "QUERY"])
@pytest.mark.parametrize("writes", ["rehearse", "engine"])
def test_what_is_neither_read_nor_write_is_the_upstreams(method: str, writes: WriteMode) -> None:
    config = configure(Rule("engine", writes))
    decision = decide(Request(method, b"/storage"), config, SAFE, 0.0)
    assert decision == Decision("storage", "upstream", False, "upstream", "method")


@pytest.mark.parametrize(("method", "target"), [("GET", b"/rpc/drop_all"), ("HEAD", b"/rpc/drop_all")])
def test_a_function_that_writes_is_a_read_when_it_is_called_by_a_method_that_reads(
    method: str, target: bytes
) -> None:
    decision = decide(Request(method, target), configure(Rule("engine", "rehearse")), SAFE, 0.0)
    assert (decision.read, decision.rehearse) == (True, False)


def test_a_function_that_only_reads_is_never_rehearsed() -> None:
    config = configure(Rule("shadow", "rehearse"))
    assert not decide(Request("POST", b"/rpc/latest"), config, SAFE, 0.0).rehearse


def test_a_table_whose_writes_reach_outside_or_are_not_known_is_not_rehearsed() -> None:
    config = configure(Rule(writes="rehearse"))
    for target, table in ((b"/data_item", "data_item"), (b"/rpc", "rpc"), (b"/rpc/feed", "other")):
        decision = decide(Request("POST", target), config, SAFE, 0.0)
        assert decision.table == table
        assert decision.rehearse == (table == "other")
        assert decision.mode == ("rehearse" if table == "other" else "upstream")
    assert not decide(Request("POST", b"/storage"), config, NAMES, 0.0).rehearse, "nothing is known"


def test_the_list_of_modes_says_what_is_done_and_why_not_more() -> None:
    config = configure(Rule(writes="rehearse"))
    modes = {row.table: row for row in list_modes(config, SAFE)}
    assert modes["storage"] == TableModes("storage", "shadow", "rehearse")
    assert modes["data_item"] == TableModes("data_item", "shadow", "upstream", ("its trigger calls dblink",))
    assert modes["zoo.animal"].writes == "upstream"
    assert modes["zoo.animal"].hazards
    assert modes["other"] == TableModes("other", "shadow", "rehearse")


def test_a_table_whose_writes_are_the_engines_needs_no_leave_to_be_rehearsed() -> None:
    config = configure(Rule(writes="engine"))
    assert decide(Request("POST", b"/data_item"), config, SAFE, 0.0).serve == "engine"


def test_a_post_to_a_function_that_only_reads_is_a_read() -> None:
    assert ask(b"/rpc/latest", method="POST") == Decision("rpc/latest", "shadow", True, "upstream", None)
    assert ask(b"/rpc/drop_all", method="POST").skip == "method"
    assert ask(b"/rpc/unknown", method="POST").skip == "method"
    assert ask(b"/rpc/drop_all", method="GET").read


def test_nothing_is_mirrored_at_a_sample_of_zero_and_all_at_a_hundred() -> None:
    for roll in (0.0, 50.0, 99.999):
        assert ask(b"/storage", configure(Rule(sample=0.0)), roll=roll).skip == "not_sampled"
        assert ask(b"/storage", configure(Rule(sample=100.0)), roll=roll).skip is None


def test_what_is_not_in_the_schema_cache_follows_the_defaults_so_that_errors_are_compared() -> None:
    assert ask(b"/nothing").skip is None
    assert ask(b"/", configure(Rule(reads="upstream"))).skip == "mode"


def test_without_an_upstream_the_engine_answers_everything() -> None:
    config = configure(upstream=None)
    assert ask(b"/storage", config) == Decision("storage", "engine", True, "engine", "mode")
    assert ask(b"/storage", config, method="POST") == Decision("storage", "engine", False, "engine", "mode")
    assert decide(Request("GET", b"/x"), config, Names(), 0.0).serve == "engine"


def test_without_a_schema_cache_the_upstream_answers_everything() -> None:
    config = configure(Rule(reads="engine"), tables={"storage": Rule(reads="engine")})
    decision = decide(Request("GET", b"/storage"), config, Names(), 0.0)
    assert decision == Decision("other", "engine", True, "upstream", "no_schema")
    assert decide(Request("POST", b"/storage"), config, Names(), 0.0).skip == "method"


def test_a_qualified_key_means_that_schema_and_a_bare_one_the_default_schema() -> None:
    config = configure(
        tables={"storage": Rule(reads="engine"), "zoo.storage": Rule(reads="upstream")},
        functions={"latest": Rule(reads="engine")},
    )
    zoo = ((b"Accept-Profile", b"zoo"),)
    assert ask(b"/storage", config).mode == "engine"
    assert ask(b"/storage", config, headers=zoo).mode == "upstream"
    assert ask(b"/rpc/latest", config).mode == "engine"


def test_a_bare_key_is_not_stretched_to_another_schemas_table_of_that_name() -> None:
    config = configure(tables={"storage": Rule(reads="engine")})
    assert ask(b"/storage", config, headers=((b"Accept-Profile", b"zoo"),)).mode == "shadow"


def test_a_bare_key_reaches_the_only_schema_that_has_the_name() -> None:
    config = configure(tables={"animal": Rule(reads="engine")})
    assert ask(b"/animal", config, headers=((b"Accept-Profile", b"zoo"),)).mode == "engine"


def test_a_tables_rule_is_not_a_functions_rule() -> None:
    assert ask(b"/rpc/latest", configure(tables={"latest": Rule(reads="engine")})).mode == "shadow"


def test_the_root_is_the_function_that_db_root_spec_names() -> None:
    rules = {"latest": Rule(reads="engine")}
    assert ask(b"/", configure(functions=rules, root_function="latest")).mode == "engine"
    assert ask(b"/", configure(functions=rules, root_function="any.latest")).table == "rpc/latest"


def test_every_name_has_its_modes_listed_and_those_of_the_configuration_come_first() -> None:
    modes = list_modes(configure(tables={"zoo.storage": Rule(reads="engine")}), NAMES)
    assert modes[0] == TableModes("zoo.storage", "engine", "upstream", engine_share=1.0)
    assert modes[-1] == TableModes("other", "shadow", "upstream")
    assert len(modes) == len(list_subjects(NAMES)) + 1
    alone = TableModes("other", "engine", "engine", engine_share=1.0)
    assert list_modes(configure(upstream=None), Names()) == (alone,)


def test_names_outside_the_exposed_schemas_are_no_subjects() -> None:
    assert Subject("hidden", "secret") not in list_subjects(NAMES)


WEAKEST = Names(("dlm",), frozenset(("dlm", name) for name in ("storage", "location", "migration")))


def touching(*tables: str) -> FindTouched:
    """A finder that says a request touches ``tables`` besides its own."""
    return lambda _: [("dlm", table) for table in tables]


@pytest.mark.parametrize(
    ("touched", "mode", "serve"),
    [
        ((), "engine", "engine"),
        (("location",), "shadow", "upstream"),
        (("migration",), "upstream", "upstream"),
        (("location", "migration"), "upstream", "upstream"),
    ],
)
def test_the_least_advanced_mode_of_all_touched_tables_applies(
    touched: tuple[str, ...], mode: str, serve: str
) -> None:
    rules = {
        "storage": Rule(reads="engine"),
        "location": Rule(reads="shadow"),
        "migration": Rule(reads="upstream"),
    }
    config = Config(upstream=UpstreamConfig("http://postgrest"), tables=rules)
    decision = decide(Request("GET", b"/storage?select=*"), config, WEAKEST, 0.0, touching(*touched))
    assert (decision.table, decision.mode, decision.serve) == ("storage", mode, serve)


@pytest.mark.parametrize(
    ("writes", "reads", "mode"),
    [
        ("engine", ("engine",), "engine"),
        ("engine", ("shadow", "engine"), "rehearse"),
        ("engine", ("shadow", "upstream"), "upstream"),
        ("rehearse", ("engine",), "rehearse"),
        ("rehearse", ("shadow",), "rehearse"),
        ("rehearse", ("upstream",), "upstream"),
        ("upstream", ("engine",), "upstream"),
        ("engine", (), "engine"),
    ],
)
def test_a_write_is_as_advanced_as_the_reads_of_what_its_representation_embeds(
    writes: WriteMode, reads: tuple[ReadMode, ...], mode: WriteMode
) -> None:
    tables = {"storage": Rule("upstream", writes)} | {
        f"t{number}": Rule(read) for number, read in enumerate(reads)
    }
    names = Names(
        ("dlm",), frozenset(("dlm", name) for name in tables), hazards=Hazards({("dlm", "storage"): ()})
    )
    config = Config(upstream=UpstreamConfig("http://postgrest"), tables=tables)
    touched = touching(*(name for name in tables if name != "storage"))
    decision = decide(Request("POST", b"/storage?select=*"), config, names, 0.0, touched)
    assert (decision.mode, decision.serve == "engine") == (mode, mode == "engine")
    assert decision.rehearse == (mode == "rehearse")


ACTING = replace(NAMES, actors=Actors(frozenset({("dlm", "data_item")}), frozenset({("dlm", "drop_all")})))


@pytest.mark.parametrize("mode", ["shadow", "canary", "engine"])
@pytest.mark.parametrize("target", [b"/data_item", b"/rpc/drop_all"])
def test_a_read_that_may_act_outside_of_the_database_is_answered_and_not_mirrored(
    mode: ReadMode, target: bytes
) -> None:
    config = configure(defaults=Rule(mode, share=100.0, verify=100.0))
    decision = decide(Request("GET", target), config, ACTING, 0.0)
    assert (decision.mode, decision.skip) == (mode, "acts_outside")
    assert decision.serve == decide(Request("GET", target), config, NAMES, 0.0).serve


def test_so_is_a_read_that_embeds_such_a_relation() -> None:
    request, config = Request("GET", b"/storage?select=*,data_item(*)"), configure()
    assert decide(request, config, ACTING, 0.0, touching("data_item")).skip == "acts_outside"
    assert decide(request, config, ACTING, 0.0, touching("location")).skip is None


def test_what_is_not_mirrored_anyway_keeps_its_reason() -> None:
    config = configure(defaults=Rule("upstream"))
    assert decide(Request("GET", b"/data_item"), config, ACTING, 0.0).skip == "mode"

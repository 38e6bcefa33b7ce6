"""``understudy.yaml`` to ``Config``: what is accepted, and how faults are told."""

from datetime import date

import pytest

from proxy.config import (
    Address,
    Config,
    EngineConfig,
    GuardConfig,
    Limits,
    LogConfig,
    Operator,
    ReadinessConfig,
    RedactConfig,
    Rule,
    ShadowConfig,
    UpstreamConfig,
)
from proxy.config.reader import read_config
from proxy.errors import ConfigError

UPSTREAM = "upstream: {url: 'http://postgrest:3000'}\n"

WHOLE = """\
listen: 0.0.0.0:3000
admin: "[::1]:3001"
workers: 1

upstream:
  url: http://postgrest:3000
  connect_timeout: 500ms
  timeout: 1m

engine:
  db-uri: postgresql://authenticator@db/${DATABASE:-app}
  db-schemas: [dlm, "zoo"]
  db-anon-role: web_anon
  db-max-rows: 100
  app.settings.site: karoo
  compat: 13

defaults: {reads: shadow, writes: upstream, sample: 50}

tables:
  storage: {reads: engine}
  "odd name": {sample: 10}
  dlm.location: {reads: upstream}
  migration:
functions:
  latest_items: {reads: engine, sample: 5%, verify: 2.5}
  oldest_items: {reads: canary, share: 25}

redact: {columns: [storage.uri, dlm.location.config]}
ledger: postgresql://ledger@db/ledger
shadow: {queue: 10, queue_bytes: 1MiB, concurrency: 4, timeout: 2s, max_body: 64KiB}
readiness: {max_mismatch_rate: 0.01, confidence: 0.99, max_latency_ratio: 2, min_period: 0, max_age: 30d}
guard: {window: 30s, max_error_rate: 0.1, slow: 250ms, min_errors: 3, max_mismatches: 1}
limits: {line: 8KiB, headers: 16KiB, header_count: 50, body: 10MB}
log: {format: json, level: error, requests: true, request_id: X-Call, add_request_id: true, spans: true}
"""


def config_of(text: str, environ: dict[str, str] | None = None) -> Config:
    return read_config(text, "understudy.yaml", environ or {}).config


def problems_of(text: str, environ: dict[str, str] | None = None) -> list[tuple[int, str, str, str]]:
    with pytest.raises(ConfigError) as caught:
        read_config(text, "understudy.yaml", environ or {})
    assert all(problem.file in ("understudy.yaml", "environment") for problem in caught.value.problems)
    return [(problem.line, problem.key, problem.found, problem.allowed) for problem in caught.value.problems]


def faults_of(text: str, environ: dict[str, str] | None = None) -> list[tuple[int, str, str]]:
    return [problem[:3] for problem in problems_of(text, environ)]


def test_every_key_of_the_file_finds_its_value() -> None:
    assert config_of(WHOLE) == Config(
        listen=Address("0.0.0.0", 3000),
        admin=Address("::1", 3001),
        workers=1,
        upstream=UpstreamConfig("http://postgrest:3000", connect_timeout=0.5, timeout=60.0),
        engine=EngineConfig(
            db_uri="postgresql://authenticator@db/app",
            db_schemas=("dlm", "zoo"),
            db_anon_role="web_anon",
            db_max_rows=100,
            app_settings=(("app.settings.site", "karoo"),),
            compat="13",
        ),
        defaults=Rule("shadow", "upstream", 50.0),
        tables={
            "storage": Rule("engine", "upstream", 50.0),
            "odd name": Rule("shadow", "upstream", 10.0),
            "dlm.location": Rule("upstream", "upstream", 50.0),
            "migration": Rule("shadow", "upstream", 50.0),
        },
        functions={
            "latest_items": Rule("engine", "upstream", 5.0, verify=2.5),
            "oldest_items": Rule("canary", "upstream", 50.0, share=25.0),
        },
        shadow=ShadowConfig(10, 1024**2, 4, 2.0, 64 * 1024),
        readiness=ReadinessConfig(0.01, 0.99, max_latency_ratio=2.0, min_period=0.0, max_age=30 * 86400.0),
        guard=GuardConfig(30.0, 0.1, slow=0.25, min_errors=3, max_mismatches=1),
        limits=Limits(8 * 1024, 16 * 1024, 50, 10_000_000),
        redact=RedactConfig(("storage.uri", "dlm.location.config")),
        ledger="postgresql://ledger@db/ledger",
        log=LogConfig("json", "error", True, "X-Call", True, True),
    )


def test_the_lines_of_tables_and_functions_are_kept() -> None:
    file = read_config(WHOLE, "understudy.yaml", {})
    assert file.lines["tables", "storage"] == 21
    assert file.lines["functions", "latest_items"] == 26
    assert file.place("tables", "storage", "reads").line == 21


def test_what_is_left_out_has_its_default() -> None:
    assert config_of(UPSTREAM) == Config(upstream=UpstreamConfig("http://postgrest:3000"))


def test_sections_may_be_empty() -> None:
    assert config_of(UPSTREAM + "engine:\ntables:\nshadow: {}\n") == config_of(UPSTREAM)


def test_without_an_upstream_the_engine_is_the_default() -> None:
    config = config_of("tables: {storage: {sample: 10}}")
    assert config.upstream is None
    assert config.defaults.reads == config.tables["storage"].reads == "engine"
    assert config.defaults.writes == config.tables["storage"].writes == "engine"


def test_without_an_upstream_nothing_may_ask_for_it() -> None:
    text = """\
defaults: {reads: shadow}
tables:
  storage: {reads: upstream, writes: upstream}
  other: {reads: engine, writes: rehearse}
"""
    assert problems_of(text) == [
        (1, "defaults.reads", "'shadow' without an upstream", "engine"),
        (3, "tables.storage.reads", "'upstream' without an upstream", "engine"),
        (3, "tables.storage.writes", "'upstream' without an upstream", "engine"),
        (4, "tables.other.writes", "'rehearse' without an upstream", "engine"),
    ]


def test_a_misspelt_upstream_is_one_problem_not_many() -> None:
    assert problems_of("upsteam: {url: 'http://a'}\ndefaults: {reads: shadow}\n") == [
        (
            1,
            "upsteam",
            "an unknown key",
            "listen, admin, workers, ledger, upstream, engine, defaults, tables, functions, shadow, "
            "compare, rehearsal, redact, readiness, guard, console, limits, log (did you mean upstream?)",
        )
    ]


def test_every_problem_is_told_in_the_order_of_lines() -> None:
    text = """\
listen: nowhere
workers: 0
upstream: {}
tables:
  storage: {reads: both, smaple: 10}
  location: {sample: 101}
shadow:
  timeout: soon
  queue_bytes: 1 elephant
"""
    assert faults_of(text) == [
        (1, "listen", "'nowhere'"),
        (2, "workers", "'0'"),
        (3, "upstream.url", "nothing"),
        (5, "tables.storage.smaple", "an unknown key"),
        (5, "tables.storage.reads", "'both'"),
        (6, "tables.location.sample", "'101'"),
        (8, "shadow.timeout", "'soon'"),
        (9, "shadow.queue_bytes", "'1 elephant'"),
    ]


def test_a_problem_reads_as_one_line() -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(UPSTREAM + "tables:\n  a.b: {reads: both}\n", "understudy.yaml", {})
    assert str(caught.value) == (
        "understudy.yaml:3: tables.'a.b'.reads: found 'both'; allowed: upstream, shadow, canary, engine"
    )


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///a b.db",
        "sqlite:////var/lib/understudy.db",
        "postgres://u:p@h/d?sslmode=require",
    ],
)
def test_a_ledger_is_a_file_memory_or_a_database(url: str) -> None:
    assert config_of(UPSTREAM + f"ledger: {url}").ledger == url


@pytest.mark.parametrize(
    "url",
    [
        "understudy.db",
        "sqlite:///",
        "sqlite:/x",
        "sqlite:///a?mode=ro",
        "mysql://joe:hunter2@db/x",
        "sqlite:///a/",
    ],
)
def test_another_ledger_is_refused_without_showing_it(url: str) -> None:
    ((_, key, found, allowed),) = problems_of(UPSTREAM + f"ledger: {url}")
    assert (key, found) == ("ledger", "a value that is not shown")
    assert allowed.startswith("sqlite:///path")


@pytest.mark.parametrize("text", ["[a.b, 'c.d']", "a.b, c.d", "'a.b,c.d'"])
def test_columns_to_hide_are_a_list_or_a_text(text: str) -> None:
    assert config_of(UPSTREAM + f"redact:\n  columns: {text}").redact.columns == ("a.b", "c.d")


@pytest.mark.parametrize("writes", ["upstream", "rehearse", "engine"])
def test_what_writes_do_is_said_apart_from_what_reads_do(writes: str) -> None:
    config = read_config(UPSTREAM + f"tables: {{a: {{writes: {writes}}}}}", "understudy.yaml", {}).config
    assert (config.tables["a"].reads, config.tables["a"].writes) == ("shadow", writes)
    assert config.defaults.writes == "upstream"


def test_a_write_cannot_be_shadowed() -> None:
    assert problems_of(UPSTREAM + "defaults: {writes: shadow}") == [
        (2, "defaults.writes", "'shadow'", "upstream, rehearse, engine")
    ]


def test_keys_that_stand_twice_are_refused() -> None:
    text = (
        UPSTREAM
        + "workers: 1\ntables:\n  a: {reads: engine}\n  a: {reads: shadow, reads: engine}\nworkers: 2\n"
    )
    assert problems_of(text) == [
        (5, "tables.a", "the key a second time", "it once; see line 4"),
        (6, "workers", "the key a second time", "it once; see line 2"),
    ]


def test_yaml_values_are_taken_as_they_are_written() -> None:
    text = UPSTREAM + "tables: {no: {}, 1.10: {}, null: {}, 2027-01-31: {}}\nengine: {db-anon-role: yes}\n"
    config = config_of(text)
    assert list(config.tables) == ["no", "1.10", "null", "2027-01-31"]
    assert config.engine.db_anon_role == "yes"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("tables: [storage]", (2, "tables", "a list")),
        ("tables: storage", (2, "tables", "a single value")),
        ("tables: {storage: engine}", (2, "tables.storage", "a single value")),
        ("tables: {? [a] : {}}", (2, "tables", "a key that is not text")),
        ("tables: {'': {}}", (2, "tables", "a key that is not text")),
        ("tables: {<<: {a: {}}}", (2, "tables", "a merge key (<<)")),
        ("workers: [1]", (2, "workers", "a list")),
        ("workers:", (2, "workers", "nothing")),
        ("workers: {a: 1}", (2, "workers", "a mapping")),
        ("workers: !!python/object:os.system 1", (2, "workers", "a value with a YAML tag")),
        ("shadow: !mine {queue: 1}", (2, "shadow", "a YAML tag")),
        (
            "engine: {db-schemas: ['a,b']}",
            (2, "engine.db-schemas", "a list with a comma or nothing in an item"),
        ),
        ("engine: {db-schemas: [[a]]}", (2, "engine.db-schemas", "a list")),
        ("engine: {db-pool: many}", (2, "engine.db-pool", "'many'")),
        ("engine: {db-config: maybe}", (2, "engine.db-config", "'maybe'")),
        ("engine: {db-tx-end: never}", (2, "engine.db-tx-end", "'never'")),
        (
            "engine: {db-schema: a, db-schemas: b}",
            (2, "engine.db-schema", "another name of db-schemas, which is here too"),
        ),
        ("engine: {app.settings.: a}", (2, "engine.'app.settings.'", "an unknown key")),
        (
            "engine: {log-query: true}",
            (2, "engine.log-query", "an option of an engine without proxy (here: `listen`, `admin`)"),
        ),
        (
            "engine: {server-port: 1}",
            (2, "engine.server-port", "an option of an engine without proxy (here: `listen`, `admin`)"),
        ),
        ("workers: ${COUNT}", (2, "workers", "${COUNT}, a variable that is not set")),
        ("upstreams: 1\nworkers: 1\nworkers: 1", (2, "upstreams", "an unknown key")),
    ],
)
def test_each_fault_names_line_and_key(line: str, fault: tuple[int, str, str]) -> None:
    assert faults_of(UPSTREAM + line)[0] == fault


def test_variables_are_replaced_in_values_of_every_kind() -> None:
    environ = {"N": "1", "URL": "http://a:1", "MODE": "engine", "SCHEMA": "dlm", "S": "2s"}
    config = config_of(
        "workers: ${N}\nupstream: {url: '${URL}', timeout: '${S}'}\ntables: {a: {reads: '${MODE}'}}\n"
        "engine: {db-schemas: ['${SCHEMA}', zoo]}\n",
        environ,
    )
    assert config.workers == 1
    assert config.upstream == UpstreamConfig("http://a:1", timeout=2.0)
    assert config.tables["a"].reads == "engine"
    assert config.engine.db_schemas == ("dlm", "zoo")


def test_anchors_may_be_used() -> None:
    config = config_of(UPSTREAM + "tables: {a: &rule {reads: engine}, b: *rule}")
    assert config.tables["b"] == Rule(reads="engine")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("listen: 0.0.0.0:3001\n", 1),
        ("listen: 127.0.0.1:4000\nadmin: 0.0.0.0:4000\n", 2),
        ("listen: '[::]:4000'\nadmin: 127.0.0.1:4000\n", 2),
    ],
)
def test_clients_and_operators_do_not_share_a_port(text: str, place: int) -> None:
    assert [(line, key) for line, key, *_ in problems_of(text)] == [(place, "admin")]


def test_any_free_port_may_be_asked_for_twice() -> None:
    config = config_of("listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\n")
    assert config.listen == config.admin == Address("127.0.0.1", 0)


def test_a_file_of_bytes_must_be_utf8() -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(b"listen: a:1\nadmin: \xff", "understudy.yaml", {})
    assert str(caught.value) == "understudy.yaml:2: (file): found the byte 0xFF; allowed: UTF-8 text"


def test_the_environment_fills_gaps_in_the_engine_section() -> None:
    environ = {
        "PGRST_DB_SCHEMAS": "environment",
        "PGRST_DB_ANON_ROLE": "anon",
        "PGRST_SERVER_PORT": "99999",
        "PGRST_ADMIN_SERVER_PORT": "3000",
    }
    engine = config_of(UPSTREAM + "engine: {db-schema: file}", environ).engine
    assert (engine.db_schemas, engine.db_anon_role) == (("file",), "anon")
    assert engine.server_port == 3000


def test_a_fault_in_the_environment_names_the_variable() -> None:
    assert problems_of(UPSTREAM, {"PGRST_OPENAPI_MODE": "always"}) == [
        (0, "PGRST_OPENAPI_MODE", "'always'", "follow-privileges, ignore-privileges, disabled")
    ]


def test_rules_that_ignore_have_a_reason_a_last_day_and_a_name() -> None:
    text = UPSTREAM + (
        "compare:\n  selftest: 0.5\n  ignore:\n"
        "    - {table: storage, path: meta.at, reason: readers touch it, expires: 2027-01-31, owner: ops}\n"
        "    - {function: latest, header: X-Build, reason: they differ, expires: 2026-12-31, shape: GET x}\n"
    )
    compare = read_config(text, "f", {}).config.compare
    assert (compare.selftest, compare.probes) == (0.5, 0.1)
    first, second = compare.ignore
    assert (first.name, first.expires, first.owner) == ("storage: meta.at", date(2027, 1, 31), "ops")
    assert (second.name, second.reason) == ("rpc/latest: header X-Build in GET x", "they differ")


@pytest.mark.parametrize(
    ("rule", "key", "found"),
    [
        ("table: a, path: $, reason: so it is, expires: 2027-01-31", "compare.ignore.1.path", "'$'"),
        ("table: a, path: 'b[]', reason: so it is, expires: 2027-01-31", "compare.ignore.1.path", "'b[]'"),
        ("table: a, path: b, reason: because, expires: 2027-01-31", "compare.ignore.1.reason", "'because'"),
        ("table: a, path: b, reason: so it is, expires: never", "compare.ignore.1.expires", "'never'"),
        ("table: a, path: b, reason: so it is", "compare.ignore.1.expires", "nothing"),
        ("table: a, path: b, expires: 2027-01-31", "compare.ignore.1.reason", "nothing"),
        ("path: b, reason: so it is, expires: 2027-01-31", "compare.ignore.1", "neither table nor function"),
        ("table: a, reason: so it is, expires: 2027-01-31", "compare.ignore.1", "neither path nor header"),
        (
            "table: a, path: b, header: c, reason: so it is, expires: 2027-01-31",
            "compare.ignore.1",
            "both path and header",
        ),
        (
            "table: a, path: b, reason: so it is, expires: 2027-01-31, until: 5",
            "compare.ignore.1.until",
            "an unknown key",
        ),
    ],
)
def test_a_rule_that_ignores_too_much_or_says_too_little_is_refused(rule: str, key: str, found: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(UPSTREAM + f"compare: {{ignore: [{{{rule}}}]}}\n", "f", {})
    assert [(problem.key, problem.found) for problem in caught.value.problems] == [(key, found)]


def test_operators_have_a_name_and_a_secret_that_is_never_shown() -> None:
    text = "console: {operators: [{name: ada, secret: '${S}'}]}"
    config = read_config(text, "f", {"S": "sixteen-and-more"}).config
    assert config.console.operators == (Operator("ada", "sixteen-and-more"),)
    assert "sixteen" not in repr(config)


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("a:b", "sixteen-and-more"),
        ("", "sixteen-and-more"),
        ("ada", "with a space in it"),
        ("ada", "quite-short"),
    ],
)
def test_an_operator_that_could_not_be_known_is_refused(name: str, secret: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(f"console: {{operators: [{{name: '{name}', secret: '{secret}'}}]}}", "f", {})
    assert secret not in str(caught.value)

"""PostgREST's options by PostgREST's rules: reference 12.1, 12.2 and 10.2."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config import EngineConfig
from proxy.config.engine import read_options, read_standalone
from proxy.config.postgrest import read_postgrest_conf
from proxy.errors import ConfigError

SECRET = "a-secret-of-thirty-two-bytes-or-more"
VARIANTS = json.loads(
    (Path(__file__).parents[1] / "conformance" / "variants.json").read_text(encoding="utf-8")
)["variants"]


def files(**contents: bytes) -> Callable[[str], bytes]:
    def read_file(path: str) -> bytes:
        if path not in contents:
            raise FileNotFoundError(2, "No such file or directory", path)
        return contents[path]

    return read_file


def faults_of(given: dict[str, str], environ: dict[str, str] | None = None) -> list[tuple[str, str]]:
    with pytest.raises(ConfigError) as caught:
        read_options(given, environ or {}, files())
    return [(problem.key, problem.found) for problem in caught.value.problems]


def test_nothing_given_means_the_defaults() -> None:
    assert read_options({}, {}) == EngineConfig()


def test_what_is_given_wins_and_the_environment_fills_the_gaps() -> None:
    environ = {
        "PGRST_DB_SCHEMAS": "a, b",
        "PGRST_DB_ANON_ROLE": "anon",
        "PGHOST": "ignored",
        "HOME": "ignored",
    }
    options = read_options({"db-anon-role": "given"}, environ)
    assert (options.db_schemas, options.db_anon_role) == (("a", "b"), "given")


@pytest.mark.parametrize(
    ("given", "environ"),
    [
        ({"db-schema": "x"}, {"PGRST_DB_SCHEMAS": "y"}),
        ({}, {"PGRST_DB_SCHEMA": "x"}),
        ({}, {"PGRST_DB_SCHEMA": "y", "PGRST_DB_SCHEMAS": "x"}),
        ({}, {"PGRST_DB_SCHEMA": "x", "PGRST_DB_SCHEMAS": ""}),
    ],
)
def test_older_names_are_known_and_give_way_to_the_newer(
    given: dict[str, str], environ: dict[str, str]
) -> None:
    assert read_options(given, environ).db_schemas == ("x",)


def test_the_older_name_of_the_idle_time_wins() -> None:
    environ = {"PGRST_DB_POOL_TIMEOUT": "7", "PGRST_DB_POOL_MAX_IDLETIME": "8"}
    assert read_options({}, environ).db_pool_max_idletime == 7.0


def test_an_empty_text_means_not_set() -> None:
    environ = {
        "PGRST_DB_ANON_ROLE": "",
        "PGRST_DB_SCHEMAS": "",
        "PGRST_DB_MAX_ROWS": "",
        "PGRST_DB_TX_END": "",
    }
    assert read_options({}, environ) == EngineConfig()
    assert read_options({"db-anon-role": ""}, {"PGRST_DB_ANON_ROLE": "anon"}).db_anon_role is None


def test_an_empty_extra_search_path_means_none() -> None:
    assert read_options({}, {"PGRST_DB_EXTRA_SEARCH_PATH": ""}).db_extra_search_path == ()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("TRUE", True),
        ('"True"', True),
        ("false", False),
        ("1", True),
        ("7", True),
        ("0", False),
        ("-1", False),
        ("yes", False),
        ("on", False),
        ("!", False),
    ],
)
def test_booleans_are_letters_or_numbers_and_else_the_default(text: str, value: bool) -> None:
    assert read_options({}, {"PGRST_DB_PLAN_ENABLED": text}).db_plan_enabled is value


def test_booleans_that_default_to_true_stay_so_when_they_cannot_be_parsed() -> None:
    assert read_options({}, {"PGRST_DB_CONFIG": "off"}).db_config is True
    assert read_options({}, {"PGRST_DB_CONFIG": "False"}).db_config is False


@pytest.mark.parametrize(("text", "rows"), [("10", 10), (" 10 ", 10), ("ten", None), ("1.5", None)])
def test_whole_numbers_may_be_texts_and_are_else_the_default(text: str, rows: int | None) -> None:
    assert read_options({}, {"PGRST_DB_MAX_ROWS": text}).db_max_rows == rows
    assert read_options({}, {"PGRST_MAX_ROWS": text}).db_max_rows == rows


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("db-tx-end", "maybe"),
        ("openapi-mode", "always"),
        ("log-level", "loud"),
        ("server-unix-socket-mode", "599"),
        ("server-unix-socket-mode", "rw"),
        ("openapi-server-proxy-uri", "ftp://host"),
        ("openapi-server-proxy-uri", "host"),
        ("jwt-aud", "not : a uri"),
        ("jwt-role-claim-key", "role"),
        ("jwt-role-claim-key", ".a["),
        ("db-pool", "0"),
        ("server-port", "70000"),
    ],
)
def test_invalid_values_are_refused_from_either_source(option: str, text: str) -> None:
    assert faults_of({option: text}) == [(option, repr(text))]
    variable = "PGRST_" + option.upper().replace("-", "_")
    assert faults_of({}, {variable: text}) == [(variable, repr(text))]


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        ("server-unix-socket-mode", "600", 0o600),
        ("server-unix-socket-mode", "0777", 0o777),
        ("openapi-server-proxy-uri", "https://host:8443/api", "https://host:8443/api"),
        ("jwt-aud", "urn:example:api", "urn:example:api"),
        ("jwt-aud", "some audience", "some audience"),
        ("jwt-role-claim-key", '.app."the role"', '.app."the role"'),
        ("jwt-role-claim-key", '.roles[?(@ ^== "web")]', '.roles[?(@ ^== "web")]'),
        ("jwt-role-claim-key", ".postgrest.roles[0]", ".postgrest.roles[0]"),
        ("server-cors-allowed-origins", "http://a, http://b", ("http://a", "http://b")),
        ("db-hoisted-tx-settings", "a,,b ", ("a", "b")),
        ("db-pool-acquisition-timeout", "3", 3.0),
    ],
)
def test_valid_values_are_taken(option: str, text: str, value: Any) -> None:
    assert getattr(read_options({option: text}, {}), option.replace("-", "_")) == value


def test_settings_of_the_application_keep_their_case_and_come_in_order() -> None:
    environ = {
        "PGRST_APP_SETTINGS_site_Name": "karoo",
        "PGRST_APP_SETTINGS_quota": "12",
        "PGRST_APP_SETTINGS_": "x",
    }
    assert read_options({"app.settings.quota": "13"}, environ).app_settings == (
        ("app.settings.quota", "13"),
        ("app.settings.site_Name", "karoo"),
    )


def test_an_unknown_option_is_refused() -> None:
    assert faults_of({"db-scheme": "x"}) == [("db-scheme", "an unknown option")]


def test_files_are_read_for_the_secret_and_the_uri() -> None:
    read_file = files(secret=SECRET.encode() + b"\n", uri=b"postgresql://db/app\n")
    options = read_options({"jwt-secret": "@secret", "db-uri": "@uri"}, {}, read_file)
    assert (options.jwt_secret, options.db_uri) == (SECRET, "postgresql://db/app")


def test_only_one_final_newline_is_removed_and_bytes_are_kept() -> None:
    content = b"\xff" * 40
    options = read_options({"jwt-secret": "@secret"}, {}, files(secret=content + b"\n\n"))
    assert options.jwt_secret is not None
    assert options.jwt_secret.encode("utf-8", "surrogateescape") == content + b"\n"


def test_a_file_that_cannot_be_read_is_told_without_its_name() -> None:
    assert faults_of({"jwt-secret": "@somewhere"}) == [
        ("jwt-secret", "a file that cannot be read (No such file or directory)")
    ]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"jwt-secret": "short"}, "a secret of 5 bytes"),
        ({"jwt-secret": "c2hvcnQ=", "jwt-secret-is-base64": "true"}, "a secret of 5 bytes"),
        ({"jwt-secret": "not base64!", "jwt-secret-is-base64": "true"}, "a value that is not base64"),
        ({"jwt-secret": '{"a": 1}'}, "a secret of 8 bytes"),
    ],
)
def test_secrets_that_postgrest_refuses_are_refused(options: dict[str, str], found: str) -> None:
    assert faults_of(options) == [("jwt-secret", found)]


@pytest.mark.parametrize(
    "options",
    [
        {"jwt-secret": SECRET},
        {"jwt-secret": "short", "compat": "12"},
        {"jwt-secret": '{"kty":"oct","k":"AA"}'},
        {"jwt-secret": '{"keys":[]}'},
        {
            "jwt-secret": " " + "YS1zZWNyZXQtb2YtdGhpcnR5LXR3by1ieXRlcy1vci1tb3Jl",
            "jwt-secret-is-base64": "true",
        },
        {"jwt-secret": "_-" * 40 + "AA..", "jwt-secret-is-base64": "true"},
    ],
)
def test_secrets_that_postgrest_takes_are_taken(options: dict[str, str]) -> None:
    assert read_options(options, {}).jwt_secret == options["jwt-secret"]


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_the_settings_of_every_conformance_variant_are_read(name: str) -> None:
    environ = VARIANTS[name]["env"]
    options = read_options({}, environ)
    assert list(options.db_schemas) == environ["PGRST_DB_SCHEMAS"].split(",")
    assert options.db_anon_role == environ.get("PGRST_DB_ANON_ROLE")
    assert options.db_channel_enabled is (environ.get("PGRST_DB_CHANNEL_ENABLED") != "false")


def test_alone_the_environment_wins_over_the_file() -> None:
    settings = read_postgrest_conf(
        'db-schemas = "file"\nserver-port = 4000\ndb-anon-role = "file"', "postgrest.conf"
    )
    options = read_standalone(settings, {"PGRST_DB_SCHEMAS": "environment", "PGRST_DB_ANON_ROLE": ""})
    assert (options.db_schemas, options.server_port, options.db_anon_role) == (("environment",), 4000, None)


def test_alone_the_present_name_in_the_file_wins_over_the_older_one_in_the_environment() -> None:
    settings = read_postgrest_conf('db-schemas = "file"', "postgrest.conf")
    assert read_standalone(settings, {"PGRST_DB_SCHEMA": "environment"}).db_schemas == ("file",)


def test_alone_clients_and_operators_do_not_share_a_port() -> None:
    settings = read_postgrest_conf("server-port = 3001\nadmin-server-port = 3001", "postgrest.conf")
    with pytest.raises(ConfigError) as caught:
        read_standalone(settings, {})
    assert str(caught.value) == (
        "postgrest.conf:2: admin-server-port: found 3001; allowed: a port other than server-port"
    )


def test_alone_a_fault_names_the_line_of_the_file() -> None:
    with pytest.raises(ConfigError) as caught:
        read_standalone(read_postgrest_conf('\nlog-level = "loud"', "postgrest.conf"), {})
    assert str(caught.value) == (
        "postgrest.conf:2: log-level: found 'loud'; allowed: crit, error, warn, info, debug"
    )


@given(
    st.dictionaries(
        st.sampled_from(["db-uri", "db-schemas", "db-pool", "jwt-secret", "jwt-secret-is-base64", "jwt-aud"]),
        st.text(),
    ),
    st.dictionaries(
        st.sampled_from(["PGRST_DB_MAX_ROWS", "PGRST_DB_CONFIG", "PGRST_JWT_ROLE_CLAIM_KEY"]), st.text()
    ),
)
def test_any_texts_are_read_or_refused(given_options: dict[str, str], environ: dict[str, str]) -> None:
    with suppress(ConfigError):
        assert read_options(given_options, environ, files()).db_schemas

"""Options that are kept in the database: which ones, and before which others."""

import pytest

from proxy.config.complaints import explain
from proxy.config.engine import read_standalone
from proxy.config.in_database import DATABASE_SETTINGS, read_database
from proxy.config.postgrest import read_postgrest_conf
from proxy.errors import ConfigError


def test_the_database_wins_over_the_environment_and_that_over_the_file() -> None:
    file = read_postgrest_conf('db-schemas = "file"\ndb-anon-role = "file"\ndb-pool = 3', "f")
    environ = {"PGRST_DB_SCHEMAS": "environ", "PGRST_DB_ANON_ROLE": "environ"}
    options = read_standalone(file, environ, database=read_database({"pgrst.db_schemas": "database"}))
    assert (options.db_schemas, options.db_anon_role, options.db_pool) == (("database",), "environ", 3)


def test_an_empty_text_in_the_database_means_not_set() -> None:
    environ = {"PGRST_DB_MAX_ROWS": "5", "PGRST_DB_EXTRA_SEARCH_PATH": "x"}
    empty = {"pgrst.db_max_rows": "", "pgrst.db_extra_search_path": ""}
    options = read_standalone({}, environ, database=read_database(empty))
    assert options.db_max_rows is None
    assert options.db_extra_search_path == ()


def test_an_older_name_elsewhere_does_not_beat_the_database() -> None:
    environ = {"PGRST_DB_SCHEMA": "environ"}
    options = read_standalone({}, environ, database=read_database({"pgrst.db_schemas": "database"}))
    assert options.db_schemas == ("database",)


@pytest.mark.parametrize(
    "name",
    [
        "admin_server_port",
        "app.settings.x",
        "compat",
        "db_channel",
        "db_channel_enabled",
        "db_config",
        "db_pool",
        "db_uri",
        "jwt_cache_max_entries",
        "log_level",
        "not_existing",
        "server_host",
        "server_port",
        "server_unix_socket",
    ],
)
def test_other_options_in_the_database_are_ignored(name: str) -> None:
    assert read_database({f"pgrst.{name}": "ignored"}) == {}


def test_all_that_reference_12_2_names_are_honoured() -> None:
    assert len(DATABASE_SETTINGS) == 22
    assert DATABASE_SETTINGS["pgrst.server_cors_allowed_origins"] == "server-cors-allowed-origins"


def test_numbers_that_cannot_be_read_give_the_default_and_other_faults_are_faults() -> None:
    odd = read_database({"pgrst.db_max_rows": "many", "pgrst.db_plan_enabled": "perhaps"})
    options = read_standalone({}, {}, database=odd)
    assert (options.db_max_rows, options.db_plan_enabled) == (None, False)
    with pytest.raises(ConfigError) as caught:
        read_standalone({}, {}, database=read_database({"pgrst.db_tx_end": "never"}))
    assert "Invalid transaction termination. Check your configuration." in explain(caught.value)


def test_the_database_one_is_connected_to_stays() -> None:
    def read_file(path: str) -> bytes:
        raise AssertionError(path)

    environ = {"PGRST_DB_URI": "@a-file-that-was-read-once"}
    options = read_standalone({}, environ, read_file, db_uri="postgresql://db")
    assert options.db_uri == "postgresql://db"

"""Reloading while it runs: by notification, by signal, and what a faulty configuration does."""

import signal
from pathlib import Path

from tests.standalone.conftest import Place
from tests.standalone.support import bearer, engine, write_config


def test_a_notification_makes_a_new_table_visible(place: Place) -> None:
    with engine(place.settings) as running:
        assert running.get("/made_later").status == 404
        place.run("create table api.made_later (id int)")
        assert running.get("/made_later").json["code"] == "PGRST205"
        place.run("notify pgrst, 'something else'", "notify pgrst, 'reload schema'")
        running.wait_for('Received a schema cache reload message on the "pgrst" channel')
        running.wait_loaded()
        assert running.get("/made_later").json == []
        place.run("drop table api.made_later", "notify pgrst")
        running.wait_loaded()
        assert running.get("/made_later").json["code"] == "PGRST205"
        assert sum("Received" in line for line in running.said.all) == 2


def test_a_column_that_changes_its_type_is_read_by_its_new_one(place: Place) -> None:
    place.run("create table api.changing (id int)", "insert into api.changing values (7)")
    with engine(place.settings) as running:
        assert running.get("/changing?id=eq.7").json == [{"id": 7}]
        place.run("alter table api.changing alter id type text", "notify pgrst")
        running.wait_loaded()
        assert running.get("/changing?id=eq.7").json == [{"id": "7"}]
    place.run("drop table api.changing")


def test_the_channel_has_the_configured_name_or_is_not_there(place: Place) -> None:
    with engine({**place.settings, "PGRST_DB_CHANNEL": "Other Channel"}) as running:
        place.run("notify \"Other Channel\", 'reload schema'")
        running.wait_loaded()
    with engine({**place.settings, "PGRST_DB_CHANNEL_ENABLED": "false"}) as running:
        listeners = place.fetch("select query from pg_stat_activity where query ilike 'listen%'")
        assert listeners == []
        assert running.admin("/ready").status == 200


def test_in_database_options_win_and_are_reloaded_on_their_own(place: Place) -> None:
    place.run(
        "alter role login set pgrst.db_schemas = 'other'", "alter role login set pgrst.db_max_rows = '1'"
    )
    with engine({**place.settings, "PGRST_DB_MAX_ROWS": "2"}) as running:
        assert running.get("/things").status == 200
        assert running.get("/items").status == 404
        place.run(
            "alter role login in database standalone set pgrst.db_schemas = 'api'",
            "alter role login set pgrst.db_pool = '77'",
            "notify pgrst, 'reload schema'",
        )
        running.wait_loaded()
        assert running.get("/items").headers["content-range"] == "0-0/*"
        place.run("alter role login reset pgrst.db_max_rows", "notify pgrst, 'reload config'")
        running.wait_for('Received a config reload message on the "pgrst" channel')
        running.wait_for("Config reloaded")
        assert running.get("/items").headers["content-range"] == "0-1/*"
        assert "pgrst_db_pool_max 10.0\n" in running.admin("/metrics").body.decode()


def test_without_in_database_configuration_nothing_of_it_counts(place: Place) -> None:
    place.run(
        "alter role login set pgrst.db_schemas = 'other'", "alter role anon set statement_timeout = '5s'"
    )
    with engine({**place.settings, "PGRST_DB_CONFIG": "false"}) as running:
        assert running.get("/items").status == 200
        assert running.get("/rpc/timeout").json == "0"


def test_a_function_may_configure_what_the_role_does_not(place: Place) -> None:
    place.run(
        """create or replace function other.configure() returns void language sql as $$
             select set_config('pgrst.db_max_rows', '1', true), set_config('pgrst.db_schemas', 'other', true)
           $$""",
        "grant usage on schema other to login",
        "alter role login set pgrst.db_schemas = 'api'",
    )
    with engine({**place.settings, "PGRST_DB_PRE_CONFIG": "other.configure"}) as running:
        assert running.get("/items").headers["content-range"] == "0-0/*"
    with engine({**place.settings, "PGRST_DB_PRE_CONFIG": "other.nothing"}) as running:
        running.said.wait_for(
            r"Failed to query database settings for the config parameters. .*"
            r"function other.nothing\(\) does not exist"
        )
        assert running.get("/items").headers["content-range"] == "0-2/*"


def test_the_settings_of_a_role_come_with_the_options(place: Place) -> None:
    place.run("alter role anon set statement_timeout = '5s'")
    with engine(place.settings) as running:
        assert running.get("/rpc/timeout").json == "5s"
        place.run("alter role anon set statement_timeout = '9s'", "notify pgrst, 'reload config'")
        running.wait_for("Received a config")
        running.wait_for("Config reloaded")
        # They are read after the options, of which the log tells.
        running.send(signal.SIGUSR2)
        running.wait_for("Config reloaded")
        assert running.get("/rpc/timeout").json == "9s"


def test_sigusr1_reloads_the_schema_cache_with_the_options(place: Place) -> None:
    with engine({**place.settings, "PGRST_DB_CHANNEL_ENABLED": "false"}) as running:
        place.run("alter role login set pgrst.db_schemas = 'other'")
        running.send(signal.SIGUSR1)
        running.wait_for("Config reloaded")
        running.wait_loaded()
        assert running.get("/things").status == 200


def test_sigusr2_reloads_the_options_with_the_file_and_those_it_names(place: Place, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("an-old-secret-of-thirty-two-bytes-or-more\n")
    options = {"db_uri": place.login_url(), "db_schemas": "api", "db_anon_role": "anon"}
    file = write_config(tmp_path, **options, jwt_secret=f"@{secret}")
    with engine({}, str(file)) as running:
        token = bearer({"role": "author"})
        assert running.get("/items", token).status == 401
        secret.write_text("a-secret-of-thirty-two-bytes-or-more\n")
        write_config(tmp_path, **options, jwt_secret=f"@{secret}", db_max_rows=1)
        running.send(signal.SIGUSR2)
        running.wait_for("Config reloaded")
        got = running.get("/items", token)
        assert (got.status, got.headers["content-range"]) == (200, "0-0/*")


def test_a_faulty_configuration_is_told_and_changes_nothing(place: Place, tmp_path: Path) -> None:
    options = {"db_uri": place.login_url(), "db_schemas": "api", "db_anon_role": "anon"}
    file = write_config(tmp_path, **options)
    with engine({}, str(file)) as running:
        for line, told in (
            ('log-level = "loud"\n', "Invalid logging level."),
            ('jwt-secret = "short"\n', "The JWT secret must be at least 32 characters long."),
            ("nonsense\n", "a line of another form"),
        ):
            file.write_text('db-schemas = "other"\n' + line)
            running.send(signal.SIGUSR2)
            running.wait_for(f"Failed reloading config: .*{told}")
        file.unlink()
        running.send(signal.SIGUSR2)
        running.wait_for("Failed reloading config: FileNotFoundError")
        assert running.get("/items").status == 200
        write_config(tmp_path, **options)
        place.run(
            "alter role login set pgrst.jwt_role_claim_key = 'nonsense'", "notify pgrst, 'reload config'"
        )
        running.wait_for(r"Failed reloading config: failed to parse role-claim-key value \(nonsense\)")
        assert running.get("/items").status == 200

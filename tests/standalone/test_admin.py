"""The admin server of a running engine, and the flags that ask it or end at once."""

import json
from pathlib import Path

import pytest

import proxy
from tests.standalone.conftest import Place
from tests.standalone.support import bearer, engine, run_here, write_config


def test_the_admin_server_answers_as_postgrests_does(place: Place) -> None:
    with engine(place.settings) as running:
        assert running.get("/items", bearer({"role": "author"})).status == 200
        for path in ("/live", "/ready"):
            got = running.admin(path)
            assert (got.status, got.body) == (200, b"")
        for path in ("/", "/config", "/status", "/metrics/", "/live/x"):
            got = running.admin(path)
            assert (got.status, got.body) == (404, b"")
        assert running.admin("/live", method="POST").status == 200
        tables = running.admin("/schema_cache").json["dbTables"]
        assert tables[0][0] == {"qiName": "items", "qiSchema": "api"}
        metrics = running.admin("/metrics")
        assert metrics.headers["content-type"] == "text/plain; charset=utf-8"
        text = metrics.body.decode()
        assert 'pgrst_schema_cache_loads_total{status="SUCCESS"} 1.0\n' in text
        assert "# HELP pgrst_db_pool_max Max pool connections\n# TYPE pgrst_db_pool_max gauge\n" in text
        assert "pgrst_db_pool_max 10.0\n" in text
        assert "pgrst_jwt_cache_requests_total 1.0\n" in text
        # The admin server is not on the clients' port, and the other way round.
        assert running.get("/live").status == 404


def test_without_its_port_there_is_no_admin_server(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    done = run_here(["--ready"], {**place.settings, "PGRST_ADMIN_SERVER_PORT": ""}, capsys)
    assert (done.code, done.out) == (1, "")
    assert done.err == "ERROR: Admin server is not running. Please check admin-server-port config.\n"


def test_ready_asks_a_running_engine(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    with engine(place.settings) as running:
        port = running.admin_place.rpartition(":")[2]
        settings = {**place.settings, "PGRST_SERVER_HOST": "127.0.0.1", "PGRST_ADMIN_SERVER_PORT": port}
        done = run_here(["--ready"], settings, capsys)
        assert (done.code, done.out) == (0, f"OK: http://127.0.0.1:{port}/ready\n")
        assert running.stop() == 0
        done = run_here(["--ready"], settings, capsys)
        assert (done.code, done.err) == (
            1,
            f"ERROR: connection refused to http://127.0.0.1:{port}/ready\n",
        )
    done = run_here(["--ready"], {**settings, "PGRST_SERVER_HOST": "*4"}, capsys)
    assert done.code == 1
    assert '--ready` flag cannot be used when server-host is configured as "*4"' in done.err
    with engine({**place.settings, "PGRST_DB_SCHEMAS": "missing"}, ready=False) as running:
        running.wait_for("Failed to load")
        port = running.admin_place.rpartition(":")[2]
        done = run_here(["--ready"], {**settings, "PGRST_ADMIN_SERVER_PORT": port}, capsys)
        assert (done.code, done.err) == (1, f"ERROR: http://127.0.0.1:{port}/ready\n")


def test_dump_config_shows_what_is_in_force_with_the_database(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place.run(
        "alter role login set pgrst.db_max_rows = '5'",
        "alter role login in database standalone set pgrst.openapi_mode = 'disabled'",
    )
    file = write_config(tmp_path, db_max_rows=7, db_pool=3, db_tx_end="rollback")
    done = run_here(["--dump-config", str(file)], {**place.settings, "PGRST_APP_SETTINGS_Quota": "1"}, capsys)
    lines = done.out.splitlines()
    assert done.code == 0
    for line in (
        "db-max-rows = 5",
        'openapi-mode = "disabled"',
        "db-pool = 3",
        'db-tx-end = "rollback"',
        'db-schemas = "api"',
        'app.settings.Quota = "1"',
    ):
        assert line in lines
    # What it prints, it reads.
    dumped = tmp_path / "dumped.conf"
    dumped.write_text(done.out, encoding="utf-8")
    assert run_here(["--dump-config", str(dumped)], {}, capsys).out == done.out


def test_dump_config_does_without_a_database(capsys: pytest.CaptureFixture[str]) -> None:
    done = run_here(["--dump-config"], {"PGRST_DB_URI": "postgresql://nobody@127.0.0.1:1/x"}, capsys)
    assert done.code == 0
    assert 'db-schemas = "public"' in done.out.splitlines()
    assert "Failed to query database settings" in done.err


def test_dump_schema_prints_the_schema_cache(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    done = run_here(["--dump-schema"], place.settings, capsys)
    assert done.code == 0
    assert json.loads(done.out)["dbTables"][0][1]["tablePKCols"] == ["id"]
    done = run_here(["--dump-schema"], {**place.settings, "PGRST_DB_SCHEMAS": "missing"}, capsys)
    assert (done.code, done.out) == (1, "")
    assert "Failed to load the schema cache" in done.err


def test_the_example_is_a_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = run_here(["--example"], {}, capsys)
    file = tmp_path / "postgrest.conf"
    file.write_text(done.out, encoding="utf-8")
    settings = {"PGRST_DB_CONFIG": "false"}
    dumped = run_here(["--dump-config", str(file)], settings, capsys)
    assert dumped.code == 0
    assert dumped.out == run_here(["--dump-config"], settings, capsys).out


@pytest.mark.parametrize("flag", ["-v", "--version"])
def test_it_tells_its_own_version(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    done = run_here([flag], {}, capsys)
    assert (done.code, done.out) == (0, f"understudy {proxy.__version__}\n")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"PGRST_LOG_LEVEL": "never"}, "Invalid logging level. Check your configuration."),
        ({"PGRST_DB_TX_END": "random"}, "Invalid transaction termination. Check your configuration."),
        ({"PGRST_OPENAPI_MODE": "x"}, "Invalid openapi-mode. Check your configuration."),
        ({"PGRST_SERVER_UNIX_SOCKET_MODE": "778"}, "Invalid server-unix-socket-mode"),
        ({"PGRST_JWT_AUD": "http://%%localhorst.invalid"}, "jwt-aud should be a string or a valid URI"),
        ({"PGRST_JWT_SECRET": "short"}, "The JWT secret must be at least 32 characters long."),
        ({"PGRST_JWT_SECRET": "@/nowhere/at/all"}, "a file that cannot be read"),
        ({"PGRST_JWT_SECRET": "no base-64!", "PGRST_JWT_SECRET_IS_BASE64": "1"}, "not base64"),
        ({"PGRST_JWT_ROLE_CLAIM_KEY": "role"}, "failed to parse role-claim-key value (role)"),
        (
            {"PGRST_SERVER_PORT": "3000", "PGRST_ADMIN_SERVER_PORT": "3000"},
            "admin-server-port cannot be the same as server-port",
        ),
    ],
)
def test_a_faulty_configuration_ends_it_with_1_and_postgrests_words(
    settings: dict[str, str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    done = run_here([], settings, capsys)
    assert (done.code, done.out) == (1, "")
    assert told in done.err
    assert "Traceback" not in done.err


def test_a_file_that_is_missing_or_faulty_ends_it_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_here([str(tmp_path / "missing.conf")], {}, capsys).code == 1
    file = tmp_path / "faulty.conf"
    file.write_bytes(b"yaml:\n  is:\n    not: supported\n")
    done = run_here([str(file)], {}, capsys)
    assert done.code == 1
    assert "faulty.conf:1" in done.err


def test_a_faulty_option_in_the_database_ends_a_dump(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.run("alter role login set pgrst.db_tx_end = 'random'")
    done = run_here(["--dump-config"], place.settings, capsys)
    assert done.code == 1
    assert "Invalid transaction termination" in done.err

"""Starting where ``postgrest`` was started: variables, files, sockets, headers and the log."""

import os
import signal
import stat
from pathlib import Path

import pytest

import proxy
from tests.standalone.conftest import Place
from tests.standalone.support import bearer, engine, run_to_end, write_config


def test_variables_are_all_it_needs(place: Place) -> None:
    with engine(place.settings) as running:
        got = running.get("/items?id=eq.1")
        assert (got.status, got.json) == (200, [{"id": 1, "name": "one"}])
        assert got.headers["server"] == f"understudy/{proxy.__version__}"
        assert running.stop() == 0
        assert running.requests.end()[1:] == []


def test_a_file_gives_way_to_variables(place: Place, tmp_path: Path) -> None:
    file = write_config(
        tmp_path, db_uri=place.login_url(), db_schemas="other", db_anon_role="anon", db_max_rows=1
    )
    with engine({"PGRST_DB_SCHEMAS": "api"}, str(file)) as running:
        assert running.get("/items?order=id").json == [{"id": 1, "name": "one"}]


def test_a_connection_string_may_be_pairs_and_is_completed_by_libpqs_variables(place: Place) -> None:
    settings = {
        **place.settings,
        "PGRST_DB_URI": f"host=127.0.0.1 port={place.server.port}",
        "PGUSER": "login",
        "PGDATABASE": "standalone",
        "PGAPPNAME": "found by its name",
    }
    with engine(settings) as running:
        assert running.get("/items").status == 200
        names = place.fetch("select application_name from pg_stat_activity where usename = 'login'")
        assert set(names) == {"found by its name"}


def test_the_connection_string_may_come_from_a_file_that_is_read_once(place: Place) -> None:
    settings = {**place.settings, "PGRST_DB_URI": "@/dev/stdin"}
    with engine(settings, given=place.login_url().encode() + b"\n") as running:
        assert running.get("/items").status == 200
        names = place.fetch("select application_name from pg_stat_activity where usename = 'login'")
        assert set(names) == {f"understudy {proxy.__version__}"}
        place.run("notify pgrst")
        running.wait_loaded()
        assert running.get("/items").status == 200


def test_a_unix_socket_takes_the_place_of_host_and_port(place: Place, tmp_path: Path) -> None:
    path = str(tmp_path / "engine.sock")
    settings = {
        **place.settings,
        "PGRST_SERVER_UNIX_SOCKET": path,
        "PGRST_SERVER_UNIX_SOCKET_MODE": "600",
        "PGRST_LOG_LEVEL": "info",
    }
    with engine(settings) as running:
        assert running.place == path
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        assert running.get("/items?id=eq.2").json == [{"id": 2, "name": "two"}]
        running.requests.wait_for(r'^- - anon \[.*\] "GET /items\?id=eq.2 HTTP/1.1" 200 ')
        assert running.admin("/live").status == 200
        os.unlink(path)
        assert (running.admin("/live").status, running.admin("/ready").status) == (500, 500)
        assert running.stop() == 0
    # What an engine left behind that was killed is no obstacle.
    with engine(settings) as running:
        running.send(signal.SIGKILL)
        running.wait_ended()
    with engine(settings) as running:
        assert running.get("/items").status == 200


@pytest.mark.parametrize(
    ("arguments", "variables", "expected"),
    [
        (("--server-header", "postgrest/14.17"), {"UNDERSTUDY_SERVER_HEADER": "x"}, "postgrest/14.17"),
        (("--server-header", ""), {}, None),
    ],
)
def test_the_server_header_can_be_postgrests(
    place: Place, arguments: tuple[str, ...], variables: dict[str, str], expected: str | None
) -> None:
    with engine({**place.settings, **variables}, *arguments) as running:
        for got in (running.get("/items"), running.get("/nothing"), running.admin("/live")):
            assert got.headers.get("server") == expected


@pytest.mark.parametrize(
    ("level", "expected"), [("crit", []), ("warn", [500, 404]), ("info", [500, 404, 200])]
)
def test_the_log_level_says_which_requests_are_logged(place: Place, level: str, expected: list[int]) -> None:
    settings = {**place.settings, "PGRST_LOG_LEVEL": level}
    del settings["PGRST_JWT_SECRET"]
    with engine(settings) as running:
        token = bearer({"role": "author"})
        headers = {"User-Agent": "me/1", "Referer": "http://there"}
        assert running.get("/items", {**headers, **token}).status == 500
        assert running.get("/nothing", headers).status == 404
        assert running.get("/items?id=eq.1", headers).status == 200
        assert running.stop() == 0
        lines = {
            500: r'127.0.0.1 - - \[.+\] "GET /items HTTP/1.1" 500 \d+ "http://there" "me/1"',
            404: r'127.0.0.1 - anon \[.+\] "GET /nothing HTTP/1.1" 404 \d+ "http://there" "me/1"',
            200: r'127.0.0.1 - anon \[.+\] "GET /items\?id=eq.1 HTTP/1.1" 200 \d+ "http://there" "me/1"',
        }
        requests = [line for line in running.requests.end() if not line.startswith("understudy")]
        assert len(requests) == len(expected)
        for status in expected:
            running.requests.wait_for(lines[status])
        assert token["Authorization"] not in "".join((*requests, *running.said.all))


def test_statements_are_logged_on_demand_and_without_their_values(place: Place) -> None:
    settings = {**place.settings, "PGRST_LOG_LEVEL": "info", "PGRST_LOG_QUERY": "true"}
    with engine(settings) as running:
        assert running.get("/items?name=eq.sesame").json == []
        running.wait_for('"items"')
        # A cast may be somebody's own, which all settings are for.
        assert running.get("/items?select=name::text&name=eq.sesame").json == []
        running.wait_for(r"SELECT set_config\(\$1")
        assert running.stop() == 0
        assert "sesame" not in "".join(running.said.end())


def test_a_port_that_is_taken_is_told(place: Place) -> None:
    with engine(place.settings) as running:
        port = running.place.rpartition(":")[2]
        done = run_to_end([], {**place.settings, "PGRST_SERVER_HOST": "127.0.0.1", "PGRST_SERVER_PORT": port})
        assert done.returncode == 1
        assert "ddress already in use" in done.stderr
        assert "Traceback" not in done.stderr

"""Losing the database and finding it again; or ending, where that is wanted."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.standalone.conftest import Place
from tests.standalone.support import bearer, engine, run_to_end


@pytest.mark.parametrize("listens", [True, False])
def test_a_database_that_is_killed_and_comes_back_needs_no_restart(place: Place, listens: bool) -> None:
    settings = {
        **place.settings,
        "PGRST_DB_CHANNEL_ENABLED": str(listens).lower(),
        "PGRST_SERVER_TRACE_HEADER": "X-Id",
    }
    with engine(settings) as running:
        assert running.get("/items").status == 200
        assert running.admin("/ready").status == 200
        place.server.kill()
        first = running.get("/items")
        assert (first.status, first.headers["retry-after"]) == (503, "0")
        assert (first.json["code"], first.json["details"]) in (
            ("PGRST000", None),
            ("PGRST001", "no connection to the server\n"),
        )
        running.wait_for("Failed to load the schema cache .*PGRST00[01]")
        running.wait_for("Attempting to reconnect to the database in 1 seconds")
        got = running.get("/items", {"X-Id": "7", "Origin": "http://there"})
        assert (got.status, got.json["code"]) == (503, "PGRST002")
        assert got.json["message"] == "Could not query the database for the schema cache. Retrying."
        assert (got.headers["retry-after"], got.headers["x-id"]) == ("0", "7")
        assert got.headers["access-control-allow-origin"] == "*"
        assert running.get("/items", method="HEAD").body == b""
        # What needs no schema cache goes on as before.
        assert running.get("/items", bearer({"role": "author"}, "x" * 40)).status == 401
        preflight = {"Origin": "http://there", "Access-Control-Request-Method": "GET"}
        assert running.get("/items", preflight, method="OPTIONS").status == 200
        assert (running.admin("/live").status, running.admin("/ready").status) == (200, 503)
        assert running.admin("/schema_cache").body == b""
        assert 'pgrst_schema_cache_loads_total{status="FAIL"}' in running.admin("/metrics").body.decode()
        place.server.start()
        running.wait_loaded()
        assert running.get("/items").status == 200
        if listens:
            running.said.wait_for("Listener connected", after=running.said.wait_for("Failed listening"))
            place.run("notify pgrst")
            running.wait_for("Received a schema cache reload")
        assert running.admin("/ready").status == 200


def test_a_database_that_is_not_there_yet_is_waited_for(place: Place) -> None:
    place.server.kill()
    with engine(place.settings, ready=False) as running:
        assert running.get("/items").json["code"] == "PGRST002"
        assert running.admin("/ready").status == 503
        running.wait_for('Failed listening for database notifications on the "pgrst" channel')
        place.server.start()
        running.wait_loaded()
        assert running.get("/items").status == 200


def test_connections_that_were_lost_meanwhile_are_replaced_unseen(place: Place) -> None:
    with engine(place.settings) as running:
        assert running.get("/items").status == 200
        seen = running.seen
        place.run("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'login'")
        running.said.wait_for("Listener connected", after=seen)
        assert running.get("/items").status == 200


def test_what_was_notified_while_nobody_listened_is_made_up_for(place: Place) -> None:
    with engine(place.settings) as running:
        place.run(
            "create table api.made_meanwhile (id int)",
            "select pg_terminate_backend(pid) from pg_stat_activity where query ilike 'listen%'",
        )
        running.wait_for("Failed listening .*the connection was lost")
        running.wait_for("Retrying listening for database notifications in 1 seconds")
        running.wait_loaded()
        assert running.get("/made_meanwhile").status == 200
    place.run("drop table api.made_meanwhile")


def test_a_schema_that_does_not_exist_keeps_the_engine_trying(place: Place) -> None:
    with engine({**place.settings, "PGRST_DB_SCHEMAS": "api,missing"}, ready=False) as running:
        running.wait_for(
            "using db-schemas=api,missing and db-extra-search-path=public.*3F000.*does not exist"
        )
        assert running.get("/items").json["code"] == "PGRST002"
        place.run("create schema missing", "notify pgrst")
        running.wait_loaded()
        assert running.get("/items").status == 200
    place.run("drop schema missing")


def test_without_recovery_it_ends_when_there_is_no_database(place: Place) -> None:
    settings = {**place.settings, "PGRST_DB_POOL_AUTOMATIC_RECOVERY": "false", "PGRST_SERVER_PORT": "0"}
    done = run_to_end([], {**settings, "PGRST_DB_URI": place.login_url() + "_that_is_missing"})
    assert done.returncode == 1
    assert "Automatic recovery disabled, exiting." in done.stderr


def test_without_recovery_it_ends_when_the_listener_is_lost(place: Place) -> None:
    with engine({**place.settings, "PGRST_DB_POOL_AUTOMATIC_RECOVERY": "false"}) as running:
        place.run("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'login'")
        assert running.wait_ended() == 1
        running.wait_for("Automatic recovery disabled, exiting.")


def test_a_wrong_password_ends_it_at_once() -> None:
    fault = b'SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user "login"\0\0'
    with scripted_server(b"E" + (4 + len(fault)).to_bytes(4, "big") + fault) as port:
        uri = f"postgresql://login:wrong@127.0.0.1:{port}/x?sslmode=disable"
        settings = {"PGRST_DB_URI": uri, "PGRST_SERVER_PORT": "0", "PGRST_DB_CHANNEL_ENABLED": "false"}
        done = run_to_end([], settings)
    assert done.returncode == 1
    assert "Failed to establish a connection." in done.stderr
    assert "password authentication failed" in done.stderr
    assert "wrong" not in done.stderr


@contextmanager
def scripted_server(answer: bytes) -> Iterator[int]:
    """A server that gives the same answer to everybody who begins to talk; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                with client:
                    client.recv(10_000)
                    client.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(5)

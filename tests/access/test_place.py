"""Where calls go, by URL, flag and variables."""

from typing import Any

import pytest

from proxy.access.place import find_place
from proxy.errors import ConfigError

HTTP = "http://postgrest:3000"
DATABASE = "postgresql://dlm:secret@db:5433/ska_dlm"


def uri(url: str | None, **environ: str) -> str | None:
    """The connection string of the database that is gone to; None for calls over HTTP."""
    place = find_place(url, environ)
    return None if place.read_options is None else place.read_options({}).db_uri


@pytest.mark.parametrize(
    ("url", "environ", "expected"),
    [
        (HTTP, {}, None),
        (HTTP, {"USE_SQLALCHEMY": "false", "PGHOST": "db"}, None),
        (HTTP, {"USE_SQLALCHEMY": " TRUE "}, "postgresql://"),
        (HTTP, {"USE_SQLALCHEMY": "true", "PGRST_DB_URI": DATABASE}, DATABASE),
        (None, {}, "postgresql://"),
        (None, {"PGRST_DB_URI": DATABASE}, DATABASE),
        (DATABASE, {"PGRST_DB_URI": "postgresql://other"}, DATABASE),
        (DATABASE, {"USE_SQLALCHEMY": "true"}, DATABASE),
        ("host=db user=dlm", {}, "host=db user=dlm"),
    ],
)
def test_the_url_and_the_flag_decide(url: str | None, environ: dict[str, str], expected: str | None) -> None:
    assert uri(url, **environ) == expected


@pytest.mark.parametrize("url", [None, DATABASE])
def test_without_the_engine_a_server_has_to_be_named(url: str | None) -> None:
    with pytest.raises(ValueError, match="URL of a PostgREST"):
        find_place(url, {"USE_SQLALCHEMY": "false"})


def test_the_flag_is_true_or_false() -> None:
    with pytest.raises(ValueError, match="neither true nor false"):
        find_place(HTTP, {"USE_SQLALCHEMY": "yes"})


@pytest.mark.parametrize(
    ("given", "environ", "kept", "expected"),
    [
        ({}, {}, {}, ("public",)),
        ({}, {"PGRST_DB_SCHEMAS": "a"}, {}, ("a",)),
        ({}, {"PGRST_DB_SCHEMAS": "a"}, {"pgrst.db_schemas": "kept"}, ("kept",)),
        ({}, {"PGRST_DB_SCHEMAS": "a", "PGSCHEMA": "b, c"}, {"pgrst.db_schemas": "kept"}, ("b", "c")),
        ({"schema": "d"}, {"PGSCHEMA": "b"}, {}, ("d",)),
    ],
)
def test_the_schema_is_what_is_said_nearest_to_the_caller(
    given: dict[str, Any], environ: dict[str, str], kept: dict[str, str], expected: tuple[str, ...]
) -> None:
    place = find_place(None, environ, **given)
    assert place.read_options is not None
    assert place.read_options(kept).db_schemas == expected


def test_role_and_connections_are_postgrests_unless_they_are_given() -> None:
    environ = {"PGRST_DB_ANON_ROLE": "anon", "PGRST_DB_POOL": "3"}
    for given, expected in (({}, ("anon", 3)), ({"role": "me", "connections": 4}, ("me", 4))):
        place = find_place(None, environ, **given)  # type: ignore[arg-type]
        assert place.read_options is not None
        options = place.read_options({})
        assert (options.db_anon_role, options.db_pool) == expected


@pytest.mark.parametrize(
    ("url", "environ", "shown"),
    [
        (HTTP + "/", {}, HTTP),
        (HTTP, {"USE_SQLALCHEMY": "true"}, HTTP),
        (DATABASE, {}, "postgresql://db:5433/ska_dlm"),
        ("host=db password=secret dbname=a/b", {}, "postgresql://db/a%2Fb"),
        (
            None,
            {"PGHOST": "db", "PGPORT": "1", "PGDATABASE": "x", "PGPASSWORD": "secret"},
            "postgresql://db:1/x",
        ),
        ("host=/run/postgresql dbname=x", {}, "postgresql:///x"),
    ],
)
def test_errors_name_the_place_without_a_password(
    url: str | None, environ: dict[str, str], shown: str
) -> None:
    assert find_place(url, environ).shown == shown


def test_a_wrong_variable_is_told_at_once() -> None:
    with pytest.raises(ConfigError, match="PGRST_DB_TX_END"):
        find_place(None, {"PGRST_DB_TX_END": "sometimes"})

"""Two worlds to ask: the conformance schema, and one that shares no name with it."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.config.engine import read_options
from proxy.embedded import create_database, drop_database, load_sql
from tests.engine.random.world import World, open_world
from tests.support.conformance import variant_options
from tests.support.database import ConformanceDatabase, run_apart

SECRET = "a-throw-away-secret-of-the-harbour-0001"
SCHEMA_TWO = Path(__file__).with_name("schema_two.sql")


@pytest.fixture(scope="session")
def observatory(conformance_database: ConformanceDatabase) -> Iterator[World]:
    """The conformance database under its default settings."""
    given = {"db-uri": conformance_database.login_url()}
    with open_world("observatory", read_options(given, variant_options())) as world:
        yield world


@pytest.fixture(scope="session")
def harbour(conformance_database: ConformanceDatabase) -> Iterator[World]:
    """The second schema, in a database of its own on the same server."""
    name = f"harbour_{uuid.uuid4().hex}"
    url = run_apart(create_database(conformance_database.url, name))
    try:
        run_apart(load_sql(url, [SCHEMA_TWO]))
        given = {
            "db-uri": ConformanceDatabase(url).login_url("quay_login"),
            "db-schemas": "harbour,Odd Schema",
            "db-anon-role": "quay_guest",
            "db-extra-search-path": "extras",
            "db-aggregates-enabled": "true",
            "db-plan-enabled": "true",
            "jwt-secret": SECRET,
        }
        with open_world("harbour", read_options(given, {})) as world:
            yield world
    finally:
        run_apart(drop_database(conformance_database.url, name))


@pytest.fixture(params=["observatory", "harbour"], scope="session")
def world(request: pytest.FixtureRequest) -> World:
    """Either of the two."""
    found: World = request.getfixturevalue(request.param)
    return found

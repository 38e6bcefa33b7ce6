"""A database with functions that try to do what a read must not, and a role that may call them."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from proxy.embedded import create_database, drop_database, load_sql
from tests.attack import SCHEMA
from tests.support.database import ConformanceDatabase, run_apart


@dataclass(frozen=True, slots=True)
class Vault:
    """``url`` connects as a superuser, ``login`` as the role that only logs in."""

    url: str
    login: str


@pytest.fixture(scope="session")
def vault(conformance_database: ConformanceDatabase) -> Iterator[Vault]:
    """The schema of this folder, in a database of its own on the server that the tests use."""
    name = f"vault_{uuid.uuid4().hex}"
    url = run_apart(create_database(conformance_database.url, name))
    try:
        run_apart(load_sql(url, [SCHEMA]))
        yield Vault(url, ConformanceDatabase(url).login_url("vault_login"))
    finally:
        run_apart(drop_database(conformance_database.url, name))

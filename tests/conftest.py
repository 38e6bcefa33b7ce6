"""Fixtures for every room. A database server starts only when the first test asks for one."""

import sys
from collections.abc import Iterator

import pytest

from proxy.cli import DEEPEST
from tests.support import database
from tests.support.database import ConformanceDatabase

sys.setrecursionlimit(DEEPEST)


@pytest.fixture(scope="session")
def conformance_database() -> Iterator[ConformanceDatabase]:
    """The conformance schema and data, loaded once per session; tests must leave it as it is."""
    with database.conformance_database() as loaded:
        yield loaded

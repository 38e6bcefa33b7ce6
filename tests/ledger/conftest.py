"""Ledgers to write to: a file, and a database on a real PostgreSQL."""

import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from proxy.embedded import create_database, drop_database
from tests.ledger.support import Scene
from tests.support.database import ConformanceDatabase

MakeScene = Callable[..., Scene]


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The URL of an empty place for a ledger, in each kind of database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/ledger.db"
        return
    server: ConformanceDatabase = request.getfixturevalue("conformance_database")
    name = f"ledger_{uuid.uuid4().hex}"
    made = await create_database(server.url, name)
    yield made
    await drop_database(server.url, name)


@pytest.fixture
async def make_scene(url: str) -> AsyncIterator[MakeScene]:
    """Makes replicas that share the ledger at ``url``, and closes them afterwards."""
    made: list[Scene] = []

    def make(**settings: Any) -> Scene:
        made.append(Scene(**{"url": url, **settings}))
        return made[-1]

    yield make
    for scene in made:
        await scene.ledger.close()

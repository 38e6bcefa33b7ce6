"""What is started once for a whole file of tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import programs
from tests.support.conformance import variant_options
from tests.support.database import ConformanceDatabase


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in this process keeps its ledger where no other test finds it."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="package")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the programs' logs and configurations are."""
    return tmp_path_factory.mktemp("programs")


@pytest.fixture(scope="package")
def engine_settings(conformance_database: ConformanceDatabase) -> dict[str, str]:
    """The ``PGRST_*`` variables of the recorded PostgREST, for this run's database."""
    return {**variant_options(), "PGRST_DB_URI": conformance_database.login_url()}


@pytest.fixture
def engine_environment(engine_settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is configured by ``engine_settings`` as the programs are, and by nothing else."""
    for name in programs.foreign_settings():
        monkeypatch.delenv(name)
    for name, value in engine_settings.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="package")
def upstream_url(directory: Path, engine_settings: dict[str, str]) -> Iterator[str]:
    """An upstream for any request: a real PostgREST, or else a second process of our own engine."""
    with programs.postgrest(programs.find_postgrest(), directory, engine_settings) as running:
        yield running.url

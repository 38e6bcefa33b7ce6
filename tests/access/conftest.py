"""Nothing of this process's environment may say where calls go."""

from collections.abc import Iterator

import pytest

from tests.e2e import programs
from tests.support.conformance import variant_options
from tests.support.database import ConformanceDatabase


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*programs.foreign_settings(), "USE_SQLALCHEMY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def settings(conformance_database: ConformanceDatabase) -> dict[str, str]:
    """The variables by which the recorded PostgREST was configured, for this run's database."""
    return {**variant_options(), "PGRST_DB_URI": conformance_database.login_url()}


@pytest.fixture
def configured(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """This process has PostgREST's variables."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def server_url(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgREST where there is one, else our engine, over HTTP."""
    with programs.postgrest(
        programs.find_postgrest(), tmp_path_factory.mktemp("server"), settings
    ) as running:
        yield running.url

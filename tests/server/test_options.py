"""Options of an engine alone: read anew, put in force as a whole or not at all."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from proxy.config import Config, EngineConfig
from proxy.database.settings import RoleSettings
from proxy.database.snapshot import EngineSnapshot
from proxy.engine.schema import Schema
from proxy.errors import ApiError, ConfigError, EngineDown, Problem
from proxy.events import ConfigReloaded, Event, SettingsUnread
from proxy.server.options import Options
from proxy.server.state import Snapshot, State
from proxy.shadow.policy import Names

AWAY = EngineDown(ApiError(503, "PGRST000", "Database connection error."))
NO_FUNCTION = ApiError(404, "42883", "function f() does not exist")
ROLES: RoleSettings = {"anon": (("statement_timeout", "5s"),)}


@dataclass
class Bench:
    """Options of which the database keeps ``settings``; every source may be made to fail."""

    settings: dict[str, str] = field(default_factory=dict)
    fault: Exception | None = None
    settings_fault: Exception | None = None
    roles_fault: Exception | None = None
    db_config: bool = True
    read_with: list[Mapping[str, str]] = field(default_factory=list)
    adopted: list[EngineConfig] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        engine = EngineConfig(db_config=self.db_config)
        snapshot = EngineSnapshot(engine, Schema())
        self.state = State(Snapshot(Config(engine=engine), Names(), snapshot))
        self.options = Options(
            self.state,
            self.events.append,
            read=self.read,
            read_settings=self.read_settings,
            read_roles=self.read_roles,
            adopt=self.adopt,
        )

    def read(self, settings: Mapping[str, str]) -> EngineConfig:
        self.read_with.append(settings)
        if self.fault is not None:
            raise self.fault
        rows = settings.get("pgrst.db_max_rows")
        return EngineConfig(db_config=self.db_config, db_max_rows=int(rows) if rows else None)

    async def read_settings(self, options: EngineConfig) -> Mapping[str, str]:
        if self.settings_fault is not None:
            raise self.settings_fault
        return dict(self.settings)

    async def adopt(self, options: EngineConfig) -> None:
        self.adopted.append(options)

    async def read_roles(self) -> RoleSettings:
        if self.roles_fault is not None:
            raise self.roles_fault
        return ROLES


async def test_a_reload_puts_options_and_settings_of_roles_in_force() -> None:
    bench = Bench({"pgrst.db_max_rows": "5"})
    await bench.options.reload()
    snapshot = bench.state.current
    assert snapshot.engine is not None
    assert snapshot.config.engine.db_max_rows == snapshot.engine.options.db_max_rows == 5
    assert snapshot.engine.schema.role_settings == ROLES
    assert bench.adopted == [snapshot.config.engine]
    assert bench.events == [ConfigReloaded(True)]


async def test_before_a_load_the_settings_of_roles_are_left_to_it() -> None:
    bench = Bench()
    await bench.options.prepare()
    assert bench.state.current.engine is not None
    assert bench.state.current.engine.schema.role_settings == {}
    assert bench.events == [ConfigReloaded(True)]


async def test_before_a_load_the_options_stay_if_none_are_in_the_database() -> None:
    bench = Bench(db_config=False)
    await bench.options.prepare()
    assert bench.read_with == []
    assert bench.events == []


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (
            ConfigError([Problem("database", 0, "'pgrst.db_tx_end'", "'x'", "commit")]),
            "Invalid transaction term",
        ),
        (FileNotFoundError(2, "No such file"), "FileNotFoundError"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"), "UnicodeDecodeError"),
    ],
)
async def test_faulty_options_are_told_and_the_old_ones_stay(fault: Exception, told: str) -> None:
    bench = Bench({"pgrst.db_max_rows": "5"})
    await bench.options.reload()
    bench.events.clear()
    bench.fault, bench.settings = fault, {}
    await bench.options.reload()
    assert bench.state.current.config.engine.db_max_rows == 5
    (event,) = bench.events
    assert isinstance(event, ConfigReloaded)
    assert not event.accepted
    assert told in event.problem


@pytest.mark.parametrize("fault", [AWAY, NO_FUNCTION])
async def test_settings_that_cannot_be_read_are_what_they_were(fault: Exception) -> None:
    bench = Bench({"pgrst.db_max_rows": "5"})
    await bench.options.reload()
    bench.events.clear()
    bench.settings_fault = bench.roles_fault = fault
    await bench.options.reload()
    assert bench.state.current.config.engine.db_max_rows == 5
    assert bench.state.current.engine is not None
    assert bench.state.current.engine.schema.role_settings == ROLES
    assert [event.kind for event in bench.events if isinstance(event, SettingsUnread)] == ["options", "roles"]
    assert ConfigReloaded(True) in bench.events


async def test_without_in_database_configuration_the_database_is_not_asked() -> None:
    bench = Bench({"pgrst.db_max_rows": "5"}, db_config=False, settings_fault=AWAY, roles_fault=AWAY)
    await bench.options.reload()
    assert bench.read_with == [{}]
    assert bench.events == [ConfigReloaded(True)]


async def test_at_the_start_faults_are_raised() -> None:
    bench = Bench(fault=ConfigError([Problem("f", 1, "k", "x", "y")]))
    with pytest.raises(ConfigError):
        await bench.options.start()
    bench = Bench(settings_fault=AWAY)
    await bench.options.start()
    assert bench.read_with == [{}]

"""Hot reload: what is put in force, what is refused, and what is told about it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from proxy.config import EngineConfig, Rule
from proxy.config.reader import ConfigFile, read_config
from proxy.database.snapshot import EngineSnapshot
from proxy.engine.schema import Schema
from proxy.errors import ConfigError
from proxy.events import ConfigReloaded, Crashed, Event, ModeChanged
from proxy.server.reload import INTERVAL, Reload
from proxy.server.state import Snapshot, State
from proxy.shadow.policy import Names

FIRST = b"upstream: {url: 'http://a'}\ntables: {storage: {reads: shadow}}\n"
ENGINE = FIRST.replace(b"reads: shadow", b"reads: engine")
BAD = FIRST.replace(b"reads: shadow", b"reads: both")
UNKNOWN = FIRST.replace(b"storage", b"missing")
NAMES = Names(("dlm",), frozenset({("dlm", "storage"), ("dlm", "location")}), {("dlm", "latest"): True})

ACCEPTED = ConfigReloaded(True)
TO_ENGINE = ModeChanged("storage", "reads", "shadow", "engine")
TO_SHADOW = ModeChanged("storage", "reads", "engine", "shadow")


class Scene:
    """A reload whose file, sleep and listener are in the test's hands."""

    def __init__(self) -> None:
        self.content: bytes | OSError = FIRST
        self.events: list[Event] = []
        self.environ: dict[str, str] = {}
        engine = EngineSnapshot(EngineConfig(), Schema())
        self.state = State(Snapshot(self.parse(FIRST).config, NAMES, engine))
        self.slept: list[float] = []
        self._tick = asyncio.Semaphore(0)
        self._asleep = asyncio.Event()
        self.reload = Reload(
            self.state, self.events.append, read=self.read, parse=self.parse, content=FIRST, sleep=self.sleep
        )

    def read(self) -> bytes:
        if isinstance(self.content, OSError):
            raise self.content
        return self.content

    def parse(self, content: bytes) -> ConfigFile:
        return read_config(content, "understudy.yaml", self.environ)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._asleep.set()
        await self._tick.acquire()

    async def pass_time(self, intervals: int = 1) -> list[Event]:
        """Let some intervals pass; gives the events of that time."""
        self.events.clear()
        for _ in range(intervals):
            self._asleep.clear()
            self._tick.release()
            await self._asleep.wait()
        return list(self.events)

    async def begin(self) -> None:
        await self._asleep.wait()

    @property
    def reads(self) -> str:
        return self.state.current.config.tables["storage"].reads


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """A scene in which the watching has begun."""
    scene = Scene()
    task = asyncio.create_task(scene.reload.watch())
    await scene.begin()
    yield scene
    await stop(task)


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def problem_of(events: list[Event]) -> str:
    (event,) = events
    assert isinstance(event, ConfigReloaded)
    assert not event.accepted
    return event.problem


async def test_a_file_that_does_not_change_is_no_event(scene: Scene) -> None:
    before = scene.state.current
    assert await scene.pass_time(5) == []
    assert scene.state.current is before


async def test_a_change_is_in_force_after_two_readings(scene: Scene) -> None:
    scene.content = ENGINE
    assert await scene.pass_time() == []
    assert scene.reads == "shadow"
    assert await scene.pass_time() == [ACCEPTED, TO_ENGINE]
    assert scene.reads == "engine"
    assert await scene.pass_time(3) == []


def test_two_readings_and_the_wait_before_them_fit_into_a_second() -> None:
    assert 3 * INTERVAL < 1


async def test_a_change_while_the_file_is_being_written_is_not_taken(scene: Scene) -> None:
    scene.content = ENGINE[:30]
    assert await scene.pass_time() == []
    scene.content = ENGINE
    assert await scene.pass_time(2) == [ACCEPTED, TO_ENGINE]


async def test_a_file_that_breaks_off_is_refused_though_what_is_left_of_it_would_be_valid(
    scene: Scene,
) -> None:
    # As a disk that was full leaves it: without the tables, and with an upstream of another name.
    scene.content = FIRST[: FIRST.index(b"'}") - 1] + b"'}"
    events = await scene.pass_time(2)
    assert problem_of(events) == "the file breaks off in the middle of a line, and the one in force does not"
    scene.content = FIRST
    assert await scene.pass_time(2) == [ACCEPTED]


async def test_the_snapshot_is_swapped_whole_and_keeps_the_schema_cache(scene: Scene) -> None:
    before = scene.state.current
    scene.content = ENGINE + b"engine: {db-max-rows: 7}\n"
    await scene.pass_time(2)
    after = scene.state.current
    assert before.config.tables["storage"] == Rule("shadow")
    assert after.config.tables["storage"] == Rule("engine")
    assert after.names is before.names
    assert before.engine is not None
    assert after.engine is not None
    assert after.engine.schema is before.engine.schema
    assert after.engine.options is after.config.engine
    assert after.engine.options.db_max_rows == 7


async def test_a_bad_file_is_refused_once_and_the_last_good_one_stays(scene: Scene) -> None:
    before = scene.state.current
    scene.content = BAD
    assert problem_of(await scene.pass_time(10)) == (
        "understudy.yaml:2: tables.storage.reads: found 'both'; allowed: upstream, shadow, canary, engine"
    )
    assert scene.state.current is before


async def test_every_bad_file_is_told_anew(scene: Scene) -> None:
    scene.content = BAD
    await scene.pass_time(2)
    scene.content = BAD + b"# the same fault\n"
    assert "'both'" in problem_of(await scene.pass_time(5))


async def test_a_good_file_after_a_bad_one_is_accepted_even_if_it_is_the_old_one(scene: Scene) -> None:
    scene.content = BAD
    await scene.pass_time(2)
    scene.content = FIRST
    assert await scene.pass_time(2) == [ACCEPTED]


async def test_names_that_the_database_does_not_have_are_refused(scene: Scene) -> None:
    scene.content = UNKNOWN
    assert problem_of(await scene.pass_time(4)) == (
        "understudy.yaml:2: tables.missing: found a name that is not in the schema cache;"
        " allowed: location, storage"
    )


async def test_a_refused_file_is_judged_again_when_the_schema_cache_changes(scene: Scene) -> None:
    scene.content = UNKNOWN
    await scene.pass_time(2)
    names = replace(NAMES, relations=NAMES.relations | {("dlm", "other")})
    scene.state.replace(replace(scene.state.current, names=names))
    assert "allowed: location, other, storage" in problem_of(await scene.pass_time(3))
    names = replace(NAMES, relations=NAMES.relations | {("dlm", "missing")})
    scene.state.replace(replace(scene.state.current, names=names))
    assert await scene.pass_time(3) == [ACCEPTED]


async def test_without_a_schema_cache_names_are_not_checked(scene: Scene) -> None:
    scene.state.replace(replace(scene.state.current, names=Names(), engine=None))
    scene.content = UNKNOWN
    assert await scene.pass_time(2) == [ACCEPTED]
    assert "missing" in scene.state.current.config.tables
    assert scene.state.current.engine is None
    assert await scene.pass_time(3) == []


async def test_names_that_were_not_checked_are_checked_once_there_is_a_schema_cache(scene: Scene) -> None:
    complete = scene.state.current
    scene.state.replace(replace(complete, names=Names(), engine=None))
    scene.content = UNKNOWN
    await scene.pass_time(2)
    scene.state.replace(replace(scene.state.current, names=NAMES, engine=complete.engine))
    assert "tables.missing" in problem_of(await scene.pass_time(3))
    assert "missing" in scene.state.current.config.tables


async def test_a_file_that_is_gone_is_told_once_and_changes_nothing(scene: Scene) -> None:
    scene.content = FileNotFoundError(2, "No such file or directory")
    assert problem_of(await scene.pass_time(5)) == "the file cannot be read: No such file or directory"
    scene.content = ENGINE
    assert await scene.pass_time(2) == [ACCEPTED, TO_ENGINE]


async def test_a_file_that_is_gone_for_a_moment_is_no_event(scene: Scene) -> None:
    scene.content = FileNotFoundError(2, "No such file or directory")
    assert await scene.pass_time() == []
    scene.content = FIRST
    assert await scene.pass_time(3) == []


async def test_what_needs_a_restart_is_named_and_keeps_its_value(scene: Scene) -> None:
    scene.content = b"listen: 0.0.0.0:99\nengine: {db-pool: 3, db-max-rows: 4}\n" + FIRST
    assert await scene.pass_time(2) == [ConfigReloaded(True, needs_restart=("listen", "engine.db-pool"))]
    config = scene.state.current.config
    assert (config.listen.port, config.engine.db_pool, config.engine.db_max_rows) == (3000, 10, 4)


async def test_a_change_of_the_defaults_is_an_event_for_every_table_that_follows_them(scene: Scene) -> None:
    scene.content = FIRST + b"defaults: {reads: engine}\n"
    changes = [
        ModeChanged(table, "reads", "shadow", "engine") for table in ("location", "rpc/latest", "other")
    ]
    events = await scene.pass_time(2)
    assert events[0] == ACCEPTED
    assert sorted(map(repr, events[1:])) == sorted(map(repr, changes))


async def test_reload_acts_at_once_and_always_answers(scene: Scene) -> None:
    scene.content = ENGINE
    await scene.reload.reload()
    assert scene.events == [ACCEPTED, TO_ENGINE]
    scene.events.clear()
    await scene.reload.reload()
    assert scene.events == [ACCEPTED]
    scene.content = BAD
    for _ in range(2):
        scene.events.clear()
        await scene.reload.reload()
        assert "'both'" in problem_of(scene.events)
    assert await scene.pass_time(3) == []


async def test_who_asks_for_a_reading_gets_it_with_the_next_look_though_nothing_has_changed(
    scene: Scene,
) -> None:
    scene.reload.refresh()
    assert await scene.pass_time() == [ACCEPTED]
    assert await scene.pass_time(2) == []


async def test_reloads_at_the_same_time_follow_each_other(scene: Scene) -> None:
    scene.content = ENGINE
    await asyncio.gather(scene.reload.reload(), scene.reload.reload(), scene.pass_time(2))
    assert scene.reads == "engine"
    assert scene.events.count(TO_ENGINE) == 1


async def test_an_unforeseen_fault_is_told_and_the_watching_goes_on() -> None:
    scene = Scene()

    def parse(content: bytes) -> ConfigFile:
        if b"both" in content:
            raise LookupError("a secret")
        return scene.parse(content)

    reload = Reload(scene.state, scene.events.append, read=scene.read, parse=parse, content=FIRST)
    scene.content = BAD
    await reload.reload()
    assert scene.events == [
        Crashed("reload", "LookupError"),
        ConfigReloaded(False, "the file could not be judged: LookupError"),
    ]
    scene.content = FIRST
    await reload.reload()
    assert scene.events[-1] == ACCEPTED


@pytest.mark.parametrize("way", ["write", "rename", "symlink"])
async def test_every_way_of_changing_a_real_file_is_seen(tmp_path: Path, way: str) -> None:
    scene = Scene()
    path = tmp_path / "understudy.yaml"
    if way == "symlink":
        for name, content in (("..1", FIRST), ("..2", ENGINE)):
            tmp_path.joinpath(name).mkdir()
            tmp_path.joinpath(name, "understudy.yaml").write_bytes(content)
        tmp_path.joinpath("..data").symlink_to("..1")
        path.symlink_to("..data/understudy.yaml")
    else:
        path.write_bytes(FIRST)
    done = asyncio.Event()

    def emit(event: Event) -> None:
        scene.events.append(event)
        if event == TO_ENGINE:
            done.set()

    reload = Reload(
        scene.state,
        emit,
        read=path.read_bytes,
        parse=scene.parse,
        content=path.read_bytes(),
        sleep=partial(asyncio.sleep, 0),
    )
    task = asyncio.create_task(reload.watch())
    if way == "symlink":
        tmp_path.joinpath("..tmp").symlink_to("..2")
        tmp_path.joinpath("..tmp").rename(tmp_path / "..data")
    elif way == "rename":
        tmp_path.joinpath("new").write_bytes(ENGINE)
        tmp_path.joinpath("new").rename(path)
    else:
        path.write_bytes(ENGINE)
    await asyncio.wait_for(done.wait(), 10)
    assert scene.events == [ACCEPTED, TO_ENGINE]
    await stop(task)


def test_the_first_file_must_be_good_too() -> None:
    with pytest.raises(ConfigError):
        read_config(BAD, "understudy.yaml", {})


async def test_a_rollback_is_an_event_like_any_other_change(scene: Scene) -> None:
    scene.content = ENGINE
    await scene.pass_time(2)
    scene.content = FIRST
    assert await scene.pass_time(2) == [ACCEPTED, TO_SHADOW]


ALONE = b"tables: {storage: {reads: engine, writes: engine}}\n"


async def test_the_upstream_goes_and_comes_back_without_a_restart(scene: Scene) -> None:
    scene.content = ALONE
    events = await scene.pass_time(2)
    assert events[0] == ACCEPTED
    assert scene.state.current.config.upstream is None
    scene.content = FIRST.replace(b"http://a", b"http://b")
    assert (await scene.pass_time(2))[0] == ACCEPTED
    upstream = scene.state.current.config.upstream
    assert upstream is not None
    assert upstream.url == "http://b"
    assert scene.reads == "shadow"


async def test_the_upstream_stays_until_the_engine_can_answer(scene: Scene) -> None:
    complete = scene.state.current
    scene.state.replace(replace(complete, names=Names(), engine=None))
    scene.content = ALONE
    assert problem_of(await scene.pass_time(3)) == (
        "understudy.yaml: upstream: found none; allowed: an upstream, until the engine has a schema cache"
    )
    assert scene.state.current.config.upstream is not None
    scene.state.replace(replace(scene.state.current, names=NAMES, engine=complete.engine))
    assert (await scene.pass_time(3))[0] == ACCEPTED
    assert scene.state.current.config.upstream is None

"""A ledger that is gone, slow, broken or full: nobody waits, nothing counts twice, what is lost is told."""

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from proxy.events import Crashed, LedgerFlushed, LedgerShed
from proxy.ledger.database import LedgerDatabase, LedgerDown, LedgerMissing, Work
from proxy.ledger.ledger import LONGEST_WAIT
from proxy.ledger.read import list_evidence, list_signatures
from proxy.ledger.tables import METADATA
from tests.ledger.conftest import MakeScene
from tests.ledger.support import Scene, judged, mismatch


def list_files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def flushes(scene: Scene) -> list[bool]:
    return [event.accepted for event in scene.events if isinstance(event, LedgerFlushed)]


async def count_reads(scene: Scene) -> int:
    return sum(evidence.reads for _, evidence in await scene.read(list_evidence))


async def test_a_flush_whose_commit_was_not_confirmed_counts_once(
    make_scene: MakeScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = make_scene()
    write = scene.database.write

    def write_and_lose_the_connection(work: Work[Any]) -> Any:
        write(work)
        raise LedgerDown("the connection was lost")

    with monkeypatch.context() as patch:
        patch.setattr(scene.database, "write", write_and_lose_the_connection)
        assert not await scene.flush(judged(), mismatch())
    assert await scene.flush(judged())
    assert await scene.flush()
    assert await count_reads(scene) == 3
    (signature,) = await scene.read(list_signatures)
    assert signature.count == 1


async def test_what_happens_while_the_ledger_is_gone_is_written_when_it_is_back(tmp_path: Path) -> None:
    place = tmp_path / "missing"
    scene = Scene(f"sqlite:///{place}/ledger.db")
    assert not await scene.flush(judged())
    assert not await scene.flush(judged(), mismatch())
    condition = scene.ledger.condition
    assert (condition.state, condition.problem) == ("down", "No such file or directory")
    assert condition.entries == 3
    place.mkdir()
    assert await scene.flush()
    assert await scene.flush()
    assert scene.ledger.condition.state == "up"
    assert await count_reads(scene) == 3
    assert flushes(scene) == [False, False, True, True]
    await scene.ledger.close()


async def test_memory_stays_in_bounds_while_the_ledger_is_gone(tmp_path: Path) -> None:
    scene = Scene(f"sqlite:///{tmp_path}/missing/ledger.db", max_keys=50, max_bytes=50_000)
    for number in range(2_000):
        scene.ledger.listen(mismatch(f"signature {number}", shape=f"GET storage?{number}"))
        if number % 500 == 0:
            await scene.ledger.flush()
    assert scene.ledger.entries <= 2 * 50
    assert scene.ledger.bytes <= 2 * 50_000
    await scene.ledger.close()


async def test_listening_goes_on_while_the_database_does_not_answer(tmp_path: Path) -> None:
    scene = Scene(f"sqlite:///{tmp_path}/ledger.db")
    await scene.flush()
    entered, release = threading.Event(), threading.Event()

    def hang(_: Connection) -> None:
        entered.set()
        release.wait(30)

    hanging = asyncio.ensure_future(scene.read(hang))
    await asyncio.to_thread(entered.wait, 30)
    flushing = asyncio.ensure_future(scene.flush(judged()))
    await asyncio.sleep(0)
    for _ in range(100):
        scene.ledger.listen(judged())
    assert not flushing.done()
    release.set()
    await hanging
    assert await flushing
    await scene.flush()
    assert await count_reads(scene) == 101
    await scene.ledger.close()


async def test_closing_does_not_wait_for_a_database_that_does_not_answer(tmp_path: Path) -> None:
    scene = Scene(f"sqlite:///{tmp_path}/ledger.db")
    entered, release = threading.Event(), threading.Event()

    def hang(_: Connection) -> None:
        entered.set()
        release.wait(30)

    hanging = asyncio.ensure_future(scene.read(hang))
    await asyncio.to_thread(entered.wait, 30)
    await scene.ledger.close(grace=0.0)
    release.set()
    await hanging


async def test_the_database_is_opened_anew_after_its_tables_are_gone(make_scene: MakeScene) -> None:
    scene = make_scene()
    await scene.flush(judged())

    def drop(connection: Connection) -> None:
        connection.execute(text("DROP TABLE ledger_version"))
        METADATA.drop_all(connection)

    other = LedgerDatabase(scene.url, create=False)
    await asyncio.to_thread(other.write, drop)
    await asyncio.to_thread(other.close)
    assert not await scene.flush(judged())
    assert await scene.flush()
    assert await count_reads(scene) == 1


async def test_values_that_no_database_takes_are_given_up_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(f"sqlite:///{tmp_path}/ledger.db")

    def refuse(_: Work[Any]) -> None:
        raise ValueError("a secret value")

    with monkeypatch.context() as patch:
        patch.setattr(scene.database, "write", refuse)
        assert not await scene.flush(judged())
    assert await scene.flush(judged())
    assert await count_reads(scene) == 1
    assert Crashed("ledger", "ValueError") in scene.events
    assert LedgerShed("batch", 1) in scene.events
    await scene.ledger.close()


async def test_attempts_become_rarer_while_the_ledger_is_down(tmp_path: Path) -> None:
    waits: list[float] = []

    async def note(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 6:
            raise asyncio.CancelledError

    scene = Scene(f"sqlite:///{tmp_path}/missing/ledger.db")
    scene.ledger._sleep = note
    with pytest.raises(asyncio.CancelledError):
        await scene.ledger.keep()
    assert waits == [10, 20, LONGEST_WAIT, LONGEST_WAIT, LONGEST_WAIT, LONGEST_WAIT]
    await scene.ledger.close()


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("postgresql://nobody@127.0.0.1:1/nothing", "Connect call failed"),
        ("postgresql:///?nonsense=1", 'invalid connection option "nonsense"'),
    ],
)
async def test_a_database_that_is_not_there_is_told_without_its_url(url: str, problem: str) -> None:
    scene = Scene(url)
    assert not await scene.flush(judged())
    assert problem in scene.ledger.condition.problem
    assert "nobody" not in scene.ledger.condition.problem
    await scene.ledger.close()


def test_reading_makes_no_ledger(tmp_path: Path) -> None:
    database = LedgerDatabase(f"sqlite:///{tmp_path}/ledger.db", create=False)
    with pytest.raises(LedgerMissing, match="there is no ledger"):
        database.read(list_evidence)
    assert list(tmp_path.iterdir()) == []


async def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    scene = Scene(f"sqlite:///{tmp_path}/ledger.db")
    await scene.flush(judged())
    modes = {path.name: path.stat().st_mode & 0o777 for path in list_files(tmp_path)}
    assert set(modes.values()) == {0o600}
    assert "ledger.db" in modes
    await scene.ledger.close()


@pytest.mark.parametrize("way", ["removed", "replaced", "restored"])
async def test_a_file_that_is_another_one_is_noticed_and_nothing_is_written_where_nobody_finds_it(
    tmp_path: Path, way: str
) -> None:
    file = tmp_path / "ledger.db"
    scene = Scene(f"sqlite:///{file}")
    assert await scene.flush(judged())
    replace_file(file, way)
    assert not await scene.flush(judged())
    if way == "replaced":
        assert not await scene.flush()
        replace_file(file, "removed")
    await scene.flush()
    assert await scene.flush()
    other = Scene(f"sqlite:///{file}", replica="another")
    assert await count_reads(other) == (2 if way == "restored" else 1)
    await other.ledger.close()
    await scene.ledger.close()


def replace_file(file: Path, way: str) -> None:
    """Take the file away; put garbage in its place, or what a backup has kept."""
    with contextlib.closing(sqlite3.connect(file)) as connection:
        if way != "removed":
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    kept = file.read_bytes()
    for path in file.parent.glob("ledger.db*"):
        path.unlink()
    if way == "replaced":
        file.write_bytes(b"garbage" * 1000)
    elif way == "restored":
        file.write_bytes(kept)


def test_a_program_that_reads_the_file_takes_nothing_from_a_running_proxy(tmp_path: Path) -> None:
    """SQLite's last user takes its log away: whoever leaves has to see that a proxy is still there.

    A proxy has two connections, for evidence and for holds. A file that is opened and closed besides them
    would give up the process's locks (POSIX, ``fcntl``).
    """
    file = tmp_path / "ledger.db"
    databases = [LedgerDatabase(f"sqlite:///{file}", create=True) for _ in range(2)]
    for database in databases:
        database.write(lambda connection: connection.execute(text("CREATE TABLE IF NOT EXISTS a (b)")))
    script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM a'); c.close()"
    subprocess.run([sys.executable, "-c", script, str(file)], check=True, timeout=600)
    databases[0].write(lambda connection: connection.execute(text("INSERT INTO a VALUES (1)")))
    with contextlib.closing(sqlite3.connect(file)) as other:
        assert other.execute("SELECT b FROM a").fetchall() == [(1,)]
    for database in databases:
        database.close()

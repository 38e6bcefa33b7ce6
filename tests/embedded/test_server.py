"""The embedded PostgreSQL: it starts, survives being killed, and leaves nothing behind."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest

from proxy.embedded import EmbeddedError, EmbeddedPostgres, server
from tests.support.database import fetch_value


async def test_it_is_postgresql_16_in_utf_8_with_a_c_locale(running: EmbeddedPostgres) -> None:
    url = await running.create_database("observatory")
    assert url == f"postgresql://postgres@127.0.0.1:{running.port}/observatory"
    assert str(await fetch_value(url, "show server_version")).startswith("16.")
    assert await fetch_value(url, "show server_encoding") == "UTF8"
    locale = "select datcollate from pg_database where datname = current_database()"
    assert await fetch_value(url, locale) in ("C.UTF-8", "C")
    assert await fetch_value(url, "show max_connections") == "200"


async def test_it_listens_on_a_unix_socket_too(running: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(
        host=str(running.socket_directory), port=running.port, user="postgres", database="postgres"
    )
    assert await connection.fetchval("select inet_server_addr() is null")
    await connection.close()


async def test_two_servers_do_not_disturb_each_other(running: EmbeddedPostgres) -> None:
    other = EmbeddedPostgres()
    await asyncio.to_thread(other.start)
    try:
        assert other.port != running.port
        assert other.socket_directory != running.socket_directory
        assert await fetch_value(other.url, "select 1") == await fetch_value(running.url, "select 1") == 1
    finally:
        await asyncio.to_thread(other.stop)


async def test_killed_and_started_again_it_has_its_port_and_its_data() -> None:
    killed = EmbeddedPostgres()
    await asyncio.to_thread(killed.start)
    try:
        url = await killed.create_database('odd "name"/ü')
        busy = await asyncpg.connect(url)
        working = asyncio.create_task(busy.execute("do $$ begin loop null; end loop; end $$"))
        client = await asyncpg.connect(url)
        while await client.fetchval("select count(*) from pg_stat_activity where state = 'active'") < 2:
            pass
        await client.execute("create table kept as select 42 as answer")
        killed.kill()
        assert not killed.running
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await client.fetchval("select 1")
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await working
        with pytest.raises(ConnectionRefusedError):
            await asyncpg.connect(url)
        await asyncio.to_thread(killed.start)
        assert killed.running
        assert await fetch_value(url, "select answer from kept") == 42
        client.terminate()
    finally:
        await asyncio.to_thread(killed.stop)


def test_a_given_directory_keeps_the_data_between_runs(running: EmbeddedPostgres) -> None:
    # Beside a directory of the server's, because the server's account must be able to enter it.
    directory = running.socket_directory / "given"
    for _ in range(2):
        kept = EmbeddedPostgres(directory)
        with kept:
            asyncio.run(fetch_value(kept.url, "create table if not exists kept ()"))
    with EmbeddedPostgres(directory) as again:
        assert asyncio.run(fetch_value(again.url, "select count(*) from kept")) == 0
    assert (directory / "data" / "PG_VERSION").exists()


def test_stopped_it_leaves_no_process_and_no_directory() -> None:
    stopped = EmbeddedPostgres()
    with stopped:
        directory = stopped.socket_directory
        pid = int((directory / "data" / "postmaster.pid").read_text().splitlines()[0])
        stopped.start()
        assert stopped.running
    assert not stopped.running
    assert not directory.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    stopped.stop()
    with pytest.raises(EmbeddedError, match="never started"):
        _ = stopped.url


PROGRAM = """
import time
from proxy.embedded import EmbeddedPostgres
server = EmbeddedPostgres()
server.start()
print(server.socket_directory, (server.socket_directory / "data" / "postmaster.pid").read_text().split()[0])
"""


def run_program(ending: str) -> tuple[subprocess.Popen[str], Path, int]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM + ending],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    directory, pid = process.stdout.readline().split()
    return process, Path(directory), int(pid)


def test_a_program_that_ends_without_stopping_it_takes_it_along() -> None:
    process, directory, pid = run_program("")
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert not directory.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_even_a_program_that_is_killed_takes_it_along() -> None:
    process, directory, pid = run_program("time.sleep(600)")
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    deadline = time.monotonic() + 30
    while directory.exists() or _exists(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_port_that_is_taken_is_passed_over(
    running: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = server._free_port()
    ports = iter([running.port, free])
    monkeypatch.setattr(server, "_free_port", lambda: next(ports))
    with EmbeddedPostgres() as second:
        assert second.port == free


def test_a_server_that_cannot_start_says_why_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(server._SETTINGS, "max_connections", "many")
    broken = EmbeddedPostgres()
    with pytest.raises(EmbeddedError, match=r"does not start: .*max_connections"):
        broken.start()
    assert not broken.running


def test_without_the_wheel_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "find_wheel", lambda: None)
    with pytest.raises(EmbeddedError, match=r"install understudy\[demo\]"):
        EmbeddedPostgres()

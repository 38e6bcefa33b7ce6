"""Several workers, replaced under the hands of fifty clients, none of which loses a request."""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
import requests

from proxy.cli import main
from tests.e2e import programs
from tests.e2e.support import until
from tests.faults.client import TROUBLE, Client

CLIENTS = 50
WORKERS = 2
ROW = b'[{"id":1,"label":"only row"}]'


@dataclass(slots=True)
class Crowd:
    """Clients that read one row again and again; half of them with a new connection each time."""

    port: int
    answers: int = 0
    problems: list[str] = field(default_factory=list)
    leaving: bool = False

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator["Crowd"]:
        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(self._read(keep=bool(number % 2)))
            try:
                yield self
            finally:
                self.leaving = True

    async def more(self, answers: int = 4 * CLIENTS, *, despite_problems: bool = False) -> None:
        goal = self.answers + answers
        await until(lambda: self.answers >= goal or (bool(self.problems) and not despite_problems))

    async def _read(self, *, keep: bool) -> None:
        async with contextlib.aclosing(Client(self.port, keep=keep)) as client:
            while not self.leaving:
                try:
                    answer = await client.get("/lone")
                except TROUBLE as error:
                    self.problems.append(repr(error))
                    continue
                self.answers += 1
                if (answer.status, answer.body) != (200, ROW):
                    self.problems.append(f"{answer.status} {answer.body[:80]!r}")
                await asyncio.sleep(0.01)


@pytest.fixture
def file(tmp_path: Path, upstream_url: str) -> Path:
    """A configuration for several workers."""
    path = tmp_path / "understudy.yaml"
    path.write_text(
        f"listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nworkers: {WORKERS}\nupstream: {{url: {upstream_url}}}\n"
        f"ledger: sqlite:///{tmp_path}/ledger.db\n",
        encoding="utf-8",
    )
    return path


def edit(file: Path, before: str, after: str) -> None:
    """Put ``after`` in place of ``before``."""
    file.write_text(file.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")


def said(running: programs.Program, pattern: str) -> list[str]:
    """What the watching process has said."""
    return re.findall(pattern, running.log.read_text(encoding="utf-8"))


def list_children(pid: int) -> set[int]:
    """The processes that the process ``pid`` has started and that are alive."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = entry.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid and state != "Z":
                found.add(int(entry.parent.name))
    return found


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


async def test_no_request_is_lost_when_all_workers_are_replaced(
    tmp_path: Path, file: Path, engine_settings: dict[str, str]
) -> None:
    with programs.serving(file, tmp_path, engine_settings) as running:
        before = list_children(running.process.pid)
        assert len(before) == WORKERS
        async with Crowd(running.port).reading() as crowd:
            await crowd.more()
            running.process.send_signal(signal.SIGUSR2)
            await until(lambda: len(said(running, "has taken over")) == WORKERS, 60)
            await until(lambda: not before & list_children(running.process.pid), 60)
            await crowd.more()
            assert len(list_children(running.process.pid)) == WORKERS
        assert crowd.problems == []
        assert await asyncio.to_thread(running.terminate) == 0
    assert "Traceback" not in running.log.read_text(encoding="utf-8")


async def test_a_worker_that_is_killed_takes_no_other_with_it_and_is_replaced(
    tmp_path: Path, file: Path, engine_settings: dict[str, str]
) -> None:
    with programs.serving(file, tmp_path, engine_settings) as running:
        async with Crowd(running.port).reading() as crowd:
            await crowd.more()
            victim = min(list_children(running.process.pid))
            os.kill(victim, signal.SIGKILL)
            await until(lambda: len(said(running, "was ended by SIGKILL; another in 0.25 s")) == 1)
            await until(lambda: len(list_children(running.process.pid)) == WORKERS)
            await crowd.more(despite_problems=True)
            # By now each client knows: none has lost more than what the killed one had in its hands.
            lost = len(crowd.problems)
            assert lost <= CLIENTS
            await crowd.more(despite_problems=True)
            assert len(crowd.problems) == lost
        assert await asyncio.to_thread(running.terminate) == 0


async def test_a_worker_that_cannot_serve_relieves_nobody(
    tmp_path: Path, file: Path, engine_settings: dict[str, str]
) -> None:
    with programs.serving(file, tmp_path, engine_settings) as running:
        before = list_children(running.process.pid)
        edit(file, "workers:", "nonsense:")
        async with Crowd(running.port).reading() as crowd:
            running.process.send_signal(signal.SIGUSR2)
            await until(lambda: len(said(running, "the old one stays")) == 1, 60)
            await crowd.more()
        assert crowd.problems == []
        assert list_children(running.process.pid) == before


async def test_workers_end_when_nobody_watches_over_them(
    tmp_path: Path, file: Path, engine_settings: dict[str, str]
) -> None:
    with programs.serving(file, tmp_path, engine_settings) as running:
        workers = list_children(running.process.pid)
        running.process.kill()
        for worker in workers:
            await until(partial(is_gone, worker))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
async def test_one_process_answers_what_it_has_begun_and_then_ends(
    tmp_path: Path, file: Path, engine_settings: dict[str, str], number: signal.Signals
) -> None:
    edit(file, "workers: 2", "workers: 1")
    with programs.serving(file, tmp_path, engine_settings) as running:
        client = Client(running.port)
        assert (await client.get("/lone")).body == ROW
        running.process.send_signal(number)
        await until(lambda: not can_connect(running.port))
        # The kept connection is answered once more, and told that this was the last time.
        assert (await client.get("/lone")).body == ROW
        assert await asyncio.to_thread(running.process.wait, 30) == 0
        assert client.connections == 1


async def test_who_is_told_a_second_time_ends_at_once(
    tmp_path: Path, file: Path, engine_settings: dict[str, str]
) -> None:
    edit(file, "workers: 2", "workers: 1")
    with programs.serving(file, tmp_path, engine_settings) as running:
        client = Client(running.port)
        await client.get("/lone")
        running.process.send_signal(signal.SIGTERM)
        await until(lambda: not can_connect(running.port))
        running.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(running.process.wait, 30) == -signal.SIGTERM
        await client.aclose()


def can_connect(port: int) -> bool:
    try:
        requests.get(f"http://127.0.0.1:{port}/lone", timeout=5)
    except requests.ConnectionError:
        return False
    return True


def test_a_ledger_in_memory_is_not_for_several_workers(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(file, str(file.with_name("ledger.db")), "")
    edit(file, "sqlite:///", "'sqlite://'")
    assert main(["serve", "--config", str(file)]) == 2
    assert "several workers cannot share a ledger that is in memory" in capsys.readouterr().err

"""A file is changed whole or not at all, whoever is killed and wherever it lies."""

import errno
import os
import signal
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from proxy.modes import file as module
from proxy.modes.file import Change, NotChangeable, change_file

OLD = b"tables:\n" + b"# old\n" * 5000
NEW = b"tables:\n" + b"# the new one\n" * 7000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "understudy.yaml"
    path.write_bytes(OLD)
    return path


def in_child(work: Callable[[], object]) -> int:
    """Run ``work`` in a fork; the signal that ended it, or 0."""
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_the_content_is_replaced_and_nothing_is_left_behind(path: Path) -> None:
    os.chmod(path, 0o640)
    assert change_file(path, lambda _: NEW) == Change(OLD, NEW)
    assert path.read_bytes() == NEW
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(path.parent) == ["understudy.yaml"]


def test_what_does_not_change_is_not_written(path: Path) -> None:
    before = path.stat().st_ino
    assert change_file(path, lambda content: content) == Change(OLD, OLD)
    assert path.stat().st_ino == before


def test_an_edit_that_fails_leaves_the_file_alone(path: Path) -> None:
    def fail(_: bytes) -> bytes:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        change_file(path, fail)
    assert path.read_bytes() == OLD


def test_a_link_stays_a_link(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.yaml"
    link.symlink_to(path)
    change_file(link, lambda _: NEW)
    assert link.is_symlink()
    assert path.read_bytes() == NEW


class _Dying:
    """``os``, of which the call number ``last`` kills the process instead."""

    def __init__(self, last: int) -> None:
        self._left = last

    def __getattr__(self, name: str) -> Any:
        found = getattr(os, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            self._left -= 1
            if self._left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return found(*arguments, **options)

        return call


def test_whoever_dies_before_any_step_leaves_a_whole_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = set[bytes]()
    for last in range(100):
        path.write_bytes(OLD)
        monkeypatch.setattr(module, "os", _Dying(last))
        ended = in_child(lambda: change_file(path, lambda _: NEW))
        monkeypatch.setattr(module, "os", os)
        assert path.read_bytes() in (OLD, NEW)
        seen.add(path.read_bytes())
        # What a dead one left behind is in nobody's way.
        change_file(path, lambda content: content + b"# x\n")
        assert path.read_bytes().endswith(b"# x\n")
        if ended == 0:
            break
    assert last >= 6
    assert seen == {OLD, NEW}


def test_whoever_is_killed_at_any_moment_leaves_a_whole_file(path: Path) -> None:
    for turns in range(40):
        heard, told = os.pipe()
        child = os.fork()
        if not child:
            while True:
                change_file(path, lambda content: NEW if content == OLD else OLD)
                os.write(told, b".")
        os.close(told)
        for _ in range(turns % 4 + 1):
            os.read(heard, 1)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(heard)
        assert path.read_bytes() in (OLD, NEW)


def test_two_who_change_at_once_take_turns(path: Path) -> None:
    path.write_bytes(b"")
    children = []
    for _ in range(4):
        child = os.fork()
        if not child:
            for _ in range(25):
                change_file(path, lambda content: content + b".")
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    assert path.read_bytes() == b"." * 100


def test_a_config_map_is_recognised(tmp_path: Path) -> None:
    data = tmp_path / "..2026_11_26_10_00_00.123"
    data.mkdir()
    (data / "understudy.yaml").write_bytes(OLD)
    (tmp_path / "..data").symlink_to(data.name)
    path = tmp_path / "understudy.yaml"
    path.symlink_to("..data/understudy.yaml")
    with pytest.raises(NotChangeable) as caught:
        change_file(path, lambda _: NEW)
    assert (caught.value.obstacle, caught.value.change) == ("configmap", Change(OLD, NEW))
    assert path.read_bytes() == OLD


@pytest.mark.parametrize(
    ("number", "call", "obstacle"),
    [
        (errno.EROFS, "open", "mount"),
        (errno.EACCES, "open", "rights"),
        (errno.EBUSY, "replace", "mount"),
    ],
)
def test_what_the_system_refuses_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int, call: str, obstacle: str
) -> None:
    """The answers of a read-only file system cannot be had without rights to mount one."""

    class Refusing:
        def __getattr__(self, name: str) -> Any:
            return getattr(os, name)

        def open(self, name: Any, flags: int, **options: Any) -> int:
            if call == "open" and flags & os.O_CREAT:
                raise OSError(number, "refused")
            return os.open(name, flags, **options)

        def replace(self, *names: Any, **options: Any) -> None:
            raise OSError(number, "refused")

    monkeypatch.setattr(module, "os", Refusing())
    with pytest.raises(NotChangeable) as caught:
        change_file(path, lambda _: NEW)
    assert caught.value.obstacle == obstacle
    assert path.read_bytes() == OLD
    assert os.listdir(path.parent) == ["understudy.yaml"]


def test_a_full_disk_is_an_error_and_no_obstacle(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __getattr__(self, name: str) -> Any:
            return getattr(os, name)

        def fsync(self, _: int) -> None:
            raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(module, "os", Full())
    with pytest.raises(OSError, match="full"):
        change_file(path, lambda _: NEW)
    assert path.read_bytes() == OLD
    assert os.listdir(path.parent) == ["understudy.yaml"]

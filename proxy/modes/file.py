"""Change a file so that it is the old one or the new one, whole, at every moment.

The new content is written beside the file, made durable, and put in its place in one step. Whoever is killed
on the way leaves the old file, and beside it perhaps the half of a new one, which the next change
overwrites. Two who change one file at once take turns.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from proxy.errors import UnderstudyError

Obstacle: TypeAlias = Literal["configmap", "mount", "rights"]

_OBSTACLES: dict[int, Obstacle] = {
    errno.EROFS: "mount",
    # A single file that is mounted by itself cannot be replaced, only its content can.
    errno.EBUSY: "mount",
    errno.EACCES: "rights",
    errno.EPERM: "rights",
}


@dataclass(frozen=True, slots=True)
class Change:
    """The content of a file before and after."""

    before: bytes
    after: bytes


class NotChangeable(UnderstudyError):
    """The file cannot be changed from here: it is part of a ConfigMap, mounted read-only, or not ours."""

    def __init__(self, obstacle: Obstacle, change: Change) -> None:
        super().__init__(obstacle)
        self.obstacle = obstacle
        self.change = change


def change_file(path: Path, edit: Callable[[bytes], bytes]) -> Change:
    """Replace the content of ``path`` by what ``edit`` makes of it; what it raises leaves the file alone.

    A symbolic link stays one. Raises ``NotChangeable``, with the change that was wanted, and ``OSError``.
    """
    target = path.resolve(strict=True)
    with _turn(target.parent) as directory:
        before = target.read_bytes()
        change = Change(before, edit(before))
        if change.after == before:
            return change
        if _is_config_map(target):
            raise NotChangeable("configmap", change)
        try:
            _replace(target.name, directory, change.after)
        except OSError as error:
            obstacle = _OBSTACLES.get(error.errno or 0)
            if obstacle is None:
                raise
            raise NotChangeable(obstacle, change) from error
    return change


def _is_config_map(target: Path) -> bool:
    """Whether ``target`` lies in a folder that Kubernetes swaps as a whole: ``..2026_11_26_10_00_00.123``."""
    return any(part.startswith("..") for part in target.parent.parts)


@contextlib.contextmanager
def _turn(folder: Path) -> Iterator[int]:
    """The folder, while no other process changes files in it by this way."""
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield directory
    finally:
        os.close(directory)


def _replace(name: str, directory: int, content: bytes) -> None:
    old = os.stat(name, dir_fd=directory)
    new = f".{name}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    file = os.open(new, flags, mode=0o600, dir_fd=directory)
    try:
        with open(file, "wb") as writer:
            with contextlib.suppress(PermissionError):
                os.fchown(file, old.st_uid, old.st_gid)
            os.fchmod(file, old.st_mode & 0o7777)
            writer.write(content)
            writer.flush()
            os.fsync(file)
        os.replace(new, name, src_dir_fd=directory, dst_dir_fd=directory)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(new, dir_fd=directory)
        raise
    os.fsync(directory)

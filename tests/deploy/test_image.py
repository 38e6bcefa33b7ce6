"""The Dockerfile: clean, and what it copies is there."""

import fnmatch
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.deploy import DEPLOY, HINT, ROOT

DOCKERFILE = DEPLOY / "Dockerfile"


def instructions(name: str) -> list[list[str]]:
    """The arguments of every instruction of this name, continued lines joined."""
    text = DOCKERFILE.read_text(encoding="utf-8").replace("\\\n", " ")
    return [line.split()[1:] for line in text.splitlines() if line.startswith(f"{name} ")]


def test_the_linter_finds_nothing() -> None:
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin")
    if hadolint is None:
        pytest.skip(f"hadolint {HINT}")
    told = subprocess.run(
        [hadolint, "--no-color", str(DOCKERFILE)], capture_output=True, text=True, check=False
    )
    assert (told.stdout, told.returncode) == ("", 0)


def test_what_is_copied_is_there_and_not_ignored() -> None:
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").split("\n")
    kept = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    sources = [
        source
        for arguments in instructions("COPY")
        if not arguments[0].startswith("--from")
        for source in arguments[:-1]
    ]
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(fnmatch.fnmatch(source, pattern) for pattern in kept), source


def test_both_stages_have_the_interpreter_that_the_package_needs() -> None:
    assert [arguments[0] for arguments in instructions("FROM")] == ["python:${PYTHON}"] * 2
    ((default,),) = instructions("ARG")
    major, minor = default.removeprefix("PYTHON=").split("-")[0].split(".")
    assert (int(major), int(minor)) >= (3, 11)


def test_it_does_not_run_as_root_and_runs_no_shell() -> None:
    assert instructions("USER") == [["65532:65532"]]
    for name in ("ENTRYPOINT", "CMD"):
        assert all(arguments[0].startswith("[") for arguments in instructions(name))
    ((*_, command),) = [" ".join(arguments).split("CMD ") for arguments in instructions("HEALTHCHECK")]
    assert command.startswith('["python", "-c", ')


def test_the_wheel_that_it_installs_has_the_whole_package_and_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("setuptools", minversion="77", reason=f"setuptools {HINT}")
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "proxy", source / "proxy", ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", str(tmp_path), str(source)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
    package = (ROOT / "proxy").rglob("*")
    assert found == {
        path.relative_to(ROOT).as_posix()
        for path in package
        if path.is_file() and "__pycache__" not in path.parts
    }

"""The features of ``@supabase/postgrest-js`` against ``understudy engine``, where Node.js is."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e import programs

SCRIPT = Path(__file__).parent / "js"


@pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node.js and npm")
def test_every_feature_works(directory: Path, engine_settings: dict[str, str], tmp_path: Path) -> None:
    shutil.copytree(SCRIPT, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    _run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"], tmp_path, "")
    with programs.postgrest((*programs.PROXY, "engine"), directory, engine_settings) as running:
        _run(["node", "--test", "."], tmp_path, running.url)


def _run(command: list[str], directory: Path, url: str) -> None:
    ended = subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, "SERVER_URL": url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr

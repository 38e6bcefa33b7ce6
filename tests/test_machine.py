"""What control groups say of processors and memory; /sys/fs/cgroup as it looks in various places."""

import os
from pathlib import Path

import pytest

from proxy.machine import count_processors, read_memory_limit


@pytest.fixture(autouse=True)
def many_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8), raising=False)


def write(directory: Path, **files: str) -> tuple[Path, Path]:
    """The groups, and in which one this process is; a file's name has `__` for slashes and `_` for dots."""
    for name, text in files.items():
        file = directory / name.replace("__", "/").replace("_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    return directory / "groups", directory / "own"


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("max 100000", 8),
        ("200000 100000", 2),
        ("150000 100000", 1),
        ("50000 100000", 1),
        ("9900000 100000", 8),
        ("nonsense", 8),
        ("", 8),
        ("100000 0", 8),
    ],
)
def test_a_quota_gives_whole_processors_and_one_at_least(quota: str, expected: int, tmp_path: Path) -> None:
    assert count_processors(*write(tmp_path, own="0::/", groups__cpu_max=quota)) == expected


def test_a_group_is_limited_by_those_it_is_in(tmp_path: Path) -> None:
    places = write(
        tmp_path,
        own="1:name=systemd:/x\n0::/pods/one",
        groups__pods__one__cpu_max="max 100000",
        groups__pods__cpu_max="300000 100000",
        groups__pods__one__memory_max="900000000",
        groups__pods__memory_max="max",
        groups__memory_max="800000000",
    )
    assert count_processors(*places) == 3
    assert read_memory_limit(*places) == 800000000


def test_the_older_kind_of_groups_is_read_too(tmp_path: Path) -> None:
    directory = tmp_path / "groups"
    for place, text in {
        "cpu/cpu.cfs_quota_us": "200000",
        "cpu/cpu.cfs_period_us": "100000",
        "memory/memory.limit_in_bytes": "536870912",
    }.items():
        (directory / place).parent.mkdir(parents=True, exist_ok=True)
        (directory / place).write_text(text)
    own = tmp_path / "own"
    own.write_text("4:memory:/\n1:cpu:/\n")
    assert (count_processors(directory, own), read_memory_limit(directory, own)) == (2, 536870912)
    (directory / "cpu/cpu.cfs_quota_us").write_text("-1")
    assert count_processors(directory, own) == 8


def test_where_there_are_no_groups_nothing_is_limited(tmp_path: Path) -> None:
    assert count_processors(tmp_path / "none", tmp_path / "none") == 8
    assert read_memory_limit(tmp_path / "none", tmp_path / "none") == float("inf")

"""Files that are read while requests are served: only what has an end, and only so much of it."""

import os
import threading
from pathlib import Path

import pytest

from proxy.files import LARGEST, read_file


def test_the_content_is_given(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"a: 1\n")
    (tmp_path / "link").symlink_to(file)
    assert read_file(tmp_path / "link") == b"a: 1\n"


def test_a_pipe_in_which_nobody_writes_holds_up_nobody(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    problems: list[OSError] = []

    def read() -> None:
        try:
            read_file(pipe)
        except OSError as error:
            problems.append(error)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(10)
    assert [error.strerror for error in problems] == ["It is no regular file"]


def test_what_has_no_end_is_refused() -> None:
    with pytest.raises(OSError, match="no regular file"):
        read_file(Path("/dev/zero"))


def test_a_directory_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        read_file(tmp_path)


def test_a_file_is_taken_up_to_the_limit_and_not_beyond(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"#" * LARGEST)
    assert len(read_file(file)) == LARGEST
    # A hole: nothing is on the disk, and all of it would be in memory.
    os.truncate(file, 2**40)
    with pytest.raises(OSError, match="larger than"):
        read_file(file)

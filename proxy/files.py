"""Files that are read again and again while requests are served."""

import errno
import os
import stat
from pathlib import Path

LARGEST = 1024 * 1024
"""Bytes of a file, as many as a ConfigMap holds: a larger one is a mistake, and would take long to parse."""


def read_file(path: Path) -> bytes:
    """The content of the file at ``path``. Raises OSError, also for what is no file, and for a large one.

    What is no regular file might never be read to its end, or never begin: nobody could end the thread that
    tries it, nor the process.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(kind):
            raise OSError(errno.EINVAL, "It is no regular file")
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise OSError(errno.EFBIG, f"It is larger than {LARGEST} bytes")
    return content

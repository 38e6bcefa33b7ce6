"""How many clients each of several processes has that take them from one socket, in memory that they share.

Whoever wakes first would take most of those that come at once, and serve them slower than the others could.
"""

import mmap
import os
import sys
import tempfile
from array import array

NOBODY = 2**31 - 1
"""The clients of a seat where nobody takes any."""

SLACK = 1


class Seat:
    """The seat of this process among those that have inherited ``file``, by its number."""

    def __init__(self, file: int, number: int) -> None:
        self._clients: memoryview[int] = memoryview(mmap.mmap(file, 0)).cast("i")
        self._number = number

    @property
    def has_room(self) -> bool:
        """Whether no other process has fewer clients, but for one or so: that evens out by itself."""
        return self._clients[self._number] <= min(self._clients) + SLACK

    def note(self, clients: int) -> None:
        """Say how many clients there are here."""
        self._clients[self._number] = clients

    def expect(self) -> None:
        """Say that there will be one more."""
        self._clients[self._number] += 1

    def leave(self) -> None:
        """Say that none is taken here any more."""
        self.note(NOBODY)


class Seats:
    """So many seats, in an unnamed ``file`` for other processes to inherit, until ``close``."""

    def __init__(self, number: int) -> None:
        self.file = _make_file()
        os.write(self.file, array("i", [NOBODY] * number).tobytes())

    def vacate(self, number: int) -> None:
        """Say that the process which had this seat is gone."""
        Seat(self.file, number).leave()

    def close(self) -> None:
        """Let go of the file; who has inherited it keeps it."""
        os.close(self.file)


def _make_file() -> int:
    if sys.platform == "linux":
        # Containers may have no directory that can be written to.
        return os.memfd_create("seats")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())

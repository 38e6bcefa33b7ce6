"""Which reads are evidence of their own: one that repeats another shortly before says nothing new.

A client that polls one address a million times is not a million observations. What is estimated from counts
has to be estimated from those that are fresh.
"""

from collections.abc import Hashable

WINDOW = 60.0
MAX_REMEMBERED = 50_000


class Freshness:
    """Remembers what was asked in the last one to two windows, in bounds.

    When there is no room left for the window, nothing counts as fresh: too little evidence, never too much.
    """

    def __init__(self, window: float = WINDOW, most: int = MAX_REMEMBERED) -> None:
        self._window = window
        self._most = most
        self._began = 0.0
        self._now: set[int] = set()
        self._before: set[int] = set()

    def note(self, asked: Hashable, now: float) -> bool:
        """Whether ``asked`` is fresh at ``now``, which is in seconds; from then on it is not."""
        if now - self._began >= self._window:
            self._before = self._now if now - self._began < 2 * self._window else set()
            self._now, self._began = set(), now
        key = hash(asked)
        if key in self._now or len(self._now) >= self._most:
            return False
        self._now.add(key)
        return key not in self._before

"""What is remembered by key, in a bounded space: what was used least lately is forgotten first."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

_SHARE = 64
"""What takes more than this part of the space is not kept: it would drive out too much else."""


class Memory(Generic[Key, Value]):
    """Values by key. ``weigh`` tells how much space an entry takes, of which there is ``space``.

    ``lookups`` and ``hits`` count since the start. What is in it changes how long an answer takes, never
    the answer.
    """

    def __init__(self, space: int, weigh: Callable[[Key, Value], int]) -> None:
        self._space = space
        self._weigh = weigh
        self._entries: OrderedDict[Key, Value] = OrderedDict()
        self.used = 0
        self.lookups = 0
        self.hits = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key) -> Value | None:
        """The value of ``key`` if it is remembered."""
        self.lookups += 1
        value = self._entries.get(key)
        if value is not None:
            self.hits += 1
            self._entries.move_to_end(key)
        return value

    def put(self, key: Key, value: Value) -> None:
        """Remember ``value``, unless it is too large for that."""
        weight = self._weigh(key, value)
        if weight > self._space // _SHARE or key in self._entries:
            return
        self._entries[key] = value
        self.used += weight
        while self.used > self._space:
            self.used -= self._weigh(*self._entries.popitem(last=False))

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self.used = 0

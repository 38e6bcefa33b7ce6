"""What was used last, kept as far as there is room for it."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


class LastUsed(Generic[_Key, _Value]):
    """A mapping whose values have sizes, of ``room`` in all; what was used longest ago makes room for others.

    The newest is kept whatever its size.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._taken = 0
        self._kept: OrderedDict[_Key, tuple[_Value, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, key: _Key) -> _Value:
        """The value of ``key``, which is used by that. Raises KeyError."""
        value, _ = self._kept[key]
        self._kept.move_to_end(key)
        return value

    def put(self, key: _Key, value: _Value, size: int = 1) -> list[_Value]:
        """Keep ``value``; gives those that had to go for it."""
        self.drop(key)
        self._kept[key] = value, size
        self._taken += size
        gone = []
        while self._taken > self._room and len(self._kept) > 1:
            _, (old, freed) = self._kept.popitem(last=False)
            self._taken -= freed
            gone.append(old)
        return gone

    def drop(self, key: _Key) -> None:
        """Keep it no longer; it need not be there."""
        _, size = self._kept.pop(key, (None, 0))
        self._taken -= size

    def clear(self) -> list[_Value]:
        """Keep nothing; gives what was kept."""
        gone = [value for value, _ in self._kept.values()]
        self._kept.clear()
        self._taken = 0
        return gone

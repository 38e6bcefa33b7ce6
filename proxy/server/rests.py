"""Shapes of requests that are left alone for a while."""

from proxy.database.last_used import LastUsed

MOST_SHAPES = 1000


class Rests:
    """Until when each shape rests. Times are seconds that only grow; of the newest thousand it is known.

    False when none rests, so that nobody has to read a shape to ask for it.
    """

    def __init__(self) -> None:
        self._until: LastUsed[str, float] = LastUsed(MOST_SHAPES)

    def __bool__(self) -> bool:
        return len(self._until) > 0

    def begin(self, shape: str, until: float) -> None:
        """Let ``shape`` rest."""
        self._until.put(shape, until)

    def has(self, shape: str, now: float) -> bool:
        """Whether ``shape`` rests at ``now``."""
        try:
            rests = now < self._until[shape]
        except KeyError:
            return False
        if not rests:
            self._until.drop(shape)
        return rests

"""Remember the newest disagreements, without the values in them: where answers differed, not how."""

from collections import deque
from dataclasses import dataclass

from proxy.events import Event, Judged, Rehearsed
from proxy.shadow.shape import read_line_shape

KEPT = 50


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One read, or rehearsed write, that was judged a mismatch or failed.

    ``paths`` say where, by aspect and JSON path.
    """

    table: str
    verdict: str
    shape: str
    paths: tuple[str, ...]
    detail: str


class Recent:
    """A listener that keeps the newest disagreements."""

    def __init__(self) -> None:
        self._kept: deque[Disagreement] = deque(maxlen=KEPT)

    def listen(self, event: Event) -> None:
        """Keep ``event`` if two answers disagreed, or the engine failed to give one."""
        if isinstance(event, Judged | Rehearsed) and event.verdict in ("mismatch", "failed"):
            paths = tuple(
                f"{difference.aspect} {difference.path}".strip() for difference in event.differences
            )
            shape = read_line_shape(event.request_line)
            self._kept.append(Disagreement(event.table, event.verdict, shape, paths, event.detail))

    def report(self) -> tuple[Disagreement, ...]:
        """The disagreements kept, oldest first."""
        return tuple(self._kept)

"""Remember the newest disagreements, without the values in them: where answers differed, not how."""

from collections import deque
from dataclasses import dataclass

from proxy.events import Judged, Listener, Rehearsed
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


class Recent(Listener):
    """A listener that keeps the newest disagreements."""

    def __init__(self) -> None:
        super().__init__(dict.fromkeys((Judged, Rehearsed), self._keep))
        self._kept: deque[Disagreement] = deque(maxlen=KEPT)

    def _keep(self, event: Judged | Rehearsed) -> None:
        """Keep ``event`` if two answers disagreed, or the engine failed to give one."""
        if event.verdict in ("mismatch", "failed"):
            paths = tuple(
                f"{difference.aspect} {difference.path}".strip() for difference in event.differences
            )
            shape = read_line_shape(event.request_line)
            self._kept.append(Disagreement(event.table, event.verdict, shape, paths, event.detail))

    def report(self) -> tuple[Disagreement, ...]:
        """The disagreements kept, oldest first."""
        return tuple(self._kept)

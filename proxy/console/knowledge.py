"""What the ledger knows of tables, as whoever promotes them asks it."""

from collections.abc import Callable
from functools import partial

from proxy.config import Config
from proxy.console.sources import Result, ask_ledger
from proxy.errors import UnderstudyError
from proxy.ledger.database import Work
from proxy.ledger.holds import list_holds, note_change
from proxy.ledger.judging import gather_evidence
from proxy.modes.switch import Changed
from proxy.shadow.guard import Hold
from proxy.shadow.readiness import Readiness, judge_readiness


class LedgerKnowledge:
    """The knowledge in the ledger of ``config``. ``say`` is told when it cannot be asked.

    ``wall_clock`` gives seconds since 1970.
    """

    def __init__(self, config: Config, say: Callable[[str], None], wall_clock: Callable[[], float]) -> None:
        self._config = config
        self._say = say
        self._wall_clock = wall_clock

    def judge(self, table: str) -> Readiness | None:
        """The judgement on a table; None when there is no evidence to be had."""
        evidence = (self._ask(gather_evidence) or {}).get(table)
        if evidence is None:
            return None
        return judge_readiness(evidence, self._config.readiness, self._wall_clock())

    def find_hold(self, table: str) -> Hold | None:
        """The hold on a table, if there is one. Unknown ones hold all the same: the proxies know them."""
        return (self._ask(list_holds) or {}).get(table)

    def record(self, change: Changed) -> None:
        """Write ``change`` down among the mode changes."""
        note = partial(
            note_change,
            table=change.table,
            before=change.before,
            after=change.after,
            who=change.who,
            why=change.why,
            now=self._wall_clock(),
        )
        self._ask(note, writes=True)

    def _ask(self, work: Work[Result], *, writes: bool = False) -> Result | None:
        try:
            return ask_ledger(self._config, work, writes=writes)
        except UnderstudyError as error:
            self._say(str(error))
            return None

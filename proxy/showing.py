"""What is in force, shown to operators whenever it may have changed."""

from collections.abc import Mapping
from datetime import date

from proxy.events import (
    ConfigReloaded,
    Emit,
    Held,
    Listener,
    Rearmed,
    RehearsalRefused,
    RuleExpired,
    SchemaLoaded,
)
from proxy.operate.metrics import Metrics
from proxy.operate.rules import is_expired
from proxy.server.state import State
from proxy.shadow.policy import TableModes, list_modes


class Showing(Listener):
    """Shows the modes and rules in force in ``metrics``, and tells which of them are not carried out."""

    def __init__(self, state: State, metrics: Metrics, emit: Emit) -> None:
        super().__init__(
            {
                SchemaLoaded: self._note_schema,
                ConfigReloaded: self._note_config,
                Held: self._note_hold,
                Rearmed: self._note_hold,
            }
        )
        self._state = state
        self._metrics = metrics
        self._emit = emit
        self._refused: Mapping[str, tuple[str, ...]] = {}

    def list_modes(self) -> tuple[TableModes, ...]:
        """The modes in force of everything; see ``proxy.shadow.policy``."""
        snapshot = self._state.current
        return list_modes(snapshot.config, snapshot.names, snapshot.holds)

    def _note_schema(self, loaded: SchemaLoaded) -> None:
        if loaded.accepted:
            self._show_modes()

    def _note_config(self, reloaded: ConfigReloaded) -> None:
        if not reloaded.accepted:
            return
        self._show_modes()
        rules = self._state.current.config.compare.ignore
        self._metrics.set_rules(rule.name for rule in rules)
        for rule in rules:
            if is_expired(rule, date.today()):
                self._emit(RuleExpired(rule.name, rule.expires.isoformat()))

    def _note_hold(self, _: Held | Rearmed) -> None:
        self._metrics.set_tables(self.list_modes())

    def _show_modes(self) -> None:
        modes = self.list_modes()
        self._metrics.set_tables(modes)
        refused = {table.table: table.hazards for table in modes if table.hazards}
        for table, hazards in refused.items() - self._refused.items():
            self._emit(RehearsalRefused(table, hazards))
        self._refused = refused

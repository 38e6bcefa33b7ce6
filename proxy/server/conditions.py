"""On what the evidence of each table depends now: its schema, the rules, and the versions of both sides."""

from collections.abc import Callable
from datetime import date

from proxy.config import IgnoreRule
from proxy.engine.fingerprint import fingerprint_function, fingerprint_relation
from proxy.engine.schema import Schema
from proxy.server.state import Snapshot, State
from proxy.shadow.evidence import Conditions, digest
from proxy.shadow.names import Names
from proxy.shadow.subject import Subject, is_meant, label_subject, list_subjects

MAX_UPSTREAMS = 100
"""Versions of the upstream that are told apart, for they are whatever it says; further ones count as one."""


class ConditionsInForce:
    """Finds the conditions by table; what a snapshot gives is worked out once per table."""

    def __init__(self, state: State, version: str, today: Callable[[], date] = date.today) -> None:
        """``version`` is that of this program; ``today`` gives the day by which rules expire."""
        self._state = state
        self._version = version
        self._today = today
        self._rules: tuple[IgnoreRule, ...] = ()
        self._schema: Schema | None = None
        self._compat = ""
        self._subjects: dict[str, Subject] = {}
        self._known: dict[tuple[str, str], Conditions] = {}
        self._upstream = ""

    def find(self, table: str, upstream: str) -> Conditions:
        """Those of ``table``, a metric label, for an answer of an upstream that says it is ``upstream``.

        Where it says nothing, as when it did not answer, it is taken for the one that last said what it is.
        """
        self._upstream = upstream = upstream or self._upstream
        snapshot = self._state.current
        schema = None if snapshot.engine is None else snapshot.engine.schema
        compat, compare = snapshot.config.engine.compat, snapshot.config.compare
        rules = tuple(rule for rule in compare.ignore if self._today() <= rule.expires)
        if schema is not self._schema or (compat, rules) != (self._compat, self._rules):
            self._schema, self._compat, self._rules = schema, compat, rules
            subjects = list_subjects(snapshot.names)
            self._subjects = {label_subject(subject, snapshot.names): subject for subject in subjects}
            self._known.clear()
        found = self._known.get((table, upstream))
        if found is None:
            found = self._make(table, upstream, snapshot)
        return found

    def _make(self, table: str, upstream: str, snapshot: Snapshot) -> Conditions:
        if len({known for _, known in self._known} | {upstream}) > MAX_UPSTREAMS:
            upstream = "?"
        compat = snapshot.config.engine.compat
        engine = f"{self._version} compat {compat}"
        subject = self._subjects.get(table)
        schema = "" if subject is None or self._schema is None else _fingerprint(self._schema, subject)
        found = Conditions(schema, engine, upstream[:100], self._describe_rules(subject, snapshot.names))
        self._known[table, upstream] = found
        return found

    def _describe_rules(self, subject: Subject | None, names: Names) -> str:
        """The rules in force for ``subject``."""
        if subject is None:
            return ""
        names_of = sorted(
            rule.name
            for rule in self._rules
            if is_meant(rule.function if subject.function else rule.table, subject, names)
        )
        return digest(*names_of) if names_of else ""


def _fingerprint(schema: Schema, subject: Subject) -> str:
    name = (subject.schema, subject.name)
    return fingerprint_function(schema, name) if subject.function else fingerprint_relation(schema, name)

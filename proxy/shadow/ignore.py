"""What is left out of a comparison on purpose: members of rows, and headers, each by a rule with a name.

A member is taken out of both answers before they are compared, so that what is left is compared as ever.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from proxy.config import IgnoreRule
from proxy.config.paths import Steps, read_steps
from proxy.difference import Difference
from proxy.shadow.names import Names
from proxy.shadow.subject import Subject, is_meant
from proxy.shadow.tokens import Token


@dataclass(frozen=True, slots=True)
class Ignored:
    """One rule: the member at ``steps`` or the ``header`` (lower case) is not compared."""

    rule: str
    steps: Steps = ()
    header: str = ""


@dataclass(frozen=True, slots=True)
class Ignoring:
    """The rules that apply to one comparison."""

    rules: tuple[Ignored, ...] = ()

    def hide(self, value: Token) -> Token:
        """``value``, rows or one row, without the members that are not compared."""
        for rule in self.rules:
            if rule.steps:
                value = _take_out_of_rows(value, rule.steps, [])
        return value

    def find_hits(self, upstream: Token, engine: Token) -> set[str]:
        """The rules whose members differ."""
        hits = set()
        for rule in self.rules:
            if rule.steps:
                one: list[str] = []
                other: list[str] = []
                _take_out_of_rows(upstream, rule.steps, one)
                _take_out_of_rows(engine, rule.steps, other)
                if sorted(one) != sorted(other):
                    hits.add(rule.rule)
        return hits

    def split_headers(self, differences: Iterable[Difference]) -> tuple[list[Difference], set[str]]:
        """The differences between headers that remain, and the rules that took the others out."""
        by_header = {rule.header: rule.rule for rule in self.rules if rule.header}
        remaining, hits = [], set()
        for difference in differences:
            if difference.path in by_header:
                hits.add(by_header[difference.path])
            else:
                remaining.append(difference)
        return remaining, hits


NOTHING = Ignoring()


def select_rules(
    rules: Iterable[IgnoreRule], subject: Subject | None, names: Names, shape: str, today: date
) -> Ignoring:
    """Those of ``rules`` that apply to a request for ``subject`` of that ``shape``; none that has expired."""
    return Ignoring(
        tuple(
            Ignored(rule.name, read_steps(rule.path) if rule.path else (), (rule.header or "").lower())
            for rule in rules
            if subject is not None
            and today <= rule.expires
            and rule.shape in (None, shape)
            and is_meant(rule.function if subject.function else rule.table, subject, names)
        )
    )


def _take_out_of_rows(value: Token, steps: Steps, taken: list[str]) -> Token:
    if isinstance(value, list):
        return [_take_out(row, steps, taken) for row in value]
    return _take_out(value, steps, taken)


def _take_out(value: Token, steps: Steps, taken: list[str]) -> Token:
    name, *rest = steps
    if not name:
        return [_take_out(item, tuple(rest), taken) for item in value] if isinstance(value, list) else value
    if not isinstance(value, tuple):
        return value
    if not rest:
        taken.extend(repr(member) for key, member in value if key == name)
        return tuple(member for member in value if member[0] != name)
    return tuple(
        (key, _take_out(member, tuple(rest), taken) if key == name else member) for key, member in value
    )

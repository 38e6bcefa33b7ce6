"""Decide, before anything is sent, which side answers a request and whether it is mirrored."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from proxy.config import Config, Rule
from proxy.events import SkipReason
from proxy.messages import READ_METHODS, Request
from proxy.shadow.names import Names, QualifiedName
from proxy.shadow.subject import Subject, find_rule, find_subject, label_subject, list_subjects

__all__ = ["Decision", "Names", "QualifiedName", "TableModes", "decide", "list_modes"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one request.

    ``table`` is the metric label. ``skip`` is None exactly when the answer of ``serve`` is to be mirrored.
    """

    table: str
    mode: str
    read: bool
    serve: Literal["upstream", "engine"]
    skip: SkipReason | None


@dataclass(frozen=True, slots=True)
class TableModes:
    """What the reads and writes of one table, or the calls of one function, do now."""

    table: str
    reads: str
    writes: str


FindTouched: TypeAlias = Callable[[Request], Iterable[QualifiedName]]
"""Gives the relations that a request touches besides its own."""

_ADVANCE = ("upstream", "shadow", "engine")


def _touch_nothing(_: Request) -> Iterable[QualifiedName]:
    return ()


def decide(
    request: Request,
    config: Config,
    names: Names,
    roll: float,
    find_touched: FindTouched = _touch_nothing,
) -> Decision:
    """Decide by the rules of ``config``; ``roll`` is uniform in [0, 100) and settles sampling.

    Of all relations that a request touches, the least advanced mode applies (the weakest link).

    Reads are GET and HEAD of anything, and POST to a function that only reads. What is not in the schema
    cache follows the defaults, so that errors are compared too. Without an upstream the engine answers
    everything; without a schema cache the upstream does.
    """
    subject = find_subject(request, names, config.engine.db_root_spec)
    table = label_subject(subject, names)
    read = request.method in READ_METHODS or (request.method == "POST" and _only_reads(subject, names))
    if config.upstream is None:
        return Decision(table, "engine", read, "engine", "mode")
    rule = find_rule(subject, config, names)
    if not read:
        return Decision(table, rule.writes, False, "upstream", "method")
    if not names.schemas:
        return Decision(table, rule.reads, True, "upstream", "no_schema")
    if config.tables and rule.reads != "upstream":
        rule = _find_weakest(rule, find_touched(request), config, names)
    match rule.reads:
        case "engine":
            return Decision(table, "engine", True, "engine", "mode")
        case "shadow":
            skip: SkipReason | None = None if roll < rule.sample else "not_sampled"
            return Decision(table, "shadow", True, "upstream", skip)
        case "upstream":
            return Decision(table, "upstream", True, "upstream", "mode")


def _find_weakest(rule: Rule, touched: Iterable[QualifiedName], config: Config, names: Names) -> Rule:
    others = (find_rule(Subject(schema, name, False), config, names) for schema, name in touched)
    return min((rule, *others), key=lambda one: _ADVANCE.index(one.reads))


def list_modes(config: Config, names: Names) -> tuple[TableModes, ...]:
    """The modes of everything in the schema cache, and at last of everything ``other``.

    What the configuration names comes first, so that whoever keeps only so many keeps those.
    """

    def modes(subject: Subject | None) -> TableModes:
        table = label_subject(subject, names)
        if config.upstream is None:
            return TableModes(table, "engine", "engine")
        rule = find_rule(subject, config, names)
        return TableModes(table, rule.reads, rule.writes)

    subjects = sorted(
        list_subjects(names), key=lambda subject: find_rule(subject, config, names) is config.defaults
    )
    return (*map(modes, subjects), modes(None))


def _only_reads(subject: Subject | None, names: Names) -> bool:
    return subject is not None and subject.function and names.functions[subject.schema, subject.name]

"""Decide, before anything is sent, which side answers a request and whether it is mirrored."""

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeAlias

from proxy.config import Config, ReadMode, Rule, WriteMode
from proxy.events import SkipReason
from proxy.messages import READ_METHODS, WRITE_METHODS, Request
from proxy.shadow.canary import is_chosen
from proxy.shadow.names import Hazards, Names, QualifiedName
from proxy.shadow.subject import Subject, find_rule, find_subject, label_subject, list_subjects

__all__ = ["Decision", "Hazards", "Names", "QualifiedName", "TableModes", "decide", "list_modes"]


Side: TypeAlias = Literal["upstream", "engine"]


class Decision(NamedTuple):
    """What becomes of one request.

    ``table`` is the metric label. ``skip`` is None exactly when the answer of ``serve`` is to be mirrored;
    ``rehearse`` says that the engine is to do a write first, and to undo it.
    """

    table: str
    mode: str
    read: bool
    serve: Side
    skip: SkipReason | None
    rehearse: bool = False


@dataclass(frozen=True, slots=True)
class TableModes:
    """What the reads and writes of one table, or the calls of one function, do now.

    ``hazards`` are the reasons why its writes are not rehearsed although they are meant to be; ``held`` says
    that a hold keeps its reads in ``shadow``, whatever the file says; ``engine_share`` is of its reads, from
    0 to 1; ``acts_outside`` that they are not mirrored, since they may act outside of the database.
    """

    table: str
    reads: str
    writes: str
    hazards: tuple[str, ...] = ()
    held: bool = False
    engine_share: float = 0.0
    acts_outside: bool = False


FindTouched: TypeAlias = Callable[[Request], Iterable[QualifiedName]]
"""Gives the relations that a request touches besides its own."""

FindClient: TypeAlias = Callable[[], bytes]
"""Says who asks, for a canary's choice; see ``proxy.shadow.canary``."""

Holds: TypeAlias = Set[str]
"""The labels of the tables that the guard has put back."""

_ADVANCE: tuple[ReadMode, ...] = ("upstream", "shadow", "canary", "engine")
_WRITE_ADVANCE: tuple[WriteMode, ...] = ("upstream", "rehearse", "engine")
_AS_WRITES: dict[ReadMode, WriteMode] = {
    "upstream": "upstream",
    "shadow": "rehearse",
    "canary": "rehearse",
    "engine": "engine",
}
"""How far a write may go whose representation reads a table that is in such a mode."""

_UNKNOWN = ("what its writes reach is not known",)


def _touch_nothing(_: Request) -> Iterable[QualifiedName]:
    return ()


def _know_nobody() -> bytes:
    return b""


def decide(
    request: Request,
    config: Config,
    names: Names,
    roll: float,
    find_touched: FindTouched = _touch_nothing,
    find_client: FindClient = _know_nobody,
    holds: Holds = frozenset(),
) -> Decision:
    """Decide by the rules of ``config``; ``roll`` is uniform in [0, 100) and settles sampling.

    Of all relations that a request touches, the least advanced mode applies (the weakest link), and of
    several canaries the smallest share. A hold puts a table back to ``shadow``, and its writes to the
    upstream; it never moves one forward.

    Reads are GET and HEAD of anything, and POST to a function that only reads. Any other POST, PATCH, PUT and
    DELETE is a write: its own relation or function counts by ``writes``, what its representation embeds by
    ``reads``. What is neither goes to the upstream. What is not in the schema cache follows the defaults, so
    that errors are compared too. Without an upstream the engine answers everything; without a schema cache
    the upstream does. A read that may act outside of the database is mirrored in no mode.
    """
    subject = find_subject(request, names, config.engine.db_root_spec)
    table = label_subject(subject, names)
    read = request.method in READ_METHODS or (request.method == "POST" and _only_reads(subject, names))
    if config.upstream is None:
        return Decision(table, "engine", read, "engine", "mode")
    rule = _find_rule_in_force(subject, config, names, holds)
    if not read:
        mode: WriteMode = "upstream"
        if request.method in WRITE_METHODS and rule.writes != "upstream":
            mode = _find_weakest_write(rule, find_touched(request), config, names, holds)
            if mode == "rehearse" and _find_hazards(subject, names):
                mode = "upstream"
        serve: Side = "engine" if mode == "engine" else "upstream"
        return Decision(table, mode, False, serve, "method", rehearse=mode == "rehearse")
    if not names.schemas:
        return Decision(table, rule.reads, True, "upstream", "no_schema")
    if (config.tables or holds) and rule.reads != "upstream":
        rule = _find_weakest(rule, find_touched(request), config, names, holds)
    decision = _decide_read(table, rule, request, roll, find_client)
    if decision.skip is not None:
        return decision
    actors = names.actors.relations
    acts = _acts(subject, names) or (actors and not actors.isdisjoint(find_touched(request)))
    return decision._replace(skip="acts_outside") if acts else decision


def _decide_read(table: str, rule: Rule, request: Request, roll: float, find_client: FindClient) -> Decision:
    skip: SkipReason | None
    match rule.reads:
        case "engine":
            # Without a share to verify nothing is sampled: that is the mode.
            skip = None if roll < rule.verify else "not_sampled" if rule.verify else "mode"
            return Decision(table, "engine", True, "engine", skip)
        case "canary":
            chosen = is_chosen(request, find_client(), rule.share)
            return Decision(table, "canary", True, "engine" if chosen else "upstream", None)
        case "shadow":
            skip = None if roll < rule.sample else "not_sampled"
            return Decision(table, "shadow", True, "upstream", skip)
        case "upstream":
            return Decision(table, "upstream", True, "upstream", "mode")


def _acts(subject: Subject | None, names: Names) -> bool:
    """Whether reading the subject may do something outside of the database."""
    if subject is None:
        return False
    known = names.actors.functions if subject.function else names.actors.relations
    return (subject.schema, subject.name) in known


def _find_rule_in_force(subject: Subject | None, config: Config, names: Names, holds: Holds) -> Rule:
    """The rule for ``subject``, less what a hold takes back."""
    rule = find_rule(subject, config, names)
    if not holds or label_subject(subject, names) not in holds:
        return rule
    reads = min(rule.reads, "shadow", key=_ADVANCE.index)
    return replace(rule, reads=reads, writes="upstream")


def _find_weakest(
    rule: Rule, touched: Iterable[QualifiedName], config: Config, names: Names, holds: Holds
) -> Rule:
    return min((rule, *_find_others(touched, config, names, holds)), key=_find_advance)


def _find_advance(rule: Rule) -> tuple[int, float]:
    return _ADVANCE.index(rule.reads), rule.share if rule.reads == "canary" else 0.0


def _find_weakest_write(
    rule: Rule, touched: Iterable[QualifiedName], config: Config, names: Names, holds: Holds
) -> WriteMode:
    """What is read for the representation counts as far as its reads have come."""
    others = (_AS_WRITES[one.reads] for one in _find_others(touched, config, names, holds))
    return min((rule.writes, *others), key=_WRITE_ADVANCE.index)


def _find_others(
    touched: Iterable[QualifiedName], config: Config, names: Names, holds: Holds
) -> Iterable[Rule]:
    return (_find_rule_in_force(Subject(schema, name), config, names, holds) for schema, name in touched)


def _find_hazards(subject: Subject | None, names: Names) -> tuple[str, ...]:
    """Why the subject must not be rehearsed. What is not in the schema cache the engine cannot write."""
    if subject is None:
        return ()
    known = names.hazards.functions if subject.function else names.hazards.relations
    return known.get((subject.schema, subject.name), _UNKNOWN)


def list_modes(config: Config, names: Names, holds: Holds = frozenset()) -> tuple[TableModes, ...]:
    """The modes of everything in the schema cache, and at last of everything ``other``.

    What the configuration names comes first, so that whoever keeps only so many keeps those.
    """

    def modes(subject: Subject | None) -> TableModes:
        table = label_subject(subject, names)
        if config.upstream is None:
            return TableModes(table, "engine", "engine", engine_share=1.0)
        rule = _find_rule_in_force(subject, config, names, holds)
        hazards = _find_hazards(subject, names) if rule.writes == "rehearse" else ()
        writes = "upstream" if hazards else rule.writes
        share = 1.0 if rule.reads == "engine" else rule.share / 100 if rule.reads == "canary" else 0.0
        acts = _acts(subject, names)
        return TableModes(table, rule.reads, writes, hazards, table in holds, share, acts)

    subjects = sorted(
        list_subjects(names), key=lambda subject: find_rule(subject, config, names) is config.defaults
    )
    return (*map(modes, subjects), modes(None))


def _only_reads(subject: Subject | None, names: Names) -> bool:
    return subject is not None and subject.function and names.functions[subject.schema, subject.name]

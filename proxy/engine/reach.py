"""What a request reaches besides its own rows: triggers, cascades, partitions, functions that call others.

A rehearsal is undone by a rollback, so what a rollback does not undo must not be reached. That is judged
from what the catalog holds: the languages of functions, and the text of those in SQL and PL/pgSQL. Names
in a text count whatever they stand for, so that more is taken to be reached than is; what cannot be read
counts as reaching outside. What PostgreSQL undoes is no hazard: NOTIFY, settings, ``pg_advisory_xact_lock``;
nor are the gaps that ``nextval`` leaves.

A mirrored read is done twice. What acts outside of the database, where no READ ONLY binds it, must not be.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, TypeAlias, TypeVar

from proxy.engine.schema import QualifiedName

Oid: TypeAlias = int
TriggerEvent: TypeAlias = Literal["insert", "update", "delete"]
Reasons: TypeAlias = Mapping[QualifiedName, tuple[str, ...]]

MAX_REASONS = 5
READ_LANGUAGES = frozenset({"sql", "plpgsql"})
COMPILED = frozenset({"c", "internal"})
"""Languages of extensions, which compute for the most part: of these, names tell who acts outside."""

COMPUTING_EXTENSIONS = frozenset(
    {"autoinc", "btree_gin", "btree_gist", "citext", "cube", "earthdistance", "fuzzystrmatch", "hstore"}
    | {"insert_username", "intarray", "isn", "lo", "ltree", "moddatetime", "pg_trgm", "pgcrypto", "postgis"}
    | {"refint", "seg", "tablefunc", "tcn", "unaccent", "uuid-ossp", "vector"}
)
"""Extensions in C whose functions compute, or change rows, and do nothing else."""

_ACTS_OUTSIDE = re.compile(
    r"dblink.*|https?_.*|http|lo_export|pg_(?:file|write|background)_.*|pg_logical_emit_message"
    r"|pg_(?:create|drop|copy)_(?:physical|logical|restore|replication).*|pg_(?:terminate|cancel)_backend"
    r"|pg_(?:reload_conf|rotate_logfile|switch_wal|promote)|pg_stat_reset.*|pg_replication_.*"
)
"""Functions whose effect lies outside of the database, or of every transaction."""

_BUILT_IN = ("pg_", "lo_")
"""How names begin that PostgreSQL finds first in its own schema."""

_OUTLIVES = re.compile(
    r"lo_import|pg_(?:read|ls|logical)_.*|pg_export_snapshot|postgres_fdw_.*"
    r"|pg_(?:try_)?advisory_lock(?:_shared)?|pg_advisory_unlock.*|setval"
)
"""Further functions whose effect outlives a rollback, or that read what lies outside."""

_RUNS_TEXT = re.compile(r"(?:query|cursor|table|schema|database)_to_xml.*|ts_stat|ts_rewrite")
"""Functions that run what a text says, or read what it names."""

_LITERALS = re.compile(
    r"--[^\n]*|/\*.*?\*/|(\$(?:[^\W\d]\w*)?\$).*?\1|\bE'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'",
    re.DOTALL | re.IGNORECASE,
)
_COPIES = re.compile(r"\bcopy\b[^;]*\b(?:from|to)\b", re.IGNORECASE)
_RUNS_STATEMENT = re.compile(
    r"\bexecute\b(?!\s+(?:function|procedure)\b)|\bdo\s+(?:'|language\b)", re.IGNORECASE
)
_NAME = re.compile(r'("(?:[^"]|"")+"|[^\W\d][\w$]*)(\s*\()?')


@dataclass(frozen=True, slots=True)
class Routine:
    """A function or procedure that is not built in. ``extension`` is the one it belongs to, if any."""

    schema: str
    name: str
    language: str
    trusted: bool
    body: str
    extension: str | None = None


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger that is not PostgreSQL's own. ``before``: it may change the row that is written."""

    routine: Oid
    before: bool
    events: frozenset[TriggerEvent]


@dataclass(frozen=True, slots=True)
class ReachedRelation:
    """A relation as far as writing it matters.

    ``texts`` are the expressions and rules that a write runs. Its rows may be those of ``shares``:
    partitions, parents, what it is a view of. ``cascades`` are what a foreign key changes with it. ``made``
    are the columns that PostgreSQL fills by itself: identities and generated ones.
    """

    foreign: bool = False
    triggers: tuple[Trigger, ...] = ()
    shares: frozenset[QualifiedName] = frozenset()
    cascades: frozenset[QualifiedName] = frozenset()
    texts: tuple[str, ...] = ()
    made: frozenset[str] = frozenset()


Place: TypeAlias = QualifiedName | Oid
"""A relation by its name, or a routine, whose name may stand for several, by its oid."""


@dataclass(frozen=True, slots=True)
class Reach:
    """All relations and routines that are not PostgreSQL's own. Empty: nothing is known."""

    relations: Mapping[QualifiedName, ReachedRelation] = field(default_factory=lambda: MappingProxyType({}))
    routines: Mapping[Oid, Routine] = field(default_factory=lambda: MappingProxyType({}))

    def companions(self, name: QualifiedName) -> frozenset[QualifiedName]:
        """The relations whose rows may be those of ``name``, or may change with them; itself included."""
        waiting = [name]
        seen = {name}
        for place in waiting:
            relation = self.relations.get(place)
            if relation is not None:
                beside = (relation.shares | relation.cascades) - seen
                waiting += beside
                seen |= beside
        return frozenset(seen)


@dataclass(frozen=True, slots=True)
class _Node:
    """What is wrong with a relation or routine itself, and where it leads; a write also to what it ``fires``.

    ``acts``: it does something outside of the database, read or written.
    """

    reasons: tuple[str, ...] = ()
    leads_to: frozenset[Place] = frozenset()
    fires: frozenset[Place] = frozenset()
    acts: bool = False


def find_hazards(reach: Reach, pre_request: str | None = None) -> tuple[Reasons, Reasons]:
    """Why each relation, and each function, must not be rehearsed; no reasons where it may.

    ``pre_request`` is the option ``db-pre-request``: that function is part of every write.
    """
    return _judge_all(reach, pre_request, _collect_reasons)


def find_actors(
    reach: Reach, pre_request: str | None = None
) -> tuple[frozenset[QualifiedName], frozenset[QualifiedName]]:
    """The relations, and the functions, that may act outside of the database when they are read.

    Only what is known to act counts, since most of what cannot be read does not. ``pre_request`` is part of
    every read.
    """
    relations, functions = _judge_all(reach, pre_request, _find_acts)
    return (
        frozenset(name for name, acts in relations.items() if acts),
        frozenset(name for name, acts in functions.items() if acts),
    )


_Judgement = TypeVar("_Judgement")
_Nodes: TypeAlias = Mapping[Place, _Node]


def _judge_all(
    reach: Reach, pre_request: str | None, judge: Callable[[list[Place], _Nodes], _Judgement]
) -> tuple[Mapping[QualifiedName, _Judgement], Mapping[QualifiedName, _Judgement]]:
    """What ``judge`` says of each relation and of each function, given the places where a request begins."""
    nodes = _make_nodes(reach)
    always: list[Place] = [
        oid
        for oid, routine in reach.routines.items()
        if pre_request in (routine.name, f"{routine.schema}.{routine.name}")
    ]
    relations = {name: judge([name, *always], nodes) for name in reach.relations}
    overloads: dict[QualifiedName, list[Place]] = {}
    for oid, routine in reach.routines.items():
        overloads.setdefault((routine.schema, routine.name), []).append(oid)
    functions = {name: judge([*oids, *always], nodes) for name, oids in overloads.items()}
    return MappingProxyType(relations), MappingProxyType(functions)


def _collect_reasons(starts: list[Place], nodes: _Nodes) -> tuple[str, ...]:
    """The reasons of everything that a write reaches from ``starts``, the nearest first."""
    reached = _walk(starts, nodes, lambda node: node.leads_to | node.fires)
    return tuple(dict.fromkeys(reason for node in reached for reason in node.reasons))[:MAX_REASONS]


def _find_acts(starts: list[Place], nodes: _Nodes) -> bool:
    """Whether anything acts that a read reaches from ``starts``."""
    return any(node.acts for node in _walk(starts, nodes, lambda node: node.leads_to))


def _walk(starts: list[Place], nodes: _Nodes, follow: Callable[[_Node], frozenset[Place]]) -> Iterator[_Node]:
    """Everything that can be reached from ``starts``, the nearest first."""
    waiting = list(starts)
    seen = set(waiting)
    for place in waiting:
        node = nodes.get(place)
        if node is not None:
            yield node
            beside = follow(node) - seen
            waiting += sorted(beside, key=str)
            seen |= beside


def _make_nodes(reach: Reach) -> dict[Place, _Node]:
    routines: dict[str, set[Place]] = {}
    relations: dict[str, set[Place]] = {}
    for oid, routine in reach.routines.items():
        routines.setdefault(routine.name, set()).add(oid)
    for qualified in reach.relations:
        relations.setdefault(qualified[1], set()).add(qualified)

    def read(text: str, who: str) -> _Node:
        leads_to: set[Place] = set()
        reasons = list(_read_statements(text, who))
        acts = _copies(text)
        for name, called in _read_names(text):
            leads_to |= relations.get(name, set())
            if called:
                leads_to |= routines.get(name, set())
                # What is written here itself is known by its text, not by its name.
                known = name in routines and not name.startswith(_BUILT_IN)
                acts = acts or (not known and _ACTS_OUTSIDE.fullmatch(name) is not None)
                if _ACTS_OUTSIDE.fullmatch(name) or _OUTLIVES.fullmatch(name):
                    reasons.append(f"{who} calls {name}, which a rollback does not undo")
                elif _RUNS_TEXT.fullmatch(name):
                    reasons.append(f"{who} calls {name}, which runs what a text says")
        return _Node(tuple(reasons), frozenset(leads_to), acts=acts)

    nodes: dict[Place, _Node] = {}
    for oid, routine in reach.routines.items():
        nodes[oid] = _judge_routine(routine) or read(routine.body, f"{routine.schema}.{routine.name}")
    for qualified, relation in reach.relations.items():
        who = ".".join(qualified)
        found = [read(text, who) for text in relation.texts]
        reasons = [reason for node in found for reason in node.reasons]
        if relation.foreign:
            reasons.append(f"{who} is a foreign table")
        nodes[qualified] = _Node(
            tuple(reasons),
            relation.shares.union(*(node.leads_to for node in found)),
            relation.cascades.union(trigger.routine for trigger in relation.triggers),
            acts=any(node.acts for node in found),
        )
    return nodes


def _judge_routine(routine: Routine) -> _Node | None:
    """What is known of a routine without its text; None if that has to be read."""
    who = f"{routine.schema}.{routine.name}"
    if routine.extension in COMPUTING_EXTENSIONS:
        return _Node()
    if routine.language in READ_LANGUAGES:
        return None
    if routine.trusted:
        return _Node((f"{who} is written in {routine.language}, which is not looked into",))
    acts = routine.language not in COMPILED or _ACTS_OUTSIDE.fullmatch(routine.name) is not None
    return _Node((f"{who} is written in the untrusted language {routine.language}",), acts=acts)


def _read_statements(text: str, who: str) -> Iterator[str]:
    if _RUNS_STATEMENT.search(_LITERALS.sub("''", text)):
        yield f"{who} runs statements that it makes itself"
    if _copies(text):
        yield f"{who} copies to or from a file or program"


def _copies(text: str) -> bool:
    return _COPIES.search(_LITERALS.sub("''", text)) is not None


def _read_names(text: str) -> Iterator[tuple[str, bool]]:
    """Every name in ``text`` as PostgreSQL folds it, and whether it is called."""
    for match in _NAME.finditer(_LITERALS.sub("''", text)):
        name = match[1]
        plain = name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()
        yield plain, match[2] is not None

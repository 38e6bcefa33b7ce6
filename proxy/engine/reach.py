"""What a write reaches besides its own rows: triggers, cascades, partitions, functions that call others.

A rehearsal is undone by a rollback, so what a rollback does not undo must not be reached. That is judged
from what the catalog holds: the languages of functions, and the text of those in SQL and PL/pgSQL. Names
in a text count whatever they stand for, so that more is taken to be reached than is; what cannot be read
counts as reaching outside. What PostgreSQL undoes is no hazard: NOTIFY, settings, ``pg_advisory_xact_lock``;
nor are the gaps that ``nextval`` leaves.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, TypeAlias

from proxy.engine.schema import QualifiedName

Oid: TypeAlias = int
TriggerEvent: TypeAlias = Literal["insert", "update", "delete"]
Reasons: TypeAlias = Mapping[QualifiedName, tuple[str, ...]]

MAX_REASONS = 5
READ_LANGUAGES = frozenset({"sql", "plpgsql"})

COMPUTING_EXTENSIONS = frozenset(
    {"autoinc", "btree_gin", "btree_gist", "citext", "cube", "earthdistance", "fuzzystrmatch", "hstore"}
    | {"insert_username", "intarray", "isn", "lo", "ltree", "moddatetime", "pg_trgm", "pgcrypto", "postgis"}
    | {"refint", "seg", "tablefunc", "tcn", "unaccent", "uuid-ossp", "vector"}
)
"""Extensions in C whose functions compute, or change rows, and do nothing else."""

_OUTSIDE = re.compile(
    r"dblink.*|https?_.*|http|lo_(?:export|import)|pg_(?:read|file|ls|write|background|logical|replication)_.*"
    r"|pg_(?:create|drop|copy)_(?:physical|logical|restore|replication).*|pg_(?:terminate|cancel)_backend"
    r"|pg_(?:reload_conf|rotate_logfile|switch_wal|promote|export_snapshot)|pg_stat_reset.*|postgres_fdw_.*"
    r"|pg_(?:try_)?advisory_lock(?:_shared)?|pg_advisory_unlock.*|setval"
)
"""Functions whose effect outlives a rollback, or lies outside of the database."""

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
    """What is wrong with a relation or routine itself, and where it leads."""

    reasons: tuple[str, ...]
    leads_to: frozenset[Place]


def find_hazards(reach: Reach, pre_request: str | None = None) -> tuple[Reasons, Reasons]:
    """Why each relation, and each function, must not be rehearsed; no reasons where it may.

    ``pre_request`` is the option ``db-pre-request``: that function is part of every write.
    """
    nodes = _make_nodes(reach)
    always = [
        oid
        for oid, routine in reach.routines.items()
        if pre_request in (routine.name, f"{routine.schema}.{routine.name}")
    ]
    relations = {name: _collect([name, *always], nodes) for name in reach.relations}
    overloads: dict[QualifiedName, list[Oid]] = {}
    for oid, routine in reach.routines.items():
        overloads.setdefault((routine.schema, routine.name), []).append(oid)
    functions = {name: _collect([*oids, *always], nodes) for name, oids in overloads.items()}
    return MappingProxyType(relations), MappingProxyType(functions)


def _collect(starts: Iterable[Place], nodes: Mapping[Place, _Node]) -> tuple[str, ...]:
    """The reasons of everything that can be reached from ``starts``, the nearest first."""
    waiting = list(starts)
    seen = set(waiting)
    reasons: dict[str, None] = {}
    for place in waiting:
        node = nodes.get(place)
        if node is not None:
            reasons |= dict.fromkeys(node.reasons)
            waiting += sorted(node.leads_to - seen, key=str)
            seen |= node.leads_to
    return tuple(reasons)[:MAX_REASONS]


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
        for name, called in _read_names(text):
            leads_to |= relations.get(name, set())
            if called:
                leads_to |= routines.get(name, set())
                if _OUTSIDE.fullmatch(name):
                    reasons.append(f"{who} calls {name}, which a rollback does not undo")
                elif _RUNS_TEXT.fullmatch(name):
                    reasons.append(f"{who} calls {name}, which runs what a text says")
        return _Node(tuple(reasons), frozenset(leads_to))

    nodes: dict[Place, _Node] = {}
    for oid, routine in reach.routines.items():
        nodes[oid] = _judge_routine(routine) or read(routine.body, f"{routine.schema}.{routine.name}")
    for qualified, relation in reach.relations.items():
        who = ".".join(qualified)
        found = [read(text, who) for text in relation.texts]
        reasons = [reason for node in found for reason in node.reasons]
        if relation.foreign:
            reasons.append(f"{who} is a foreign table")
        leads_to: set[Place] = {*relation.shares, *relation.cascades}
        leads_to |= {trigger.routine for trigger in relation.triggers}
        leads_to = leads_to.union(*(node.leads_to for node in found))
        nodes[qualified] = _Node(tuple(reasons), frozenset(leads_to))
    return nodes


def _judge_routine(routine: Routine) -> _Node | None:
    """What is known of a routine without its text; None if that has to be read."""
    who = f"{routine.schema}.{routine.name}"
    if routine.extension in COMPUTING_EXTENSIONS:
        return _Node((), frozenset())
    if routine.language in READ_LANGUAGES:
        return None
    if routine.trusted:
        return _Node((f"{who} is written in {routine.language}, which is not looked into",), frozenset())
    return _Node((f"{who} is written in the untrusted language {routine.language}",), frozenset())


def _read_statements(text: str, who: str) -> Iterator[str]:
    bare = _LITERALS.sub("''", text)
    if _RUNS_STATEMENT.search(bare):
        yield f"{who} runs statements that it makes itself"
    if _COPIES.search(bare):
        yield f"{who} copies to or from a file or program"


def _read_names(text: str) -> Iterator[tuple[str, bool]]:
    """Every name in ``text`` as PostgreSQL folds it, and whether it is called."""
    for match in _NAME.finditer(_LITERALS.sub("''", text)):
        name = match[1]
        plain = name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()
        yield plain, match[2] is not None

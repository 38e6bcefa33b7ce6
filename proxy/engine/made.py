"""Which values in the answer to a write the database makes anew each time: by sequence, clock, dice, trigger.

Two executions of one write differ in them without disagreeing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from proxy.config import EngineConfig
from proxy.engine.parse.request import ApiRequest, parse_request
from proxy.engine.parse.syntax import SelectField
from proxy.engine.reach import Reach, ReachedRelation, TriggerEvent
from proxy.engine.schema import QualifiedName, Relation, Schema
from proxy.errors import ApiError
from proxy.messages import Request

_EVENTS: dict[str, frozenset[TriggerEvent]] = {
    "create": frozenset({"insert", "update"}),
    "upsert": frozenset({"insert", "update"}),
    "update": frozenset({"update"}),
    "delete": frozenset({"delete"}),
}
_LITERAL = re.compile(r"'(?:[^']|'')*'")
_CALL_OR_CLOCK = re.compile(
    r"[^\W\d][\w$]*\"?\s*\((?!\s*[0-9])|\b(?:current_\w+|localtime\w*|session_user|user)\b", re.IGNORECASE
)
_CAST = re.compile(r"::\s*(?:\"[^\"]+\"|[\w. ]+)(?:\(\s*[0-9, ]+\))?")


@dataclass(frozen=True, slots=True)
class Made:
    """``columns`` of the relation that is written, and ``members``: what the representation calls them."""

    columns: frozenset[str] = frozenset()
    members: frozenset[str] = frozenset()


def find_made(request: Request, options: EngineConfig, schema: Schema, reach: Reach) -> Made:
    """What the answer to the write ``request`` may hold that was made for it alone; nothing for a function.

    A request that is in error gets the same error again, whatever would have been made.
    """
    try:
        wanted = parse_request(request, options)
    except ApiError:
        return Made()
    relation = schema.relations.get((wanted.schema, wanted.name or ""))
    if wanted.resource != "relation" or relation is None or wanted.action not in _EVENTS:
        return Made()
    given = frozenset() if wanted.payload is None else wanted.payload.keys
    if wanted.preferences.missing == "default":
        # With ``columns``, what is absent gets its default; which keys are there is not looked at then.
        given = frozenset() if wanted.parameters.columns is not None else given
    columns = _find_columns(wanted, relation, reach) - given
    return Made(columns, frozenset(_name_members(wanted, columns)))


def _find_columns(wanted: ApiRequest, relation: Relation, reach: Reach) -> frozenset[str]:
    name = (relation.schema, relation.name)
    reached = [reach.relations[place] for place in _follow(name, reach) if place in reach.relations]
    events = _EVENTS[wanted.action]
    if any(trigger.before and trigger.events & events for found in reached for trigger in found.triggers):
        return frozenset(relation.columns)
    if wanted.action == "delete" or (wanted.action == "update" and wanted.preferences.missing != "default"):
        return frozenset()
    if relation.view:
        # Its rows get the defaults of tables whose columns may have other names.
        return frozenset(relation.columns)
    made = frozenset(
        column.name
        for column in relation.columns.values()
        if column.default is not None and not _is_constant(column.default)
    )
    return made | reach.relations.get(name, ReachedRelation()).made


def _follow(name: QualifiedName, reach: Reach) -> Iterator[QualifiedName]:
    """``name`` and those whose rows may be its rows: its partitions, or what it is a view of."""
    waiting = [name]
    seen = {name}
    for place in waiting:
        yield place
        shares = reach.relations.get(place, ReachedRelation()).shares - seen
        waiting += shares
        seen |= shares


def _is_constant(default: str) -> bool:
    """Whether a default is a literal, with casts at most: nothing in it is called."""
    return not _CALL_OR_CLOCK.search(_CAST.sub("", _LITERAL.sub("", default)))


def _name_members(wanted: ApiRequest, columns: frozenset[str]) -> Iterator[str]:
    """What the root of the representation calls the values of ``columns``."""
    select = wanted.parameters.select
    if not select:
        yield from columns
    for item in select:
        if not isinstance(item, SelectField):
            continue
        if item.field.name == "*":
            yield from columns
        elif item.field.name in columns:
            last = next((step.key for step in reversed(item.field.path) if not step.index), item.field.name)
            yield item.alias or item.aggregate or last

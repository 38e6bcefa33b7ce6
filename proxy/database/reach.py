"""Read from the catalog what writes reach, as far as it is not built in."""

from collections import defaultdict
from types import MappingProxyType
from typing import Any

import asyncpg

from proxy.engine.reach import Oid, Reach, ReachedRelation, Routine, Trigger, TriggerEvent
from proxy.engine.schema import QualifiedName

_FIRST_OWN = 16384
"""The first oid that is not PostgreSQL's own (``FirstNormalObjectId``)."""

_EVENTS: tuple[tuple[int, TriggerEvent], ...] = ((4, "insert"), (8, "delete"), (16, "update"))
_ROW, _BEFORE, _INSTEAD = 1, 2, 64

# The bodies of SQL-standard functions are kept parsed, since version 14. An aggregate is what it calls.
_ROUTINES = """
  SELECT p.oid, n.nspname AS schema, p.proname AS name, e.extname AS extension,
    CASE WHEN p.prokind = 'a' THEN 'sql' ELSE l.lanname END AS language, l.lanpltrusted AS trusted,
    CASE WHEN p.prokind = 'a' THEN (
           SELECT concat_ws(';', a.aggtransfn || '()', a.aggfinalfn || '()', a.aggcombinefn || '()')
           FROM pg_aggregate a WHERE a.aggfnoid = p.oid)
         ELSE {body} END AS body
  FROM pg_proc p
  JOIN pg_namespace n ON n.oid = p.pronamespace
  JOIN pg_language l ON l.oid = p.prolang
  LEFT JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    AND d.refclassid = 'pg_extension'::regclass
  LEFT JOIN pg_extension e ON e.oid = d.refobjid
  WHERE p.oid >= $1
"""

_RELATIONS = """
  SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relkind = 'f' AS foreign
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.oid >= $1
"""

_TRIGGERS = """
  SELECT tgrelid AS relation, tgfoid AS routine, tgtype AS type FROM pg_trigger
  WHERE NOT tgisinternal AND tgenabled <> 'D'
"""

_SHARES = """
  SELECT inhparent AS source, inhrelid AS target FROM pg_inherits
  UNION SELECT inhrelid, inhparent FROM pg_inherits
  UNION SELECT r.ev_class, d.refobjid FROM pg_rewrite r
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
  WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class AND r.ev_class >= $1
"""

_CASCADES = """
  SELECT confrelid AS source, conrelid AS target FROM pg_constraint
  WHERE contype = 'f' AND confrelid >= $1
    AND (confdeltype IN ('c', 'n', 'd') OR confupdtype IN ('c', 'n', 'd'))
"""

_TEXTS = """
  SELECT adrelid AS relation, pg_get_expr(adbin, adrelid) AS text FROM pg_attrdef WHERE adrelid >= $1
  UNION ALL SELECT conrelid, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE contype IN ('c', 'x') AND conrelid >= $1
  UNION ALL SELECT a.attrelid, pg_get_constraintdef(k.oid) FROM pg_constraint k
    JOIN pg_attribute a ON a.atttypid = k.contypid WHERE k.contypid <> 0 AND a.attrelid >= $1
  UNION ALL SELECT a.attrelid, pg_get_expr(t.typdefaultbin, 0) FROM pg_type t
    JOIN pg_attribute a ON a.atttypid = t.oid WHERE t.typdefaultbin IS NOT NULL AND a.attrelid >= $1
  UNION ALL SELECT indrelid, pg_get_indexdef(indexrelid) FROM pg_index
    WHERE (indexprs IS NOT NULL OR indpred IS NOT NULL) AND indrelid >= $1
  UNION ALL SELECT polrelid, pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polrelid >= $1
  UNION ALL SELECT polrelid, pg_get_expr(polwithcheck, polrelid) FROM pg_policy WHERE polrelid >= $1
  UNION ALL SELECT ev_class, pg_get_ruledef(oid) FROM pg_rewrite WHERE ev_class >= $1
  UNION ALL SELECT tgrelid, pg_get_triggerdef(oid) FROM pg_trigger
    WHERE tgqual IS NOT NULL AND NOT tgisinternal AND tgrelid >= $1
"""

_MADE = """
  SELECT attrelid AS relation, attname AS name FROM pg_attribute
  WHERE attnum > 0 AND NOT attisdropped AND (attidentity <> '' OR attgenerated <> '') AND attrelid >= $1
"""


async def load_reach(connection: asyncpg.Connection) -> Reach:
    """What writes reach, in one read-only transaction. Raises asyncpg's errors."""
    body = "p.prosrc"
    if connection.get_server_version() >= (14,):
        body = "coalesce(pg_get_function_sqlbody(p.oid), p.prosrc)"
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute("SET LOCAL search_path = ''")
        routines = await connection.fetch(_ROUTINES.format(body=body), _FIRST_OWN)
        relations = await connection.fetch(_RELATIONS, _FIRST_OWN)
        triggers: dict[Oid, list[Trigger]] = defaultdict(list)
        for row in await connection.fetch(_TRIGGERS):
            triggers[row["relation"]].append(_make_trigger(row))
        shares = _group(await connection.fetch(_SHARES, _FIRST_OWN), "source", "target")
        cascades = _group(await connection.fetch(_CASCADES, _FIRST_OWN), "source", "target")
        texts = _group(await connection.fetch(_TEXTS, _FIRST_OWN), "relation", "text")
        made = _group(await connection.fetch(_MADE, _FIRST_OWN), "relation", "name")
    names: dict[Oid, QualifiedName] = {row["oid"]: (row["schema"], row["name"]) for row in relations}

    def name_all(oids: list[Oid]) -> frozenset[QualifiedName]:
        return frozenset(names[oid] for oid in oids if oid in names)

    found = {
        names[row["oid"]]: ReachedRelation(
            foreign=row["foreign"],
            triggers=tuple(triggers[row["oid"]]),
            shares=name_all(shares[row["oid"]]),
            cascades=name_all(cascades[row["oid"]]),
            texts=tuple(text for text in texts[row["oid"]] if text),
            made=frozenset(made[row["oid"]]),
        )
        for row in relations
    }
    return Reach(
        MappingProxyType(found), MappingProxyType({row["oid"]: _make_routine(row) for row in routines})
    )


def _group(rows: list[Any], key: str, value: str) -> defaultdict[Oid, list[Any]]:
    grouped: defaultdict[Oid, list[Any]] = defaultdict(list)
    for row in rows:
        grouped[row[key]].append(row[value])
    return grouped


def _make_routine(row: Any) -> Routine:
    return Routine(row["schema"], row["name"], row["language"], row["trusted"], row["body"], row["extension"])


def _make_trigger(row: Any) -> Trigger:
    """Source: PostgreSQL's ``pg_trigger.h`` for the bits of a trigger's type."""
    kind = row["type"]
    before = bool(kind & _INSTEAD or (kind & _BEFORE and kind & _ROW))
    return Trigger(row["routine"], before, frozenset(event for bit, event in _EVENTS if kind & bit))

"""What is asked of the catalog. Every query names its columns as the schema cache does.

``$1`` is a list of schemas throughout.
"""

# The types of domains, followed down to what they are based on.
BASE_TYPES = """
  WITH RECURSIVE domains AS (
    SELECT oid AS type, oid AS base, typbasetype AS next FROM pg_type
    UNION ALL
    SELECT d.type, t.oid, t.typbasetype FROM domains d JOIN pg_type t ON t.oid = d.next
  ), base_types AS (
    SELECT d.type, d.base, t.typnamespace = 'pg_catalog'::regnamespace AS built_in
    FROM domains d JOIN pg_type t ON t.oid = d.base WHERE d.next = 0
  )
"""

CHECK_SCHEMAS = "SELECT quote_ident(name)::regnamespace FROM unnest($1::text[]) AS name"

# Comments are joined: obj_description() and col_description() take as long as all the rest.
RELATIONS = """
  WITH keys AS (
    SELECT k.conrelid AS relation, array_agg(a.attname::text ORDER BY a.attname) AS columns
    FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
    WHERE k.contype = 'p'
    GROUP BY k.conrelid
  )
  SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relkind IN ('v', 'm') AS view,
    m.description,
    CASE WHEN c.relkind IN ('r', 'p') THEN 28
         WHEN c.relkind IN ('v', 'f') THEN pg_relation_is_updatable(c.oid, true)
         ELSE 0 END AS writable,
    coalesce(k.columns, '{}') AS key
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN keys k ON k.relation = c.oid
  LEFT JOIN pg_description m ON m.classoid = 'pg_class'::regclass AND m.objoid = c.oid AND m.objsubid = 0
  WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p') AND NOT c.relispartition AND n.nspname = ANY ($1)
  ORDER BY n.nspname, c.relname
"""

# Reading them runs nothing but what PostgreSQL and extensions in C have: no policy or rule, no foreign table,
# no function, operator or cast in another language that could be found for what statements call ($2). What
# is not built in has an oid from 16384 on. An aggregate is what it calls.
QUIET = """
  WITH RECURSIVE own AS (
    SELECT p.oid, p.proname AS name, p.pronamespace AS namespace
    FROM pg_proc p
    LEFT JOIN pg_aggregate g ON g.aggfnoid = p.oid
    JOIN pg_proc f ON f.oid IN (p.oid, g.aggtransfn, g.aggfinalfn, g.aggcombinefn)
    JOIN pg_language l ON l.oid = f.prolang
    WHERE p.oid >= 16384 AND l.lanname NOT IN ('c', 'internal')
  ), bases AS (
    SELECT oid AS type, oid AS base FROM pg_type WHERE oid >= 16384
    UNION ALL
    SELECT b.type, t.typbasetype FROM bases b JOIN pg_type t ON t.oid = b.base AND t.typtype = 'd'
  ), odd AS (
    SELECT b.type FROM bases b JOIN pg_type t ON t.oid = b.base
    WHERE t.oid >= 16384 AND t.typtype NOT IN ('d', 'e')
  ), loud AS (
    SELECT attrelid AS relation FROM pg_attribute
    WHERE attrelid >= 16384 AND attnum > 0 AND NOT attisdropped
      AND (attgenerated = 'v' OR atttypid IN (SELECT type FROM odd))
    UNION ALL
    SELECT oid FROM pg_class WHERE relhassubclass AND EXISTS (
      SELECT FROM pg_inherits i JOIN pg_class f ON f.oid = i.inhrelid AND f.relkind = 'f')
  )
  SELECT oid FROM pg_class
  WHERE relkind IN ('r', 'p', 'm') AND oid >= 16384 AND NOT relrowsecurity
    AND oid NOT IN (SELECT relation FROM loud)
    AND NOT EXISTS (SELECT FROM own WHERE name = ANY ($2)
      AND namespace IN (SELECT quote_ident(name)::regnamespace FROM unnest($1::text[]) AS s (name)))
    AND NOT EXISTS (
      SELECT FROM pg_operator WHERE oid >= 16384 AND oprcode::oid IN (SELECT oid FROM own))
    AND NOT EXISTS (
      SELECT FROM pg_cast k JOIN pg_type s ON s.oid = k.castsource JOIN pg_type g ON g.oid = k.casttarget
      WHERE k.oid >= 16384 AND k.castfunc IN (SELECT oid FROM own) AND 'd' NOT IN (s.typtype, g.typtype))
"""

COLUMNS = (
    BASE_TYPES
    + """, enums AS (
    SELECT enumtypid AS type, array_agg(enumlabel::text ORDER BY enumsortorder) AS labels
    FROM pg_enum GROUP BY enumtypid
  )
  SELECT a.attrelid AS relation, a.attname AS name, m.description,
    NOT (a.attnotnull OR t.typtype = 'd' AND t.typnotnull) AS nullable,
    format_type(a.atttypid, a.atttypmod) AS nominal_type,
    CASE WHEN t.typtype = 'd' AND b.built_in THEN format_type(b.base, NULL)
         WHEN t.typtype <> 'd' AND t.typnamespace = 'pg_catalog'::regnamespace
           THEN format_type(a.atttypid, NULL)
         ELSE format_type(a.atttypid, a.atttypmod) END AS type,
    CASE WHEN t.typbasetype <> 0 AND d.adbin IS NULL THEN pg_get_expr(t.typdefaultbin, 0)
         WHEN a.attidentity = 'd' THEN format('nextval(%L)', s.objid::regclass)
         WHEN a.attgenerated = 's' THEN NULL
         ELSE pg_get_expr(d.adbin, d.adrelid) END AS default,
    CASE WHEN t.typtype = 'd' THEN information_schema._pg_char_max_length(t.typbasetype, t.typtypmod)
         ELSE information_schema._pg_char_max_length(a.atttypid, a.atttypmod) END::integer AS max_length,
    NOT EXISTS (
      SELECT FROM pg_collation l WHERE l.oid = a.attcollation AND NOT l.collisdeterministic
    ) AS told_apart,
    coalesce(e.labels, '{}') AS enum
  FROM pg_attribute a
  JOIN pg_class c ON c.oid = a.attrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN base_types b ON b.type = t.oid
  LEFT JOIN enums e ON e.type = b.base
  LEFT JOIN pg_description m ON m.classoid = 'pg_class'::regclass AND m.objoid = a.attrelid
    AND m.objsubid = a.attnum
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  LEFT JOIN pg_depend s ON s.refclassid = 'pg_class'::regclass AND s.refobjid = a.attrelid
    AND s.refobjsubid = a.attnum AND s.deptype = 'i' AND s.classid = 'pg_class'::regclass
  WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'v', 'm', 'f', 'p')
    AND NOT c.relispartition AND n.nspname = ANY ($1)
  ORDER BY a.attrelid, a.attnum
"""
)

REPRESENTATIONS = """
  SELECT c.castsource::regtype::text AS source, c.casttarget::regtype::text AS target,
    c.castfunc::regproc::text AS function
  FROM pg_cast c JOIN pg_type s ON s.oid = c.castsource JOIN pg_type t ON t.oid = c.casttarget
  WHERE c.castcontext = 'i' AND c.castmethod = 'f' AND has_function_privilege(c.castfunc, 'EXECUTE')
    AND (s.typtype = 'd' AND t.oid IN ('json'::regtype, 'text'::regtype)
      OR t.typtype = 'd' AND s.oid IN ('json'::regtype, 'text'::regtype))
"""

FUNCTIONS = (
    BASE_TYPES
    + """, arguments AS (
    SELECT p.oid,
      jsonb_agg(jsonb_build_array(
        coalesce(a.name, ''), a.type::regtype::text,
        CASE a.type WHEN 'bit'::regtype THEN 'bit varying' WHEN 'bit[]'::regtype THEN 'bit varying[]'
          WHEN 'character'::regtype THEN 'character varying'
          WHEN 'character[]'::regtype THEN 'character varying[]' ELSE a.type::regtype::text END,
        a.number <= p.pronargs - p.pronargdefaults,
        coalesce(a.mode = 'v', false)
      ) ORDER BY a.number) AS parameters,
      count(*) - count(a.name) AS unnamed,
      count(*) AS total,
      bool_or(a.type::regtype::text IN ('bytea', 'json', 'jsonb', 'text', 'xml')) AS raw
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace AND n.nspname = ANY ($1),
      unnest(p.proargnames, p.proargtypes, p.proargmodes) WITH ORDINALITY AS a (name, type, mode, number)
    WHERE a.type IS NOT NULL
    GROUP BY p.oid
  )
  SELECT p.oid, n.nspname AS schema, p.proname AS name,
    m.description,
    coalesce(g.parameters, '[]')::text AS parameters,
    rn.nspname AS returns_schema, coalesce(rc.relname, r.typname) AS returns_name,
    p.proretset AS returns_set,
    r.typtype = 'c' OR coalesce(p.proargmodes::text[] && '{t,b,o}', false) AS composite,
    CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END AS volatility,
    coalesce(p.proconfig, '{}') AS configuration
  FROM pg_proc p
  JOIN pg_namespace n ON n.oid = p.pronamespace
  JOIN base_types b ON b.type = p.prorettype
  JOIN pg_type r ON r.oid = b.base
  JOIN pg_namespace rn ON rn.oid = r.typnamespace
  LEFT JOIN pg_class rc ON rc.oid = r.typrelid AND r.typtype = 'c'
  LEFT JOIN arguments g ON g.oid = p.oid
  LEFT JOIN pg_description m ON m.classoid = 'pg_proc'::regclass AND m.objoid = p.oid AND m.objsubid = 0
  WHERE p.prokind = 'f' AND r.oid <> 'trigger'::regtype AND n.nspname = ANY ($1)
    AND (g.oid IS NULL OR g.unnamed = 0 OR g.total = 1 AND g.raw)
  ORDER BY n.nspname, p.proname, p.pronargs, p.oid
"""
)

# What PostgreSQL sends for a type in text, PostgREST reads in binary: the same bytes for these types only.
HANDLERS = (
    BASE_TYPES
    + """, media_types AS (
    SELECT t.oid, lower(t.typname) AS wanted,
      CASE t.typname WHEN '*/*' THEN 'application/octet-stream' ELSE t.typname::text END AS media_type,
      CASE WHEN b.typsend <> 0 AND b.typsend::regproc::text NOT IN
        ('textsend', 'varcharsend', 'bpcharsend', 'json_send', 'xml_send', 'byteasend', 'enum_send')
        THEN b.typsend::regproc::text END AS sender
    FROM pg_type t JOIN base_types ON base_types.type = t.oid JOIN pg_type b ON b.oid = base_types.base
    WHERE t.typbasetype <> 0 AND (t.typname = '*/*' OR t.typname ~ '^[A-Za-z0-9.-]+/[A-Za-z0-9.+-]+$')
  )
  SELECT n.nspname AS schema, p.proname AS name, m.wanted, m.media_type, m.sender,
    an.nspname AS target_schema, a.typname AS target_name
  FROM media_types m
  JOIN pg_proc p ON p.prorettype = m.oid
  JOIN pg_aggregate g ON g.aggfnoid = p.oid
  JOIN pg_namespace n ON n.oid = p.pronamespace
  JOIN pg_type a ON a.oid = p.proargtypes[0]
  JOIN pg_namespace an ON an.oid = a.typnamespace
  WHERE n.nspname = ANY ($1) AND p.pronargs = 1 AND (
    a.typname = 'anyelement'
    OR EXISTS (SELECT FROM pg_class c WHERE c.reltype = a.oid AND c.relkind IN ('r', 'v', 'm', 'f', 'p')))
  UNION
  SELECT tn.nspname, t.typname, m.wanted, m.media_type, m.sender, n.nspname, p.proname
  FROM media_types m
  JOIN pg_proc p ON p.prorettype = m.oid
  JOIN pg_namespace n ON n.oid = p.pronamespace
  JOIN pg_type t ON t.oid = m.oid
  JOIN pg_namespace tn ON tn.oid = t.typnamespace
  WHERE n.nspname = ANY ($1) AND NOT p.proretset AND p.prokind = 'f'
"""
)


FOREIGN_KEYS = """
  WITH keys AS (
    SELECT k.conrelid, (SELECT array_agg(c ORDER BY c) FROM unnest(k.conkey) c) AS columns
    FROM pg_constraint k WHERE k.contype IN ('p', 'u')
  )
  SELECT f.conname AS constraint, sn.nspname AS source_schema, s.relname AS source_name,
    tn.nspname AS target_schema, t.relname AS target_name, c.own, c.other,
    EXISTS (SELECT FROM keys k WHERE k.conrelid = f.conrelid AND k.columns = c.numbers) AS unique
  FROM pg_constraint f
  JOIN LATERAL (
    SELECT array_agg(a.attname::text ORDER BY u.n) AS own, array_agg(b.attname::text ORDER BY u.n) AS other,
      array_agg(a.attnum ORDER BY a.attnum) AS numbers
    FROM unnest(f.conkey, f.confkey) WITH ORDINALITY AS u (own, other, n)
    JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = u.own
    JOIN pg_attribute b ON b.attrelid = f.confrelid AND b.attnum = u.other
  ) c ON true
  JOIN pg_class s ON s.oid = f.conrelid JOIN pg_namespace sn ON sn.oid = s.relnamespace
  JOIN pg_class t ON t.oid = f.confrelid JOIN pg_namespace tn ON tn.oid = t.relnamespace
  WHERE f.contype = 'f' AND f.conparentid = 0
  ORDER BY f.conrelid, f.conname
"""

COMPUTED = """
  SELECT n.nspname AS schema, p.proname AS name, an.nspname AS source_schema, a.relname AS source_name,
    rn.nspname AS target_schema, r.relname AS target_name, NOT p.proretset OR p.prorows = 1 AS to_one
  FROM pg_proc p
  JOIN pg_namespace n ON n.oid = p.pronamespace
  JOIN pg_class a ON a.reltype = p.proargtypes[0] AND a.relkind IN ('r', 'v', 'm', 'f', 'p')
  JOIN pg_namespace an ON an.oid = a.relnamespace
  JOIN pg_class r ON r.reltype = p.prorettype AND r.relkind IN ('r', 'v', 'm', 'f', 'p')
  JOIN pg_namespace rn ON rn.oid = r.relnamespace
  WHERE p.pronargs = 1
"""

VIEWS = """
  SELECT c.oid, n.nspname AS schema, c.relname AS name, r.ev_action::text AS action
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_rewrite r ON r.ev_class = c.oid
  WHERE c.relkind IN ('v', 'm') AND r.ev_type = '1' AND n.nspname = ANY ($1)
"""

ATTRIBUTES = """
  SELECT a.attrelid AS relation, a.attnum AS number, a.attname AS name,
    n.nspname AS schema, c.relname AS relation_name
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0
"""

PRIMARY_KEYS = """
  SELECT n.nspname AS schema, c.relname AS name, array_agg(a.attname::text ORDER BY u.n) AS columns
  FROM pg_constraint k
  JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  CROSS JOIN LATERAL unnest(k.conkey) WITH ORDINALITY AS u (number, n)
  JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number
  WHERE k.contype = 'p'
  GROUP BY n.nspname, c.relname
"""

# The children of a table that inherit from it have indexes of their own.
UNIQUE_KEYS = """
  SELECT n.nspname AS schema, c.relname AS name, k.columns
  FROM pg_index i
  JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  CROSS JOIN LATERAL (
    SELECT array_agg(a.attname::text ORDER BY u.n) AS columns, bool_and(a.attnotnull) AS filled
    FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS u (number, n)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.number
    WHERE u.n <= i.indnkeyatts
  ) k
  WHERE i.indisunique AND i.indisvalid AND i.indislive AND i.indpred IS NULL AND i.indexprs IS NULL
    AND k.filled AND NOT (c.relkind = 'r' AND c.relhassubclass) AND n.nspname = ANY ($1)
  ORDER BY n.nspname, c.relname, i.indisprimary DESC, i.indexrelid
"""

"""Answers held against each other: what must be true of any two of them, whatever is in the tables.

Each rule is tried on every relation of both schemas that can be read.
"""

import csv
import functools
import io
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from proxy.engine.schema import Column, Relation
from tests.engine.random.grammar import Catalog
from tests.engine.random.world import World

ORDERED = ("integer", "smallint", "bigint", "text", "character", "character varying", "numeric", "date")
"""Types whose values can be compared, and written in a URL as JSON shows them."""
MOST_ROWS = 300


@functools.cache
def readable(world: World) -> list[tuple[Relation, str]]:
    """Relations of the default schema that anyone may read, with their path."""
    return list(_readable(world))


def _readable(world: World) -> Iterator[tuple[Relation, str]]:
    for relation in Catalog(world.schema, world.options.db_schemas).relations(world.options.db_schemas[0]):
        path = "/" + quote(relation.name, safe="")
        answered = world.get(path + "?limit=1")
        labelled = (None, (relation.schema, relation.name))
        handled = any((key, "*/*") in world.schema.handlers for key in labelled[1:])
        if answered.status == 200 and relation.columns and not handled:
            yield relation, path


def plain_columns(relation: Relation) -> list[Column]:
    """A few columns whose JSON text means the same in a filter: no domain may stand between."""
    columns = relation.columns.values()
    return [column for column in columns if column.type in ORDERED and column.nominal_type in known(column)][
        :4
    ]


def known(column: Column) -> tuple[str, ...]:
    """What a column that is of no domain is declared as."""
    return tuple(column.type + size for size in ("", column.nominal_type.removeprefix(column.type)))


def written(column: Column) -> str:
    """The column as part of a URL; in quotes, so that it is no parameter of PostgREST's own."""
    return quoted(column.name)


def quoted(text: str) -> str:
    """A name in quotes, percent-encoded."""
    return quote('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"', safe="")


def total_order(relation: Relation) -> str:
    """An order that leaves nothing open for rows that differ in a plain column."""
    return "order=" + ",".join(map(written, plain_columns(relation)))


def ordered(relation: Relation, rows: list[Any]) -> list[list[Any]]:
    """That of the rows by which they are ordered: PostgreSQL may exchange those that are equal in it."""
    return [[row[column.name] for column in plain_columns(relation)] for row in rows]


def bag(rows: list[Any]) -> Counter[str]:
    """Rows without their order."""
    return Counter(json.dumps(row, sort_keys=True) for row in rows)


def value_of(row: dict[str, Any], column: Column) -> str:
    """A value as a filter has it, percent-encoded."""
    return quote(str(row[column.name]), safe="")


def test_a_filter_and_its_negation_part_the_rows_that_are_not_null(world: World) -> None:
    parted = 0
    for relation, path in readable(world):
        whole = world.rows(path)
        for column in plain_columns(relation):
            key = written(column)
            for row in [row for row in whole if row[column.name] is not None][:1]:
                value = value_of(row, column)
                for operator in ("eq", "gt"):
                    yes = world.rows(f"{path}?{key}={operator}.{value}")
                    no = world.rows(f"{path}?{key}=not.{operator}.{value}")
                    nulls = world.rows(f"{path}?{key}=is.null")
                    assert bag(yes) + bag(no) + bag(nulls) == bag(whole), (relation.name, column.name)
                    parted += 1
    assert parted > 50


def test_in_a_list_is_any_of_its_values(world: World) -> None:
    for relation, path in readable(world):
        for column in plain_columns(relation):
            key = written(column)
            found = [row for row in world.rows(path) if row[column.name] is not None]
            values = [str(value_of(row, column)) for row in found][:3]
            safe = [f'"{value}"' for value in values if "%22" not in value and "%5C" not in value]
            if safe:
                listed = world.rows(f"{path}?{key}=in.({','.join(safe)})")
                each = ",".join(f"{key}.eq.{value}" for value in safe)
                assert bag(listed) == bag(world.rows(f"{path}?or=({each})")), (relation.name, column.name)


def test_pages_put_together_are_the_whole(world: World) -> None:
    for relation, path in readable(world):
        order = total_order(relation) if plain_columns(relation) else "select=*"
        whole = world.rows(f"{path}?{order}&limit={MOST_ROWS}")
        for size in (1, 3, 50):
            pages = [
                world.rows(f"{path}?{order}&limit={size}&offset={start}")
                for start in range(0, min(len(whole), size * 4), size)
            ]
            together = [row for page in pages for row in page]
            assert ordered(relation, together) == ordered(relation, whole[: size * 4]), relation.name
        sliced = world.rows(f"{path}?{order}", ("Range-Unit", "items"), ("Range", "1-2"))
        assert ordered(relation, sliced) == ordered(relation, whole[1:3]), relation.name


def test_an_exact_count_is_the_number_of_rows(world: World) -> None:
    for relation, path in readable(world):
        count = len(world.rows(path))
        answered = world.get(path + "?limit=1", ("Prefer", "count=exact"))
        shown = "0-0" if count else "*"
        assert answered.header(b"content-range") == f"{shown}/{count}".encode(), relation.name
        assert answered.status == (206 if count > 1 else 200)


def test_all_columns_by_name_are_a_star(world: World) -> None:
    for relation, path in readable(world):
        by_name = ",".join(written(column) for column in relation.columns.values())
        for media in ("application/json", "text/csv"):
            accept = ("Accept", media)
            if ((relation.schema, relation.name), media) in world.schema.handlers:
                continue
            one, other = world.get(path, accept), world.get(f"{path}?select={by_name}", accept)
            assert one.body == other.body, relation.name


def test_a_head_is_a_get_without_its_body(world: World) -> None:
    for relation, path in readable(world):
        for target in (path, path + "?limit=1", path + "?no_such=eq.1", path + "?limit=zqv"):
            for prefer in ("count=exact", "count=planned"):
                got = world.get(target, ("Prefer", prefer))
                head = world.get(target, ("Prefer", prefer), method="HEAD")
                assert (head.status, head.body) == (got.status, b""), relation.name
                kept = [header for header in got.headers if header[0] != b"Content-Length"]
                assert [header for header in head.headers if header[0] != b"Content-Length"] == kept


def test_csv_has_the_rows_and_columns_of_json(world: World) -> None:
    for relation, path in readable(world):
        if ((relation.schema, relation.name), "text/csv") in world.schema.handlers:
            continue
        texts = ",".join(f"{written(column)}::text" for column in plain_columns(relation))
        if not texts:
            continue
        order = total_order(relation)
        rows = world.rows(f"{path}?select={texts}&{order}")
        body = world.get(f"{path}?select={texts}&{order}", ("Accept", "text/csv")).body.decode()
        # Only the values count here: a backslash is doubled, and NULL is an empty field.
        expected = [[(value or "").replace("\\", "\\\\") for value in row.values()] for row in rows]
        read = list(csv.reader(io.StringIO(body.partition("\n")[2] + "\n", newline="")))
        assert [row or [""] for row in read] == expected or not rows, relation.name


def test_the_singular_of_one_row_is_that_row(world: World) -> None:
    for relation, path in readable(world):
        rows = world.rows(path + "?limit=1")
        single = world.get(path + "?limit=1", ("Accept", "application/vnd.pgrst.object+json"))
        if rows:
            assert json.loads(single.body) == rows[0], relation.name
        else:
            assert single.status == 406


def test_aliases_and_casts_change_names_and_texts_only(world: World) -> None:
    for relation, path in readable(world):
        order = total_order(relation)
        for column in plain_columns(relation):
            key = written(column)
            bare = [row[column.name] for row in world.rows(f"{path}?select={key}&{order}")]
            named = [row["another"] for row in world.rows(f"{path}?select=another:{key}&{order}")]
            assert named == bare, (relation.name, column.name)
            as_text = [row[column.name] for row in world.rows(f"{path}?select={key}::text&{order}")]
            assert [value is None for value in as_text] == [value is None for value in bare]
            if column.type in ("integer", "smallint", "bigint"):
                assert as_text == [None if value is None else str(value) for value in bare]


def embeds(
    world: World, relation: Relation
) -> Iterator[tuple[str, Relation, tuple[tuple[str, str], ...], bool]]:
    """Embeds by a foreign key alone: how to ask, what is embedded, the column pairs, whether one row."""
    namespace = world.options.db_schemas[0]
    for rel in world.schema.relationships.get(((namespace, relation.name), namespace), ()):
        pairs = getattr(rel, "columns", ())
        inner = world.schema.relations.get(rel.target)
        # Through a view a to-one embed may have several rows, and then repeats its parent, as PostgREST does.
        unclear = rel.source == rel.target or inner is None or (rel.to_one and inner.view)
        if pairs and inner is not None and not unclear and rel.target[0] == namespace:
            yield f"{quoted(inner.name)}!{quoted(getattr(rel, 'constraint', ''))}", inner, pairs, rel.to_one


@functools.cache
def embedding(world: World) -> list[tuple[str, str, Relation, tuple[tuple[str, str], ...], bool]]:
    """All embeds that are not ambiguous and that anyone may read."""
    return [
        (path, target, inner, pairs, to_one)
        for relation, path in readable(world)
        for target, inner, pairs, to_one in embeds(world, relation)
        if world.get(f"{path}?select=*,e:{target}(*)&limit=1").status == 200
    ]


def test_an_embed_is_what_a_request_of_its_own_gives(world: World) -> None:
    tried = 0
    for path, target, inner, pairs, to_one in embedding(world):
        if any(inner.columns[there].type.startswith(("time", "bytea")) for _, there in pairs):
            continue
        for row in world.rows(f"{path}?select=*,e:{target}(*)&limit=4"):
            found = [row["e"]] if to_one else row["e"]
            if any(row[here] is None for here, _ in pairs):
                assert found in ([None], [])
                continue
            keys = "&".join(f"{quoted(there)}=eq.{quote(str(row[here]), safe='')}" for here, there in pairs)
            alone = world.rows(f"/{quote(inner.name, safe='')}?{keys}")
            assert bag([one for one in found if one is not None]) == bag(alone), (path, target)
            tried += 1
    assert tried > 20


def test_an_inner_embed_keeps_the_rows_whose_embed_is_not_null(world: World) -> None:
    for path, target, _, _, _ in embedding(world):
        every = world.rows(f"{path}?select=*,e:{target}(*)")
        inner = world.rows(f"{path}?select=*,e:{target}!inner(*)")
        tested = world.rows(f"{path}?select=*,e:{target}(*)&e=not.is.null")
        absent = world.rows(f"{path}?select=*,e:{target}(*)&e=is.null")
        assert bag(inner) == bag(tested) == bag([row for row in every if row["e"]]), (path, target)
        assert bag(inner) + bag(absent) == bag(every), (path, target)
        counted = world.get(f"{path}?select=e:{target}!inner(*)&limit=1", ("Prefer", "count=exact"))
        assert (counted.header(b"content-range") or b"").rpartition(b"/")[2] == str(len(inner)).encode()


def test_a_spread_is_an_embed_lifted_to_its_parent(world: World) -> None:
    for path, target, inner, _, to_one in embedding(world):
        columns = plain_columns(inner)[:2]
        if not columns:
            continue
        items = ",".join(f"zq{number}:{written(column)}" for number, column in enumerate(columns))
        embedded = world.rows(f"{path}?select=*,e:{target}({items})&limit={MOST_ROWS}")
        spread = world.rows(f"{path}?select=*,...{target}({items})&limit={MOST_ROWS}")
        keys = [f"zq{number}" for number in range(len(columns))]
        lifted = []
        for row in embedded:
            found = row.pop("e")
            for key in keys:
                one = None if found is None else found[key] if to_one else [each[key] for each in found]
                row[key] = one
            lifted.append(row)
        assert bag(spread) == bag(lifted), (path, target)

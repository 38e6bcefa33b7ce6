"""Derive relationships from keys and the origins of view columns. Source: PostgREST 14, reference 3.1."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TypeAlias

from proxy.engine.schema import (
    AnyRelationship,
    ColumnPairs,
    ComputedRelationship,
    Junction,
    QualifiedName,
    Relation,
    Relationship,
)

_CARDINALITIES = ("one-to-many", "many-to-one", "one-to-one", "many-to-many")

ViewColumns: TypeAlias = Mapping[tuple[QualifiedName, str], Sequence[str]]
"""For columns of tables, the columns of one view that show them."""

Relationships: TypeAlias = dict[tuple[QualifiedName, str], tuple[AnyRelationship, ...]]


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key; ``unique`` when its columns are a primary key or unique constraint as well."""

    constraint: str
    source: QualifiedName
    target: QualifiedName
    columns: ColumnPairs
    unique: bool


def find_view_key(view: ViewColumns, primary_keys: Mapping[QualifiedName, Sequence[str]]) -> tuple[str, ...]:
    """The key of a view: the primary keys of all its tables, by name, that it shows completely."""
    tables = sorted({table for table, _ in view})
    key: list[str] = []
    for table in tables:
        columns = primary_keys.get(table, ())
        if columns and all((table, column) in view for column in columns):
            key += (view[table, column][0] for column in columns)
    return tuple(key)


def derive_relationships(
    foreign_keys: Iterable[ForeignKey],
    computed: Iterable[ComputedRelationship],
    views: Mapping[QualifiedName, ViewColumns],
    relations: Mapping[QualifiedName, Relation],
    exposed: Sequence[str],
) -> Relationships:
    """All relationships between relations of the ``exposed`` schemas, keyed as in ``Schema``."""
    showing = _index(views)
    forward = [rel for key in foreign_keys for rel in _add_views(_relate(key), showing)]
    detected = forward + list(_junctions(forward, relations))
    detected += [_invert(rel) for rel in detected if rel.cardinality != "many-to-many"]
    found: dict[tuple[QualifiedName, QualifiedName], list[AnyRelationship]] = defaultdict(list)
    for rel in detected:
        found[rel.source, rel.target].append(rel)
    # A computed relationship replaces those detected to a relation of its function's name.
    for made in computed:
        found[made.source, made.function] = [made]
    grouped: dict[tuple[QualifiedName, str], list[AnyRelationship]] = defaultdict(list)
    for (source, target), rels in found.items():
        if source[0] in exposed:
            grouped[source, target[0]] += (rel for rel in rels if _is_exposed(rel, exposed))
    return {key: tuple(sorted(rels, key=_rank)) for key, rels in grouped.items()}


def _is_exposed(rel: AnyRelationship, exposed: Sequence[str]) -> bool:
    if rel.target[0] not in exposed:
        return False
    if isinstance(rel, ComputedRelationship) or rel.junction is None:
        return True
    return rel.junction.relation[0] in exposed


def _rank(rel: AnyRelationship) -> tuple[object, ...]:
    """The order in which PGRST201 lists relationships (reference 3.4)."""
    if isinstance(rel, ComputedRelationship):
        return (1, rel.function, rel.source, rel.target)
    parts: tuple[object, ...] = (rel.constraint, rel.columns, rel.parent)
    if rel.junction is not None:
        joint = rel.junction
        parts = (joint.relation, joint.source_constraint, joint.target_constraint, joint.source_columns)
    return (0, rel.source, rel.target, rel.reflexive, _CARDINALITIES.index(rel.cardinality), *parts)


def _relate(key: ForeignKey) -> Relationship:
    return Relationship(
        source=key.source,
        target=key.target,
        cardinality="one-to-one" if key.unique else "many-to-one",
        constraint=key.constraint,
        columns=key.columns,
        reflexive=key.source == key.target,
    )


_Showing: TypeAlias = Mapping[QualifiedName, Mapping[QualifiedName, ViewColumns]]
"""The views that show some column of a table, by the table."""


def _index(views: Mapping[QualifiedName, ViewColumns]) -> _Showing:
    showing: defaultdict[QualifiedName, dict[QualifiedName, ViewColumns]] = defaultdict(dict)
    for view, origins in views.items():
        for table, _ in origins:
            showing[table][view] = origins
    return showing


def _add_views(rel: Relationship, showing: _Showing) -> Iterator[Relationship]:
    """``rel``, and the same between views that show all columns of either side."""
    yield rel
    own = [column for column, _ in rel.columns]
    others = [column for _, column in rel.columns]
    sources = list(_show(rel.source, own, showing))
    targets = list(_show(rel.target, others, showing))
    for view, columns in sources:
        pairs = tuple(zip(columns, others, strict=True))
        yield replace(rel, source=view, columns=pairs, reflexive=False, source_view=True)
    for view, columns in targets:
        pairs = tuple(zip(own, columns, strict=True))
        yield replace(rel, target=view, columns=pairs, reflexive=False, target_view=True)
    for (one, columns), (other, shown) in product(sources, targets):
        pairs = tuple(zip(columns, shown, strict=True))
        yield Relationship(
            one, other, rel.cardinality, rel.constraint, pairs, None, False, one == other, True, True
        )


def _show(
    table: QualifiedName, columns: Sequence[str], showing: _Showing
) -> Iterator[tuple[QualifiedName, tuple[str, ...]]]:
    """Views that show all of ``columns``, once for each way in which they do."""
    for view, origins in showing.get(table, {}).items():
        shown = [origins.get((table, column), ()) for column in columns]
        for names in product(*shown):
            yield view, names


def _invert(rel: Relationship) -> Relationship:
    return replace(
        rel,
        source=rel.target,
        target=rel.source,
        cardinality="one-to-one" if rel.cardinality == "one-to-one" else "one-to-many",
        columns=_swap(rel.columns),
        parent=rel.cardinality == "one-to-one",
        source_view=rel.target_view,
        target_view=rel.source_view,
    )


def _swap(pairs: ColumnPairs) -> ColumnPairs:
    return tuple((other, one) for one, other in pairs)


def _junctions(
    forward: Sequence[Relationship], relations: Mapping[QualifiedName, Relation]
) -> Iterator[Relationship]:
    """A many-to-many for any two keys of a relation whose primary key holds all their columns."""
    by_source: dict[QualifiedName, list[Relationship]] = defaultdict(list)
    for rel in forward:
        if rel.cardinality == "many-to-one":
            by_source[rel.source].append(rel)
    for joint, rels in by_source.items():
        key = frozenset(relations[joint].key) if joint in relations else frozenset()
        for one, other in product(rels, rels):
            columns = {column for column, _ in (*one.columns, *other.columns)}
            if one.constraint != other.constraint and columns <= key:
                junction = Junction(
                    joint, one.constraint, other.constraint, _swap(one.columns), _swap(other.columns)
                )
                yield Relationship(
                    source=one.target,
                    target=other.target,
                    cardinality="many-to-many",
                    junction=junction,
                    reflexive=one.target == other.target,
                    source_view=one.target_view,
                    target_view=other.target_view,
                )

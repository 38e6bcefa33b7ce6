"""A change of a relation as a source of rows: INSERT, UPDATE and DELETE with what they give back.

Source: PostgREST 14, reference 7.2 and 7.3.
"""

from typing import Any

from sqlalchemy import (
    CTE,
    ColumnClause,
    ColumnElement,
    FromClause,
    FunctionElement,
    Subquery,
    TableClause,
    case,
    column,
    delete,
    func,
    literal_column,
    select,
    table,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.dml import ReturningDelete, ReturningInsert, ReturningUpdate
from sqlalchemy.sql.selectable import LABEL_STYLE_NONE

from proxy.engine.plan.types import Where
from proxy.engine.plan.whole import Change, Conflict, Delete, GivenColumn, GivenRows, Insert, Portion, Update
from proxy.engine.schema import QualifiedName
from proxy.engine.sql.conditions import Bind, Expression, cut_to_page, make_condition, make_order
from proxy.engine.sql.elements import (
    BareInsert,
    Call,
    Recordset,
    Rows,
    cast_to,
    every_column,
    name,
    quote,
    quote_text,
    setting,
    whole_row,
)

_BODY = "pgrst_body"
_AFFECTED = "pgrst_affected_rows"
_INSERTED = "pgrst.inserted"


def make_change_rows(change: Change, bind: Bind, label: str) -> CTE:
    """The common table expression ``label``: the change, and the rows that it gives back."""
    match change:
        case Insert():
            return _insert(change, bind).cte(label)
        case Update():
            rows = change.rows
            return (_change_nothing(change) if rows is None else _update(change, rows, bind)).cte(label)
        case Delete():
            return _delete(change, bind).cte(label)


def make_inserted(insert: Insert) -> Expression:
    """How many rows are new and not merged into others, once all are."""
    return cast_to(setting(_INSERTED), "int") if insert.counted else literal_column("null::int")


def make_location(insert: Insert, source: CTE, row: Subquery) -> Expression:
    """The primary key of the one row added, as ``column=eq.value`` (reference 7.3)."""
    nowhere: Expression = literal_column("null::json")
    if insert.located is None:
        return nowhere
    shown = select(func.row_to_json(literal_column("_")).label("row")).select_from(source.alias("_"))
    members = func.json_each_text(shown.limit(literal_column("1")).scalar_subquery()).table_valued(
        "key", "value"
    )
    value = func.coalesce(literal_column("'eq.'").op("||")(members.c.value), literal_column("'is.null'"))
    pair = members.c.key.op("||")(literal_column("'='")).op("||")(value)
    keys: Expression = literal_column(f"({', '.join(map(quote_text, insert.located)) or 'null'})")
    located = select(func.json_agg(pair)).select_from(members).where(members.c.key.bool_op("IN")(keys))
    one = func.count(whole_row(row)).bool_op("=")(literal_column("1"))
    return case((one, located.scalar_subquery()), else_=nowhere)


def _insert(insert: Insert, bind: Bind) -> ReturningInsert[Any]:
    rows = _given(insert.rows, bind)
    names = [given.name for given in insert.rows.columns]
    chosen = select(*(rows.c[text] for text in names)).select_from(rows)
    if insert.counted:
        chosen = chosen.where(_count_inserted("+", "0"))
    chosen = chosen.where(*(make_condition(condition, (_BODY,), bind) for condition in insert.matching))
    target = _target(insert.relation, insert.rows.columns)
    statement = (
        postgresql.insert(target).from_select(names, chosen, include_defaults=False)
        if names
        else BareInsert(target, chosen)
    )
    if insert.conflict is not None and insert.conflict.columns:
        statement = _resolve(statement, insert.conflict, names)
    return statement.returning(*_returning(insert.relation, insert.returning))


def _resolve(statement: postgresql.Insert, conflict: Conflict, names: list[str]) -> postgresql.Insert:
    targets = [name(text) for text in conflict.columns]
    if not conflict.merge or not names:
        return statement.on_conflict_do_nothing(index_elements=targets)
    merged: dict[str, Expression] = {text: literal_column(f"EXCLUDED.{quote(text)}") for text in names}
    return statement.on_conflict_do_update(
        index_elements=targets, set_=merged, where=_count_inserted("-", "-1")
    )


def _count_inserted(sign: str, never: str) -> ColumnElement[bool]:
    """True, and one row more or less counted as inserted."""
    before = func.coalesce(cast_to(setting(_INSERTED), "int"), literal_column("0"))
    after = cast_to(before.op(sign)(literal_column("1")), "text")
    key: Expression = literal_column(f"'{_INSERTED}'")
    return func.set_config(key, after, literal_column("true")).bool_op("<>")(literal_column(f"'{never}'"))


def _update(change: Update, given: GivenRows, bind: Bind) -> ReturningUpdate[Any]:
    rows = _given(given, bind)
    statement = update(_target(change.relation, given.columns))
    names = [column.name for column in given.columns]
    if change.portion is None:
        statement = statement.values({text: rows.c[text] for text in names})
        statement = statement.where(*_conditions(change.relation, change.where, bind))
    else:
        one: Expression = literal_column("1")
        statement = statement.values(
            {text: select(rows.c[text]).limit(one).scalar_subquery() for text in names}
        )
        statement = statement.where(*_within(change.relation, change.where, change.portion, bind))
    return statement.returning(*_returning(change.relation, change.returning))


def _delete(change: Delete, bind: Bind) -> ReturningDelete[Any]:
    statement = delete(_target(change.relation))
    if change.portion is None:
        statement = statement.where(*_conditions(change.relation, change.where, bind))
    else:
        statement = statement.where(*_within(change.relation, change.where, change.portion, bind))
    return statement.returning(*_returning(change.relation, change.returning))


def _change_nothing(change: Update) -> Rows:
    """No row, of the columns that an update would give back: there is no UPDATE that sets nothing."""
    return (
        select(*_returning(change.relation, change.returning))
        .select_from(_target(change.relation))
        .where(literal_column("false"))
    )


def _conditions(relation: QualifiedName, where: tuple[Where, ...], bind: Bind) -> list[ColumnElement[bool]]:
    return [make_condition(condition, relation, bind) for condition in where]


def _within(
    relation: QualifiedName, where: tuple[Where, ...], portion: Portion, bind: Bind
) -> list[ColumnElement[bool]]:
    """The rows of a page, found by the columns that order them."""
    rows: Rows = (
        # A column that orders twice is there twice: PostgreSQL is to say that it is ambiguous.
        select(*(literal_column(quote(*relation, text)) for text in portion.by))
        .set_label_style(LABEL_STYLE_NONE)
        .select_from(_target(relation))
        .where(*_conditions(relation, where, bind))
        .order_by(*(make_order(sort, relation, bind) for sort in portion.order))
    )
    affected = cut_to_page(rows, portion.page, bind).subquery(_AFFECTED)
    return [
        literal_column(quote(*relation, text)).bool_op("=")(ColumnClause(name(text), _selectable=affected))
        for text in portion.by
    ]


def _given(rows: GivenRows, bind: Bind) -> Subquery:
    """The rows of a payload, each column read as its type."""
    columns = [_read_column(given) for given in rows.columns]
    return select(*columns).select_from(_unpack(rows, bind)).subquery(_BODY)


def _read_column(given: GivenColumn) -> Expression:
    value: Expression = literal_column(quote(given.name))
    return (value if given.parser is None else Call(given.parser, value)).label(name(given.name))


def _unpack(rows: GivenRows, bind: Bind) -> FromClause:
    if rows.body is None:
        return select(literal_column("1")).subquery("_")
    kind = "jsonb" if rows.defaults else "json"
    body: Expression = cast_to(bind(rows.body), kind)
    if rows.defaults:
        body = _fill(rows, body)
    if not rows.columns:
        elements: FunctionElement[Any] = getattr(func, f"{kind}_array_elements")(body)
        return elements.table_valued("value")
    typed = tuple((given.name, given.type) for given in rows.columns)
    return Recordset(f"{kind}_to_record{'' if rows.single else 'set'}", body, typed)


def _fill(rows: GivenRows, body: Expression) -> Expression:
    """The payload with defaults for what its objects leave out."""
    pairs: list[Expression] = [
        literal_column(part)
        for given in rows.columns
        if given.default is not None
        for part in (quote_text(given.name), given.default)
    ]
    defaults = func.jsonb_build_object(*pairs)
    if rows.single:
        return defaults.op("||")(body)
    element = func.jsonb_array_elements(body).table_valued("value")
    filled = defaults.op("||")(element.c.value)
    return select(func.jsonb_agg(filled)).select_from(element).scalar_subquery()


def _target(relation: QualifiedName, columns: tuple[GivenColumn, ...] = ()) -> TableClause:
    namespace, text = relation
    return table(name(text), *(column(name(given.name)) for given in columns), schema=name(namespace))


def _returning(relation: QualifiedName, columns: tuple[str, ...]) -> list[Expression]:
    """What a change gives back; without columns a number, so that its rows can be counted."""
    if not columns:
        return [literal_column("1")]
    return [
        every_column(*relation) if text == "*" else literal_column(quote(*relation, text)).label(name(text))
        for text in columns
    ]

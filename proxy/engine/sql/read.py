"""The one statement of a read: rows in a common table expression, the body made from them by PostgreSQL.

Source: PostgREST 14, reference 2.1 (shape), 2.5 (grouping), 2.7 (CSV).
"""

from typing import Any

from sqlalchemy import CTE, ColumnElement, Select, column, func, literal_column, select, table
from sqlalchemy.sql.selectable import LABEL_STYLE_NONE, Subquery

from proxy.engine.plan.types import Body, CsvBody, CustomBody, JsonBody, NoBody, Output, ReadNode, ReadShape
from proxy.engine.sql.conditions import Bind, Expression, Lookup, make_condition, make_operand, make_order
from proxy.engine.sql.elements import Call, cast_to, every_column, name, quote

_SOURCE = "pgrst_source"
_ROW = "_postgrest_t"
"""PostgREST's own names: they show in plans and error texts."""

_NEWLINE = "'\n'"


def make_read(shape: ReadShape, bind: Bind) -> Select[*tuple[Any, ...]]:
    """The statement for ``shape``: total, page size, body, response headers, response status."""
    source = make_rows(shape.root, bind).cte(_SOURCE)
    row = select(literal_column("*")).select_from(source).subquery(_ROW)
    total: Expression = literal_column("null::bigint")
    if shape.count:
        counted = make_count(shape.root, bind).cte("pgrst_source_count")
        total = select(func.count()).select_from(counted).scalar_subquery()
    return select(
        total.label("total_result_set"),
        func.count(_whole(row)).label("page_total"),
        make_body(shape.body, source, row).label("body"),
        _setting("response.headers").label("response_headers"),
        _setting("response.status").label("response_status"),
    ).select_from(row)


def _setting(key: str) -> Expression:
    return func.nullif(
        func.current_setting(literal_column(f"'{key}'"), literal_column("true")), literal_column("''")
    )


def _whole(row: Subquery) -> Expression:
    return literal_column(str(row.name))


def _lookup(node: ReadNode) -> Lookup:
    def find(text: str) -> Expression:
        if text == "*":
            return every_column(*node.relation)
        return literal_column(quote(*node.relation, text))

    return find


def make_rows(node: ReadNode, bind: Bind) -> Select[*tuple[Any, ...]]:
    """The rows of ``node``, one column per output, in order and cut to the page."""
    lookup = _lookup(node)
    outputs = [_make_output(output, lookup, bind) for output in node.select] or [lookup("*")]
    rows = _from(node, select(*outputs).set_label_style(LABEL_STYLE_NONE), bind)
    rows = rows.group_by(*_group(node, lookup, bind))
    rows = rows.order_by(*(make_order(sort, lookup, bind) for sort in node.order))
    if node.page is not None:
        limit = literal_column("ALL") if node.page.limit is None else bind(node.page.limit)
        rows = rows.limit(limit).offset(bind(node.page.offset))
    return rows


def make_count(node: ReadNode, bind: Bind) -> Select[*tuple[Any, ...]]:
    """One row per row that matches, paging left aside."""
    return _from(node, select(literal_column("1")), bind)


def _from(node: ReadNode, rows: Select[*tuple[Any, ...]], bind: Bind) -> Select[*tuple[Any, ...]]:
    namespace, relation = node.relation
    lookup = _lookup(node)
    rows = rows.select_from(table(name(relation), schema=name(namespace)))
    return rows.where(*(make_condition(condition, lookup, bind) for condition in node.where))


def _make_output(output: Output, lookup: Lookup, bind: Bind) -> Expression:
    expression = make_operand(output.operand, lookup, bind)
    if output.operand.name == "*" and output.aggregate is None:
        return expression
    if output.cast is not None:
        expression = cast_to(expression, output.cast)
    if output.aggregate is not None:
        expression = getattr(func, output.aggregate)(expression)
    if output.aggregate_cast is not None:
        expression = cast_to(expression, output.aggregate_cast)
    # An empty name has no label in SQLAlchemy; PostgreSQL itself is to refuse it.
    return expression.label(name(output.key)) if output.key else literal_column(quote(""))


def _group(node: ReadNode, lookup: Lookup, bind: Bind) -> list[Expression]:
    if not any(output.aggregate for output in node.select):
        return []
    return [
        literal_column(quote(output.key))
        if output.alias is not None or output.operand.path or output.operand.formatter
        else make_operand(output.operand, lookup, bind)
        for output in node.select
        if output.aggregate is None
    ]


def make_body(body: Body, source: CTE, row: Subquery) -> Expression:
    """The body's text in the wanted format (reference 2.1)."""
    match body:
        case NoBody():
            return literal_column("''::text")
        case CsvBody():
            return _make_csv(source, row)
        case CustomBody(function, relation):
            rows = _whole(row)
            argument = rows if relation is None else cast_to(rows, quote(*relation))
            return Call(quote(*function), argument)
        case JsonBody(single, stripped):
            array: Expression = func.json_agg(_whole(row))
            first: Expression = literal_column("0")
            rows = _strip(array, stripped)
            if single:
                return cast_to(func.coalesce(rows.op("->")(first), literal_column("'null'")), "text")
            return cast_to(func.coalesce(rows, literal_column("'[]'")), "text")


def _strip(rows: Expression, stripped: bool) -> Expression:
    return func.json_strip_nulls(rows) if stripped else rows


def _make_csv(source: CTE, row: Subquery) -> Expression:
    first = source.alias("hh")
    head = select(func.row_to_json(literal_column("hh")).label("r")).select_from(first)
    keys = select(cast_to(func.json_object_keys(literal_column("r")), "text").label("k")).select_from(
        head.limit(literal_column("1")).subquery("s")
    )
    names = func.coalesce(func.string_agg(column("k"), literal_column("','")), literal_column("''"))
    header: ColumnElement[Any] = select(names).select_from(keys.subquery("a")).scalar_subquery()
    text = cast_to(_whole(row), "text")
    line = func.substring(text, literal_column("2"), func.length(text) - literal_column("2"))
    lines = func.coalesce(func.string_agg(line, literal_column(_NEWLINE)), literal_column("''"))
    return header.op("||")(literal_column(_NEWLINE)).op("||")(lines)

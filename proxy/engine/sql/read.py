"""The one statement of a request: rows in a common table expression, the body made from them by PostgreSQL.

Source: PostgREST 14, reference 2.1 (shape), 2.5 (grouping), 2.7 (CSV).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import CTE, ColumnElement, FromClause, column, func, literal_column, select, table
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.sql.selectable import LABEL_STYLE_NONE, Subquery

from proxy.engine.plan.types import (
    ChildOutput,
    EmbedOutput,
    Operand,
    Output,
    ReadNode,
    SpreadColumn,
    SpreadOutput,
)
from proxy.engine.plan.whole import (
    Body,
    CallNode,
    CsvBody,
    CustomBody,
    GeoJsonBody,
    Insert,
    JsonBody,
    NoBody,
    Shape,
)
from proxy.engine.sql.call import make_call_rows
from proxy.engine.sql.change import make_change_rows, make_inserted, make_location
from proxy.engine.sql.conditions import (
    Bind,
    Expression,
    Qualifier,
    make_condition,
    make_operand,
    make_order,
)
from proxy.engine.sql.elements import Call, Rows, RowsOf, Slot, cast_to, every_column, name, quote, setting

_SOURCE = "pgrst_source"
_ROW = "_postgrest_t"
"""PostgREST's own names: they show in plans and error texts."""

_NEWLINE = "'\n'"


def make_statement(shape: Shape, bind: Bind, pinned: Sequence[Slot] = ()) -> Rows:
    """The statement for ``shape``. Its one row has, behind a column without meaning, what ``Rows`` has.

    ``pinned`` are the parameters that are cast from text.
    """
    source = _make_source(shape, bind)
    if shape.source is None:
        row = select(literal_column("*")).select_from(source).subquery(_ROW)
    else:
        row = make_rows(shape.root, bind).subquery(_ROW)
    total: Expression = literal_column("null::bigint")
    if shape.count:
        counted = make_count_limited(shape, bind).cte("pgrst_source_count")
        total = select(func.count()).select_from(counted).scalar_subquery()
    single = isinstance(shape.source, CallNode) and shape.source.single
    columns = [
        _check(pinned).label("checked"),
        total.label("total_result_set"),
        (literal_column("1") if single else func.count(_whole(row))).label("page_total"),
        make_body(shape.body, source, row).label("body"),
        setting("response.headers").label("response_headers"),
        setting("response.status").label("response_status"),
    ]
    if isinstance(shape.source, Insert):
        columns.append(make_location(shape.source, source, row).label("header"))
        columns.append(make_inserted(shape.source).label("response_inserted"))
    statement = select(*columns).select_from(row)
    # What is read of a call or a change names its source by text only, which is put in front by hand.
    return statement if shape.source is None else statement.add_cte(source)


def _make_source(shape: Shape, bind: Bind) -> CTE:
    match shape.source:
        case None:
            return make_rows(shape.root, bind).cte(_SOURCE)
        case CallNode():
            return make_call_rows(shape.source, bind).cte(_SOURCE)
        case _:
            return make_change_rows(shape.source, bind, _SOURCE)


def make_count_limited(shape: Shape, bind: Bind) -> Rows:
    """The rows to count, no more of them than the shape allows."""
    counted = make_count(shape.root, bind)
    return counted if shape.count_limit is None else counted.limit(literal_column(str(shape.count_limit)))


def _check(pinned: Sequence[Slot]) -> Expression:
    """Reads every pinned value once, whether the rows need it or not.

    A typed parameter is read when it is bound, so that a bad value is an error even where no row is
    compared with it. A cast is evaluated when it is needed, and the planner may find that it never is.
    """
    groups = [func.row(*pinned[start : start + 1000]) for start in range(0, len(pinned), 1000)]
    return func.pg_column_size(func.row(*groups)) if groups else literal_column("0")


def _whole(row: Subquery) -> Expression:
    return literal_column(str(row.name))


def make_rows(node: ReadNode, bind: Bind) -> Rows:
    """The rows of ``node``, one column per output, in order and cut to the page."""
    select_list = node.select or (() if node.children else (Output(Operand("*")),))
    columns = [make_output(output, node.qualifier, bind) for output in select_list]
    columns += [make_output(output, _owner(output, node), bind) for output in node.spread_select]
    columns += [column for output in node.children_outputs for column in _embedded(output)]
    rows = select(*columns).set_label_style(LABEL_STYLE_NONE)
    rows = rows.select_from(_join_children(node, bind))
    rows = rows.where(*_conditions(node, bind))
    rows = rows.group_by(*_group(node, bind))
    rows = rows.order_by(*(make_order(sort, node.qualifier, bind) for sort in node.order))
    if node.page is not None:
        limit = literal_column("ALL") if node.page.limit is None else bind(node.page.limit)
        rows = rows.limit(limit).offset(bind(node.page.offset))
    return rows


def _owner(output: Output, node: ReadNode) -> Qualifier:
    return node.qualifier if output.embed is None else (output.embed,)


def _source(node: ReadNode) -> FromClause:
    """What ``node`` is read from: a relation, the statement's source, or a function of the parent's row."""
    namespace, relation = node.relation
    link = node.link
    if link is not None and link.function is not None:
        assert node.label is not None
        row = cast_to(literal_column(quote(link.parent)), quote(*link.parent_relation))
        return RowsOf(quote(*link.function), row).alias(name(node.label))
    source: FromClause = table(name(relation), schema=name(namespace) if namespace else None)
    if node.label is not None:
        source = source.alias(name(node.label))
    if link is not None and link.junction is not None:
        junction_schema, junction = link.junction
        source = source.join(table(name(junction), schema=name(junction_schema)), literal_column("TRUE"))
    return source


def _join_children(node: ReadNode, bind: Bind) -> FromClause:
    """The source of ``node`` with every child joined laterally (reference 3.5)."""
    source = _source(node)
    children = {child.embed: child for child in reversed(node.children)}
    for output in node.children_outputs:
        child = children[output.embed]
        rows = make_rows(child, bind)
        on: Expression = literal_column("TRUE")
        if child.link is not None and not child.link.to_one:
            if child.join == "inner":
                on = literal_column(f"{quote(child.embed)} IS NOT NULL")
            rows = _gather(child, output, rows, bind)
        lateral = rows.lateral(name(child.embed))
        source = source.join(lateral, on, isouter=child.join != "inner")
    return source


def _gather(child: ReadNode, output: ChildOutput, rows: Rows, bind: Bind) -> Rows:
    """One row with the array of all ``rows``, and for a spread an array for each of its columns."""
    whole: Expression = literal_column(quote(child.embed))
    columns: list[Expression] = [cast_to(func.json_agg(whole), "jsonb").label(name(child.embed))]
    if isinstance(output, SpreadOutput):
        order = [make_order(sort, (child.embed,), bind) for sort in child.spread_order]
        for column in output.columns:
            element: Expression = literal_column(quote(child.embed, column.name))
            array = func.json_agg(aggregate_order_by(element, *order) if order else element)
            filled = cast_to(func.coalesce(array, literal_column("'[]'")), "jsonb")
            columns.append(filled.label(name(column.name if column.alias is None else column.alias)))
    return select(*columns).set_label_style(LABEL_STYLE_NONE).select_from(rows.subquery(name(child.embed)))


def _embedded(output: ChildOutput) -> Iterator[Expression]:
    """The columns that an embedded node adds to its parent."""
    if isinstance(output, SpreadOutput):
        for column in output.columns:
            expression = _aggregate(
                literal_column(quote(output.embed, column.name))
                if column.name != "*"
                else every_column(output.embed),
                column.aggregate,
                column.aggregate_cast,
            )
            yield expression.label(name(_spread_name(column)))
    elif output.empty:
        return
    elif output.to_one:
        row = func.row_to_json(every_column(output.embed))
        yield cast_to(row, "jsonb").label(name(output.key))
    else:
        array: Expression = literal_column(quote(output.embed, output.embed))
        yield func.coalesce(array, literal_column("'[]'")).label(name(output.key))


def _spread_name(column: SpreadColumn) -> str:
    if column.alias is not None:
        return column.alias
    return column.aggregate or column.name


def make_count(node: ReadNode, bind: Bind) -> Rows:
    """One row per row that matches; inner embeds and null filters become EXISTS, paging is left aside."""
    children = {child.embed: child for child in reversed(node.children)}

    def exists(embed: str, negated: bool) -> ColumnElement[bool]:
        found = make_count(children[embed], bind).exists()
        return found if negated else ~found

    where = [make_condition(condition, node.qualifier, bind, exists) for condition in node.where]
    where += _links(node)
    where += [make_count(child, bind).exists() for child in node.children if child.join == "inner"]
    return select(literal_column("1")).select_from(_source(node)).where(*where)


def _conditions(node: ReadNode, bind: Bind) -> list[ColumnElement[bool]]:
    where = [make_condition(condition, node.qualifier, bind) for condition in node.where]
    return [*where, *_links(node)]


def _links(node: ReadNode) -> list[ColumnElement[bool]]:
    equalities = node.link.equalities if node.link is not None else ()
    return [
        literal_column(quote(*pair.one, pair.column)).bool_op("=")(
            literal_column(quote(*pair.other, pair.other_column))
        )
        for pair in equalities
    ]


def make_output(output: Output, qualifier: Qualifier, bind: Bind) -> Expression:
    """One column of the select list, named as the answer shows it."""
    expression = make_operand(output.operand, qualifier, bind)
    if output.operand.name == "*" and output.aggregate is None and not output.operand.whole_row:
        return expression
    if output.cast is not None:
        expression = cast_to(expression, output.cast)
    expression = _aggregate(expression, output.aggregate, output.aggregate_cast)
    key = output.alias
    if key is None:
        key = output.aggregate or output.operand.name
    # An empty name has no label in SQLAlchemy; PostgreSQL itself is to refuse it.
    return expression.label(name(key)) if key else literal_column(quote(""))


def _aggregate(expression: Expression, function: str | None, cast: str | None) -> Expression:
    if function is not None:
        expression = getattr(func, function)(expression)
        if cast is not None:
            expression = cast_to(expression, cast)
    return expression


def _group(node: ReadNode, bind: Bind) -> list[Expression]:
    """Grouping terms: all that is not aggregated, if anything is (reference 2.5)."""
    spreads = [output for output in node.children_outputs if isinstance(output, SpreadOutput)]
    hoisted = any(column.aggregate for output in spreads for column in output.columns)
    if not hoisted and not any(output.aggregate for output in node.select):
        return []
    terms: list[Expression] = [
        literal_column(quote(output.alias))
        if output.alias is not None
        else make_operand(replace(output.operand, formatter=None), node.qualifier, bind)
        for output in node.select
        if output.aggregate is None
    ]
    for output in node.children_outputs:
        if isinstance(output, EmbedOutput):
            terms.append(literal_column(quote(output.key)))
        else:
            plain = (column for column in output.columns if column.aggregate is None)
            terms += (literal_column(quote(output.embed, column.alias or column.name)) for column in plain)
    return terms


def make_body(body: Body, source: CTE, row: Subquery) -> Expression:
    """The body's text in the wanted format (reference 2.1)."""
    match body:
        case NoBody():
            return literal_column("''::text")
        case CsvBody():
            return _make_csv(source, row)
        case GeoJsonBody():
            return _make_geojson(row)
        case CustomBody(function, relation, scalar, sender):
            rows = _scalar(row) if scalar else _whole(row)
            argument = rows if relation is None else cast_to(rows, quote(*relation))
            made = Call(quote(*function), argument)
            return made if sender is None else Call(sender, made)
        case JsonBody(single, stripped, scalar):
            array: Expression = func.json_agg(_scalar(row) if scalar else _whole(row))
            first: Expression = literal_column("0")
            rows = _strip(array, stripped)
            if single:
                return cast_to(func.coalesce(rows.op("->")(first), literal_column("'null'")), "text")
            return cast_to(func.coalesce(rows, literal_column("'[]'")), "text")


def _scalar(row: Subquery) -> Expression:
    return literal_column(f"{row.name}.pgrst_scalar")


def _make_geojson(row: Subquery) -> Expression:
    feature = cast_to(func.ST_AsGeoJSON(_whole(row)), "json")
    features = func.coalesce(func.json_agg(feature), literal_column("'[]'"))
    texts: list[Expression] = [
        literal_column(f"'{text}'") for text in ("type", "FeatureCollection", "features")
    ]
    return cast_to(func.json_build_object(*texts, features), "text")


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

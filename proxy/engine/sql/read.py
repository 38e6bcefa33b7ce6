"""The rows of a relation and of what is embedded in it. Source: PostgREST 14, reference 2.5, 3.5 and 4.4."""

from collections.abc import Iterator
from dataclasses import replace

from sqlalchemy import ColumnElement, FromClause, func, literal_column, select, table
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.sql.selectable import LABEL_STYLE_NONE

from proxy.engine.plan.types import (
    ChildOutput,
    EmbedOutput,
    Operand,
    Output,
    ReadNode,
    SpreadColumn,
    SpreadOutput,
)
from proxy.engine.sql.conditions import (
    Bind,
    Expression,
    Qualifier,
    cut_to_page,
    make_condition,
    make_operand,
    make_order,
)
from proxy.engine.sql.elements import Rows, RowsOf, cast_to, every_column, name, quote


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
    return rows if node.page is None else cut_to_page(rows, node.page, bind)


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
    label = name(key)
    # An empty name has no label in SQLAlchemy; PostgreSQL itself is to refuse it.
    return expression.label(label) if label else literal_column(quote(""))


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

"""The one statement of a request: rows in a common table expression, the body made from them by PostgreSQL.

Source: PostgREST 14, reference 2.1.
"""

from sqlalchemy import CTE, func, literal_column, select

from proxy.engine.plan.whole import CallNode, Insert, Quiet, Shape
from proxy.engine.sql.body import make_body
from proxy.engine.sql.call import make_call_rows
from proxy.engine.sql.change import make_change_rows, make_inserted, make_location
from proxy.engine.sql.conditions import Bind, Expression
from proxy.engine.sql.elements import Rows, quote, quote_text, setting
from proxy.engine.sql.read import make_count, make_rows

_SOURCE = "pgrst_source"
_ROW = "_postgrest_t"
"""PostgREST's own names: they show in plans and error texts."""


def make_statement(shape: Shape, bind: Bind) -> Rows:
    """The statement for ``shape``. Its one row has what ``Rows`` has."""
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
        total,
        # A row is never null as a whole, but would be put together to be counted.
        literal_column("1") if single else func.count(),
        make_body(shape.body, source, row),
        setting("response.headers"),
        setting("response.status"),
    ]
    if isinstance(shape.source, Insert):
        columns += [make_location(shape.source, source, row), make_inserted(shape.source)]
    if shape.quiet:
        columns.append(_make_loud(shape.quiet))
    labels = zip(columns, name_columns(shape), strict=True)
    statement = select(*(column.label(label) for column, label in labels)).select_from(row)
    # What is read of a call or a change names its source by text only, which is put in front by hand.
    return statement if shape.source is None else statement.add_cte(source)


def name_columns(shape: Shape) -> tuple[str, ...]:
    """What the columns of the statement's one row are called."""
    always = ("total_result_set", "page_total", "body", "response_headers", "response_status")
    if isinstance(shape.source, Insert):
        return (*always, "header", "response_inserted")
    return (*always, "loud") if shape.quiet else always


def _make_loud(relations: Quiet) -> Expression:
    """Whether one of ``relations`` is another one by now, or has row security.

    PostgREST sees such a change without a new schema cache, as it asks by names and tells everything.
    """
    parts = (
        f"row_security_active({oid}::oid) OR {quote_text(quote(*relation))}::regclass <> {oid}::oid"
        for relation, oid in relations
    )
    return literal_column(" OR ".join(parts))


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

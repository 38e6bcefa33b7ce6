"""The body's text, made by PostgreSQL from the rows. Source: PostgREST 14, reference 2.1 and 2.7."""

from typing import Any

from sqlalchemy import CTE, ColumnElement, column, func, literal_column, select
from sqlalchemy.sql.selectable import Subquery

from proxy.engine.plan.whole import Body, CsvBody, CustomBody, GeoJsonBody, JsonBody, NoBody
from proxy.engine.sql.conditions import Expression
from proxy.engine.sql.elements import Call, cast_to, quote, whole_row

_NEWLINE = "'\n'"


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
            rows = _scalar(row) if scalar else whole_row(row)
            argument = rows if relation is None else cast_to(rows, quote(*relation))
            made = Call(quote(*function), argument)
            return made if sender is None else Call(sender, made)
        case JsonBody(single, stripped, scalar):
            array: Expression = func.json_agg(_scalar(row) if scalar else whole_row(row))
            first: Expression = literal_column("0")
            rows = _strip(array, stripped)
            if single:
                return func.coalesce(rows.op("->")(first), literal_column("'null'"))
            return func.coalesce(rows, literal_column("'[]'"))


def _scalar(row: Subquery) -> Expression:
    return literal_column(f"{row.name}.pgrst_scalar")


def _make_geojson(row: Subquery) -> Expression:
    feature = cast_to(func.ST_AsGeoJSON(whole_row(row)), "json")
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
    text = cast_to(whole_row(row), "text")
    line = func.substring(text, literal_column("2"), func.length(text) - literal_column("2"))
    lines = func.coalesce(func.string_agg(line, literal_column(_NEWLINE)), literal_column("''"))
    return header.op("||")(literal_column(_NEWLINE)).op("||")(lines)

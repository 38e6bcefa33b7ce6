"""Resolved operands, conditions, orders and pages as SQL expressions.

Source: PostgREST 14, reference 1.3 to 1.8.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, and_, func, literal_column, not_, nulls_first, nulls_last, or_, select
from sqlalchemy.sql.elements import UnaryExpression

from proxy.engine.plan.types import (
    Compare,
    Distinct,
    Group,
    HasNone,
    Is,
    Member,
    Operand,
    Page,
    Predicate,
    Search,
    Sort,
    Test,
    Value,
    Where,
)
from proxy.engine.sql.elements import Call, Rows, Slot, cast_to, every_column, quote

Expression: TypeAlias = ColumnElement[Any]
Bind: TypeAlias = Callable[[Value], Slot]
"""Gives the parameter that stands for a value."""
Qualifier: TypeAlias = tuple[str, ...]
"""What the columns of the relation at hand are qualified with."""
HasNoneTest: TypeAlias = Callable[[str, bool], ColumnElement[bool]]
"""Tests, by an embedded resource's alias, whether it has no row; or has some, when negated."""

_OPERATORS = {
    "eq": "=",
    "neq": "<>",
    "gt": ">",
    "gte": ">=",
    "lt": "<",
    "lte": "<=",
    "like": "LIKE",
    "ilike": "ILIKE",
    "match": "~",
    "imatch": "~*",
    "cs": "@>",
    "cd": "<@",
    "ov": "&&",
    "sl": "<<",
    "sr": ">>",
    "nxr": "&<",
    "nxl": "&>",
    "adj": "-|-",
}
_TRUTHS = {"null": "NULL", "not_null": "NOT NULL", "true": "TRUE", "false": "FALSE", "unknown": "UNKNOWN"}
_SEARCHES = {
    "fts": "to_tsquery",
    "plfts": "plainto_tsquery",
    "phfts": "phraseto_tsquery",
    "wfts": "websearch_to_tsquery",
}


def make_column(qualifier: Qualifier, column: str) -> Expression:
    """A column, or all of them for ``*``."""
    return every_column(*qualifier) if column == "*" else literal_column(quote(*qualifier, column))


def make_operand(operand: Operand, qualifier: Qualifier, bind: Bind) -> Expression:
    """A column or a path into it, formatted or made searchable where the plan says so."""
    expression = (
        literal_column(quote(qualifier[-1])) if operand.whole_row else make_column(qualifier, operand.name)
    )
    if operand.path and operand.to_json:
        expression = func.to_jsonb(expression)
    for step in operand.path:
        key = cast_to(bind(step.key), "int") if step.index else bind(step.key)
        expression = expression.op("->>" if step.as_text else "->")(key)
    if operand.vector:
        expression = func.to_tsvector(*_optional(operand.language, bind), expression)
    return Call(operand.formatter, expression) if operand.formatter else expression


def _optional(value: Value | None, bind: Bind) -> tuple[Expression, ...]:
    return () if value is None else (bind(value),)


def has_no_row(embed: str, negated: bool) -> ColumnElement[bool]:
    """Whether a joined embedded resource has no row."""
    distinct = "IS DISTINCT FROM" if negated else "IS NOT DISTINCT FROM"
    return literal_column(quote(embed)).bool_op(distinct)(literal_column("NULL"))


def make_condition(
    condition: Where, qualifier: Qualifier, bind: Bind, has_none: HasNoneTest = has_no_row
) -> ColumnElement[bool]:
    """A resolved condition as a boolean expression; ``has_none`` tests embedded resources."""
    expression: ColumnElement[bool]
    match condition:
        case Predicate(operand, test, _):
            expression = _make_test(make_operand(operand, qualifier, bind), test, bind)
        case HasNone(embed, negated):
            return has_none(embed, negated)
        case Group(operator, members, _):
            join = and_ if operator == "and" else or_
            expression = join(
                *(make_condition(member, qualifier, bind, has_none) for member in members)
            ).self_group()
    return not_(expression) if condition.negated else expression


def _make_test(operand: Expression, test: Test, bind: Bind) -> ColumnElement[bool]:
    match test:
        case Compare(operator, value, quantifier, parser):
            argument: Expression = bind(value) if parser is None else Call(parser, bind(value))
            if quantifier is not None:
                argument = Call(quantifier.upper(), argument)
            return operand.bool_op(_OPERATORS[operator])(argument)
        case Member(None, _):
            return operand.bool_op("=")(Call("ANY", literal_column("'{}'")))
        case Member(array, parser):
            assert array is not None
            elements: Expression = bind(array)
            if parser is not None:
                unnested = func.unnest(cast_to(elements, "text[]"))
                elements = select(Call(parser, unnested)).scalar_subquery()
            return operand.bool_op("=")(Call("ANY", elements))
        case Is(truth):
            return operand.bool_op("IS")(literal_column(_TRUTHS[truth]))
        case Distinct(value):
            return operand.bool_op("IS DISTINCT FROM")(bind(value))
        case Search(operator, value, language):
            query = getattr(func, _SEARCHES[operator])(*_optional(language, bind), bind(value))
            return operand.bool_op("@@")(query)


def make_order(sort: Sort, qualifier: Qualifier, bind: Bind) -> Expression:
    """One ORDER BY term."""
    owner = qualifier if sort.embed is None else (sort.embed,)
    expression: Expression | UnaryExpression[Any] = make_operand(sort.operand, owner, bind)
    if sort.descending is not None:
        expression = expression.desc() if sort.descending else expression.asc()
    if sort.nulls_first is not None:
        expression = nulls_first(expression) if sort.nulls_first else nulls_last(expression)
    return expression


def cut_to_page(rows: Rows, page: Page, bind: Bind) -> Rows:
    """``rows`` cut to a page of them."""
    match page.limit:
        case None:
            limit: Expression = literal_column("ALL")
        case int(number):
            limit = literal_column(str(number))
        case value:
            limit = bind(value)
    cut = rows.limit(limit)
    return cut if page.offset is None else cut.offset(bind(page.offset))

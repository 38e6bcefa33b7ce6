"""A function call as a source of rows. Source: PostgREST 14, reference 6.5."""

from sqlalchemy import literal_column, select

from proxy.engine.plan.whole import (
    ALL_COLUMNS,
    Argument,
    CallNode,
    JsonArguments,
    NamedArguments,
    RawArgument,
)
from proxy.engine.sql.conditions import Bind, Expression
from proxy.engine.sql.elements import FunctionCall, Given, Recordset, Rows, cast_to, every_column, name, quote

_CALL = "pgrst_call"
_SCALAR = "pgrst_scalar"


def make_call_rows(call: CallNode, bind: Bind) -> Rows:
    """The rows that the call gives."""
    function = quote(*call.function)
    if call.scalar:
        columns: list[Expression] = [literal_column(f"{_CALL}.{_SCALAR}")]
    elif not call.columns:
        columns = [literal_column("*")]
    elif call.columns == ALL_COLUMNS:
        columns = [every_column(_CALL)]
    else:
        columns = [literal_column(quote(_CALL, column)).label(name(column)) for column in call.columns]
    rows = select(*columns)
    match call.arguments:
        case RawArgument(type_name, value):
            whole = (Given(None, cast_to(bind(value), type_name)),)
            return rows.select_from(FunctionCall(function, whole, _CALL, scalar=call.scalar))
        case NamedArguments(arguments):
            given = tuple(
                Given(one.name, cast_to(_typed(one, bind), one.type), one.variadic) for one in arguments
            )
            return rows.select_from(FunctionCall(function, given, _CALL, scalar=call.scalar))
        case JsonArguments():
            return _from_json(rows, function, call, call.arguments, bind)


def _typed(argument: Argument, bind: Bind) -> Expression:
    """The values of a variadic argument are texts first: PostgreSQL reads them only when it calls."""
    value: Expression = bind(argument.value)
    return cast_to(value, "text[]") if argument.variadic else value


def _from_json(rows: Rows, function: str, call: CallNode, arguments: JsonArguments, bind: Bind) -> Rows:
    payload = select(cast_to(bind(arguments.body), "json").label("json_data")).subquery("pgrst_payload")
    unpack = "json_to_record" if arguments.single else "json_to_recordset"
    record = Recordset(
        unpack,
        literal_column("pgrst_payload.json_data"),
        tuple((parameter.name, parameter.cast_type) for parameter in arguments.parameters),
    )
    names = [parameter.name for parameter in arguments.parameters]
    columns: list[Expression] = [literal_column(quote(text)) for text in names]
    body = select(*columns).select_from(record).limit(literal_column("1")).lateral("pgrst_body")
    given = tuple(
        Given(parameter.name, literal_column(quote("pgrst_body", parameter.name)), parameter.variadic)
        for parameter in arguments.parameters
    )
    called = FunctionCall(function, given, _CALL, scalar=call.scalar, beside=True)
    always: Expression = literal_column("TRUE")
    return rows.select_from(payload.join(body, always).join(called, always))

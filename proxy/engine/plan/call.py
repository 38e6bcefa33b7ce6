"""Plan a function call: which function is meant, and how its arguments reach it.

Source: PostgREST 14, reference 6.1 to 6.7.
"""

import json
from collections.abc import Iterable

from proxy.engine.dialect import Dialect
from proxy.engine.fuzzy import find_similar
from proxy.engine.parse.media import MediaType
from proxy.engine.parse.payload import decode_for_postgres
from proxy.engine.parse.request import ApiRequest
from proxy.engine.plan.resolve import make_array_literal
from proxy.engine.plan.types import Group, HasNone, Predicate, ReadNode, Value, Where
from proxy.engine.plan.whole import (
    ALL_COLUMNS,
    Argument,
    CallNode,
    JsonArguments,
    NamedArguments,
    RawArgument,
)
from proxy.engine.schema import Function, Schema
from proxy.errors import ApiError, Json

_RAW_TYPES = {"json": ("json", "jsonb"), "text": ("text",), "xml": ("xml",), "octets": ("bytea",)}
_RAW_ONLY = {"text": "text", "xml": "xml", "octets": "bytea"}
_PARAMETER_SIMILARITY = 0.33


def find_function(request: ApiRequest, schema: Schema, dialect: Dialect) -> Function:
    """The one function that the names of the arguments fit.

    Raises ApiError PGRST202 where there is none, PGRST203 where there are several.
    """
    name = request.name or ""
    keys = argument_names(request)
    overloads = schema.functions.get((request.schema, name), ())
    posted = request.action == "call"
    if request.preferences.single_object:
        found = [function for function in overloads if _takes_object(function)]
    else:
        found = [function for function in overloads if _fits(function, keys, posted, request.content_type)]
    if not found and posted:
        found = [
            function
            for function in overloads
            if _takes_payload(function, request.content_type, named=dialect.names_payload)
        ]
    if not found:
        raise _not_found(request, keys, schema, dialect)
    if len(found) > 1:
        listed = ", ".join(map(_sign, found))
        message = f"Could not choose the best candidate function between: {listed}"
        hint = (
            "Try renaming the parameters or the function itself in the database "
            "so function overloading can be resolved"
        )
        raise ApiError(300, "PGRST203", message, None, hint)
    return found[0]


def argument_names(request: ApiRequest) -> frozenset[str]:
    """The names that the request gives values to."""
    if request.payload is not None:
        return request.payload.keys
    return frozenset(name for name, _ in request.parameters.arguments)


def _fits(function: Function, keys: frozenset[str], posted: bool, content: MediaType) -> bool:
    if not function.parameters:
        return not keys and not (posted and content.kind in _RAW_ONLY)
    required = {parameter.name for parameter in function.parameters if parameter.required}
    optional = {parameter.name for parameter in function.parameters if not parameter.required}
    return keys - optional == required


def _takes_object(function: Function) -> bool:
    return len(function.parameters) == 1 and function.parameters[0].type in _RAW_TYPES["json"]


def _takes_payload(function: Function, content: MediaType, *, named: bool) -> bool:
    if len(function.parameters) != 1 or (function.parameters[0].name and not named):
        return False
    return function.parameters[0].type in _RAW_TYPES.get(content.kind, ())


def _sign(function: Function) -> str:
    parameters = ", ".join(f"{parameter.name} => {parameter.type}" for parameter in function.parameters)
    return f"{function.schema}.{function.name}({parameters})"


def _not_found(request: ApiRequest, keys: frozenset[str], schema: Schema, dialect: Dialect) -> ApiError:
    names = sorted(keys)
    qualified = f"{request.schema}.{request.name}"
    raw = _RAW_ONLY.get(request.content_type.kind) if request.action == "call" else None
    whole = "json/jsonb" if request.preferences.single_object else raw and f"unnamed {raw}"
    listed = ", ".join(names)
    called = "" if whole else f"({listed})" if names else " without parameters"
    plural = "s" if len(names) > 1 else ""
    tail = f" with parameter{plural} {listed}" if names else " without parameters"
    if whole:
        tail = f" with a single {whole} parameter"
    elif request.action == "call" and request.content_type.kind == "json":
        tail += " or with a single unnamed json/jsonb parameter"
    return ApiError(
        404,
        "PGRST202",
        f"Could not find the function {qualified}{called} in the schema cache",
        f"Searched for the function {qualified}{tail}, but no matches were found in the schema cache.",
        None if whole else _suggest(request, names, schema, dialect),
    )


def _suggest(request: ApiRequest, names: list[str], schema: Schema, dialect: Dialect) -> str | None:
    name = request.name or ""
    overloads = schema.functions.get((request.schema, name))
    if overloads is None:
        known = [function for space, function in schema.functions if space == request.schema]
        similar = find_similar(name, known, dialect.name_similarity)
        best = similar[0][1] if similar else None
    else:
        lists = [_list(parameter.name for parameter in function.parameters) for function in overloads]
        similar = find_similar(_list(names), lists, _PARAMETER_SIMILARITY)
        best = name + similar[0][1] if similar else None
    return None if best is None else f"Perhaps you meant to call the function {request.schema}.{best}"


def _list(names: Iterable[str]) -> str:
    return f"({', '.join(sorted(names))})"


def make_call(function: Function, request: ApiRequest, tree: ReadNode, dialect: Dialect) -> CallNode:
    """The call of ``function`` that gives the rows for ``tree``."""
    return CallNode(
        function=(function.schema, function.name),
        arguments=_make_arguments(function, request, dialect),
        scalar=function.scalar,
        single=function.single,
        columns=() if function.scalar else _find_columns(tree, dialect),
    )


def _find_columns(tree: ReadNode, dialect: Dialect) -> tuple[str, ...]:
    needed = find_needed_columns(tree)
    if needed is None:
        return ALL_COLUMNS
    filtered = frozenset(_find_filtered(tree)) if needed and dialect.asks_for_filtered else frozenset()
    return tuple(sorted(needed | filtered))


def _make_arguments(
    function: Function, request: ApiRequest, dialect: Dialect
) -> NamedArguments | RawArgument | JsonArguments:
    payload = request.payload
    parameters = function.parameters
    if len(parameters) == 1 and (request.preferences.single_object or not parameters[0].name):
        whole = None if payload is None or payload.pairs is not None else payload.text
        raw = _make_object(function, request) if whole is None else whole
        return RawArgument(parameters[0].type, _make_raw(parameters[0].type, raw))
    keys = argument_names(request)
    given = tuple(parameter for parameter in parameters if parameter.name in keys)
    if not given:
        return NamedArguments(())
    if payload is not None and payload.pairs is None:
        return JsonArguments(Value(decode_for_postgres(payload.text)), payload.single, given)
    if dialect.json_arguments:
        return JsonArguments(Value(_make_object(function, request).decode()), True, given)
    pairs = _find_pairs(request)
    arguments = []
    for parameter in given:
        values = tuple(text for name, text in pairs if name == parameter.name)
        text = make_array_literal(values) if parameter.variadic else values[-1]
        arguments.append(Argument(parameter.name, parameter.cast_type, parameter.variadic, Value(text)))
    return NamedArguments(tuple(arguments))


def _find_pairs(request: ApiRequest) -> tuple[tuple[str, str], ...]:
    return request.parameters.arguments if request.payload is None else request.payload.pairs or ()


def _make_object(function: Function, request: ApiRequest) -> bytes:
    """The arguments of a query string or form as a JSON object of strings; arrays for the variadic one."""
    variadic = {parameter.name for parameter in function.parameters if parameter.variadic}
    values: dict[str, Json] = {}
    for name, text in _find_pairs(request):
        before = values.get(name, [])
        values[name] = [*before, text] if name in variadic and isinstance(before, list) else text
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()


def _make_raw(type_name: str, raw: bytes) -> Value:
    if type_name == "bytea":
        return Value("\\x" + raw.hex())
    return Value(decode_for_postgres(raw))


def find_needed_columns(tree: ReadNode) -> frozenset[str] | None:
    """The columns of the statement's source that ``tree`` selects or joins; None for all of them."""
    selected = {output.operand.name for output in tree.select}
    computed = any(child.link is not None and child.link.function for child in tree.children)
    if "*" in selected or computed:
        return None
    joined = {
        pair.other_column
        for child in tree.children
        if child.link is not None
        for pair in child.link.equalities
        if pair.other == tree.qualifier
    }
    return frozenset(selected | joined)


def _find_filtered(node: ReadNode) -> Iterable[str]:
    """PostgREST takes the filters of embedded resources for the function's own columns as well."""
    for condition in node.where:
        yield from _find_names(condition)
    for child in node.children:
        yield from _find_filtered(child)


def _find_names(condition: Where) -> Iterable[str]:
    match condition:
        case Predicate(operand, _, _):
            yield operand.name
        case HasNone(embed, _):
            yield embed
        case Group(_, members, _):
            for member in members:
                yield from _find_names(member)

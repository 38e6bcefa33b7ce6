"""Relations and functions as paths with operations. Source: PostgREST 14, reference 11.5."""

from collections.abc import Sequence

from proxy.config import Compat
from proxy.engine.openapi.definitions import make_arguments
from proxy.engine.openapi.parameters import name_filters, refer
from proxy.engine.openapi.render import Value, omit_absent
from proxy.engine.openapi.types import find_element, find_format, find_type
from proxy.engine.schema import Function, Parameter, Relation

JSON_TYPES = (
    "application/json",
    "application/vnd.pgrst.object+json;nulls=stripped",
    "application/vnd.pgrst.object+json",
)
_OK: dict[str, Value] = {"description": "OK"}
_CREATED: dict[str, Value] = {"description": "Created"}
_NO_CONTENT: dict[str, Value] = {"description": "No Content"}
_PARTIAL_CONTENT: dict[str, Value] = {"description": "Partial Content"}
_OF_ROWS = ("select", "order", "range", "rangeUnit", "offset", "limit", "preferCount")

ROOT: dict[str, Value] = {
    "get": {
        "produces": ["application/openapi+json", "application/json"],
        "responses": {"200": _OK},
        "summary": "OpenAPI description (this document)",
        "tags": ["Introspection"],
    }
}
"""The path of the document itself."""


def split_comment(comment: str | None) -> tuple[str | None, str | None]:
    """The first line of a comment, and the rest without the line breaks that it begins with."""
    if comment is None:
        return None, None
    first, _, rest = comment.partition("\n")
    return first, rest.lstrip("\n")


def make_relation_path(relation: Relation) -> dict[str, Value]:
    """What can be done with ``relation``: if it takes any change, every change is offered."""
    filters, body = name_filters(relation), f"body.{relation.name}"
    schema: dict[str, Value] = {"items": {"$ref": f"#/definitions/{relation.name}"}, "type": "array"}
    found: dict[str, Value] = {"200": {**_OK, "schema": schema}, "206": _PARTIAL_CONTENT}
    path: dict[str, Value] = {
        "get": _make_operation(relation, refer([*filters, *_OF_ROWS]), None, found),
    }
    if relation.insertable or relation.updatable or relation.deletable:
        path |= {
            "post": _make_operation(relation, refer([body, "select", "preferPost"]), None, {"201": _CREATED}),
            "delete": _make_operation(
                relation, refer([*filters, "preferReturn"]), None, {"204": _NO_CONTENT}
            ),
            "patch": _make_operation(
                relation, refer([*filters, body, "preferReturn"]), None, {"204": _NO_CONTENT}
            ),
        }
    return path


def make_function_path(function: Function, compat: Compat) -> dict[str, Value]:
    """How ``function`` is called; GET is not offered for volatile ones since PostgREST 13 (reference 13)."""
    arguments: dict[str, Value] = {
        "in": "body",
        "name": "args",
        "required": True,
        "schema": make_arguments(function.parameters, function.description, compat),
    }
    post = _make_operation(function, [arguments, *refer(["preferParams"])], JSON_TYPES, {"200": _OK})
    if compat != "12" and function.volatility == "volatile":
        return {"post": post}
    query: list[Value] = [_make_query_parameter(parameter, compat) for parameter in function.parameters]
    return {"get": _make_operation(function, query, JSON_TYPES, {"200": _OK}), "post": post}


def _make_operation(
    subject: Relation | Function,
    parameters: Sequence[Value],
    produces: Sequence[str] | None,
    responses: dict[str, Value],
) -> dict[str, Value]:
    summary, description = split_comment(subject.description)
    tag = f"(rpc) {subject.name}" if isinstance(subject, Function) else subject.name
    return omit_absent(
        {
            "description": description or None,
            "parameters": parameters or None,
            "produces": produces,
            "responses": responses,
            "summary": summary,
            "tags": [tag],
        }
    )


def _make_query_parameter(parameter: Parameter, compat: Compat) -> dict[str, Value]:
    kind = find_type(parameter.type)
    if parameter.variadic:
        element = find_element(parameter.type)
        items = {"format": find_format(element, compat), "type": find_type(element)}
        return {
            "collectionFormat": "multi",
            "in": "query",
            "items": omit_absent(items),
            "name": parameter.name,
            "required": parameter.required,
            "type": kind or "string",
        }
    return {
        "format": find_format(parameter.type, compat),
        "in": "query",
        "name": parameter.name,
        "required": parameter.required,
        # Swagger 2.0 wants a type here; arrays and JSON come as their text.
        "type": "string" if kind in ("array", None) else kind,
    }

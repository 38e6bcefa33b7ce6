"""The parameters that operations share. Source: PostgREST 14, reference 11.5."""

from collections.abc import Iterable, Sequence

from proxy.config import Compat
from proxy.engine.openapi.render import Value, omit_absent
from proxy.engine.schema import Relation

_RETURN = ("return=representation", "return=minimal", "return=none")
_RESOLUTION = ("resolution=ignore-duplicates", "resolution=merge-duplicates")
_COUNT = ("count=none",)
_SINGLE_OBJECT = ("params=single-object",)
_PAGING = "Limiting and Pagination"


def make_parameters(relations: Iterable[Relation], compat: Compat) -> dict[str, Value]:
    """The document's ``parameters``: those of every API, then those of each relation."""
    parameters: dict[str, Value] = {
        "preferParams": _prefer(_SINGLE_OBJECT if compat == "12" else ()),
        "preferReturn": _prefer(_RETURN),
        "preferCount": _prefer(_COUNT),
        "preferPost": _prefer((*_RETURN, *_RESOLUTION)),
        "select": _query("select", "Filtering Columns"),
        "on_conflict": _query("on_conflict", "On Conflict"),
        "order": _query("order", "Ordering"),
        "range": _header("Range", _PAGING),
        "rangeUnit": _header("Range-Unit", _PAGING, default="items"),
        "offset": _query("offset", _PAGING),
        "limit": _query("limit", _PAGING),
    }
    for relation in relations:
        parameters[f"body.{relation.name}"] = {
            "name": relation.name,
            "description": relation.name,
            "required": False,
            "in": "body",
            "schema": {"$ref": f"#/definitions/{relation.name}"},
        }
        for column in relation.columns.values():
            parameters[f"rowFilter.{relation.name}.{column.name}"] = _query(column.name, column.description)
    return parameters


def refer(names: Iterable[str]) -> list[Value]:
    """References to the shared parameters ``names``."""
    return [{"$ref": f"#/parameters/{name}"} for name in names]


def name_filters(relation: Relation) -> list[str]:
    """The names of the shared parameters that filter ``relation`` by its columns."""
    return [f"rowFilter.{relation.name}.{column}" for column in relation.columns]


def _prefer(values: Sequence[str]) -> dict[str, Value]:
    return _header("Prefer", "Preference", enum=values or None)


def _header(
    name: str, description: str, *, default: str | None = None, enum: Sequence[str] | None = None
) -> dict[str, Value]:
    return omit_absent(
        {
            "name": name,
            "description": description,
            "required": False,
            "default": default,
            "enum": enum,
            "in": "header",
            "type": "string",
        }
    )


def _query(name: str, description: str | None) -> dict[str, Value]:
    return omit_absent(
        {"name": name, "description": description, "required": False, "in": "query", "type": "string"}
    )

"""PostgreSQL's types in the words of Swagger 2.0. Source: PostgREST 14, reference 11.5."""

from proxy.config import Compat

_TYPES: dict[str, str | None] = {
    "character varying": "string",
    "character": "string",
    "text": "string",
    "boolean": "boolean",
    "smallint": "integer",
    "integer": "integer",
    "bigint": "integer",
    "numeric": "number",
    "real": "number",
    "double precision": "number",
    "json": None,
    "jsonb": None,
}
_FORMATS = {"smallint": "int32", "integer": "int32", "bigint": "int64"}
_ARRAY = "[]"


def find_type(name: str) -> str | None:
    """The Swagger type of the type ``name``; None for JSON, which may be anything."""
    return _TYPES[name] if name in _TYPES else "array" if name.endswith(_ARRAY) else "string"


def find_format(name: str, compat: Compat) -> str:
    """The Swagger format of the type ``name``; before PostgREST 14 always that name (reference 13)."""
    return _FORMATS.get(name, name) if compat == "14" else name


def find_element(name: str) -> str:
    """The type of the elements of the array type ``name``."""
    return name[: -len(_ARRAY)]

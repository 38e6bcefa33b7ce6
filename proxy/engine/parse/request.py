"""One HTTP request as what it asks of the database, before any schema is looked at.

The checks come in PostgREST's order (reference 0.3, steps 3 to 9); the first that fails is the error.
"""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias
from urllib.parse import unquote_to_bytes

from proxy.config import EngineConfig
from proxy.engine.dialect import Dialect, find_dialect
from proxy.engine.parse.media import JSON, MediaType, parse_accept, parse_media_type
from proxy.engine.parse.payload import Payload, parse_payload
from proxy.engine.parse.preferences import Preferences, parse_preferences
from proxy.engine.parse.query import QueryParameters, parse_query
from proxy.engine.parse.range import ALL_ROWS, NO_ROWS, RowRange, intersect, parse_range_header
from proxy.errors import ApiError
from proxy.messages import Request, find_headers

Action: TypeAlias = Literal["read", "call", "create", "upsert", "update", "delete", "info"]
Resource: TypeAlias = Literal["root", "relation", "function"]

_RELATION_ACTIONS: dict[str, Action] = {
    "GET": "read",
    "HEAD": "read",
    "POST": "create",
    "PUT": "upsert",
    "PATCH": "update",
    "DELETE": "delete",
    "OPTIONS": "info",
}
_FUNCTION_ACTIONS: dict[str, Action] = {"GET": "read", "HEAD": "read", "POST": "call", "OPTIONS": "info"}
_ROOT_ACTIONS: dict[str, Action] = {"GET": "read", "HEAD": "read", "OPTIONS": "info"}


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """What a client wants. There is no guarantee that any of it exists.

    ``name`` is the relation or function, None for the root. ``profile`` tells whether the answer names
    its schema. ``rows`` is the range of the root node, ``parameters.ranges`` has those of embeds.
    """

    method: str
    action: Action
    resource: Resource
    name: str | None
    schema: str
    profile: bool
    parameters: QueryParameters
    rows: RowRange
    preferences: Preferences
    accept: tuple[MediaType, ...]
    content_type: MediaType
    payload: Payload | None = None

    @property
    def writes(self) -> bool:
        """Whether rows of a relation are to change."""
        return self.resource == "relation" and self.action in ("create", "upsert", "update", "delete")

    @property
    def head(self) -> bool:
        return self.method == "HEAD"


def parse_request(request: Request, options: EngineConfig) -> ApiRequest:
    """Parse ``request`` under the settings of ``options``. Raises ApiError."""
    wanted = parse_head(request, options)
    payload = read_payload(wanted, request.body)
    return wanted if payload is None else replace(wanted, payload=payload)


def read_payload(wanted: ApiRequest, body: bytes) -> Payload | None:
    """The payload of a request with that head, where it has one. Raises ApiError PGRST102."""
    if wanted.action not in ("call", "create", "upsert", "update"):
        return None
    columns = None if wanted.action == "upsert" else wanted.parameters.columns
    return parse_payload(body, wanted.content_type, columns, function=wanted.resource == "function")


def parse_head(request: Request, options: EngineConfig) -> ApiRequest:
    """What ``request`` says without its body. Raises ApiError."""
    dialect = find_dialect(options.compat)
    preferences = parse_preferences(find_headers(request.headers, b"prefer"), dialect)
    resource, name = _route(request.path, options)
    schema, profile = _choose_schema(request, options)
    action = _act(request.method, resource)
    parameters = parse_query(request.query, resource == "function" and action == "read", dialect.not_null)
    return ApiRequest(
        method=request.method,
        action=action,
        resource=resource,
        name=name,
        schema=schema,
        profile=profile,
        parameters=parameters,
        rows=_root_rows(request, parameters, dialect),
        preferences=preferences,
        accept=parse_accept(request.header(b"accept")),
        content_type=_read_content_type(request),
    )


def _route(path: bytes, options: EngineConfig) -> tuple[Resource, str | None]:
    dialect = find_dialect(options.compat)
    segments = [unquote_to_bytes(segment) for segment in path.split(b"/")[1:]]
    match segments:
        case [] | [b""]:
            disabled = options.openapi_mode == "disabled"
            if options.db_root_spec is not None and (dialect.root_function_first or not disabled):
                return "function", options.db_root_spec.rpartition(".")[2]
            if disabled:
                raise _not_found(dialect, "PGRST126", "Root endpoint metadata is disabled")
            return "root", None
        case [name]:
            return "relation", name.decode("utf-8", "replace")
        case [b"rpc", name]:
            return "function", name.decode("utf-8", "replace")
        case _:
            raise _not_found(dialect, "PGRST125", "Invalid path specified in request URL")


def _not_found(dialect: Dialect, code: str, message: str) -> ApiError:
    return ApiError(404, code, message) if dialect.explains_paths else ApiError(404, "", "")


def _choose_schema(request: Request, options: EngineConfig) -> tuple[str, bool]:
    header = b"content-profile" if request.method in ("POST", "PUT", "PATCH", "DELETE") else b"accept-profile"
    profile = request.header(header)
    if profile is None:
        return options.db_schemas[0], len(options.db_schemas) != 1
    name = profile.decode("utf-8", "replace")
    if name not in options.db_schemas:
        exposed = ", ".join(options.db_schemas)
        if not find_dialect(options.compat).names_wrong_schema:
            raise ApiError(406, "PGRST106", f"The schema must be one of the following: {exposed}")
        hint = f"Only the following schemas are exposed: {exposed}"
        raise ApiError(406, "PGRST106", f"Invalid schema: {name}", None, hint)
    return name, True


def _act(method: str, resource: Resource) -> Action:
    if resource == "function":
        if method not in _FUNCTION_ACTIONS:
            raise ApiError(405, "PGRST101", f"Cannot use the {method} method on RPC")
        return _FUNCTION_ACTIONS[method]
    actions = _RELATION_ACTIONS if resource == "relation" else _ROOT_ACTIONS
    if method not in actions:
        raise ApiError(405, "PGRST117", f"Unsupported HTTP method: {method}")
    return actions[method]


def _read_content_type(request: Request) -> MediaType:
    value = request.header(b"content-type")
    return JSON if value is None else parse_media_type(value.decode("latin-1"))


def _root_rows(request: Request, parameters: QueryParameters, dialect: Dialect) -> RowRange:
    header = parse_range_header(request.header(b"range")) if request.method == "GET" else ALL_ROWS
    limit = parameters.root_range or ALL_ROWS
    rows = NO_ROWS if limit.limit_zero else intersect(header, limit)
    if rows.empty and not limit.limit_zero:
        raise unsatisfiable(
            "The lower boundary must be lower than or equal to the upper boundary in the Range header."
            if header.empty
            else "Limit should be greater than or equal to zero."
        )
    ranged = parameters.ranges or parameters.root_range is not None
    if dialect.limits_changes and request.method in ("PATCH", "DELETE") and ranged and not parameters.order:
        hint = "Apply an 'order' using unique column(s)"
        raise ApiError(400, "PGRST109", "A 'limit' was applied without an explicit 'order'", None, hint)
    if request.method == "PUT" and rows != ALL_ROWS:
        raise ApiError(400, "PGRST114", "limit/offset querystring parameters are not allowed for PUT")
    return rows


def unsatisfiable(details: str) -> ApiError:
    """The 416 of reference 4.1 and 4.3."""
    return ApiError(416, "PGRST103", "Requested range not satisfiable", details)

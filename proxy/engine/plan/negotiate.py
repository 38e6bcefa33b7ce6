"""Choose what the answer is made of, by ``Accept`` and ``Prefer``.

Source: PostgREST 14, reference 5.1 to 5.4 and 8.1.
"""

from proxy.config import EngineConfig
from proxy.engine.parse.media import JSON, MediaType, parse_media_type
from proxy.engine.parse.preferences import Preferences
from proxy.engine.parse.request import ApiRequest
from proxy.engine.plan.types import ReadNode
from proxy.engine.plan.whole import Body, CsvBody, CustomBody, GeoJsonBody, JsonBody
from proxy.engine.schema import Function, QualifiedName, Schema
from proxy.errors import ApiError


def choose_body(
    accept: tuple[MediaType, ...],
    root: ReadNode,
    relation: QualifiedName,
    schema: Schema,
    options: EngineConfig,
    function: Function | None = None,
) -> tuple[Body, MediaType]:
    """The body for the best acceptable media type that can be produced, and how it is labelled.

    ``relation`` is what the rows belong to, ``function`` the one that gives them, if one does. Raises
    ApiError PGRST107 when nothing fits.
    """
    for media in accept:
        if media.kind == "plan":
            found = _produce_plan(media, root, relation, schema, options, function)
        else:
            found = _produce(media, root, relation, schema, function)
        if found is not None:
            return found
    names = ", ".join(media.name for media in accept)
    raise ApiError(406, "PGRST107", f"None of these media types are available: {names}")


def _produce_plan(
    media: MediaType,
    root: ReadNode,
    relation: QualifiedName,
    schema: Schema,
    options: EngineConfig,
    function: Function | None,
) -> tuple[Body, MediaType] | None:
    if not options.db_plan_enabled or media.plan_of is None:
        return None
    found = _produce(media.plan_of, root, relation, schema, function)
    return None if found is None else (found[0], media)


def _produce(
    media: MediaType, root: ReadNode, relation: QualifiedName, schema: Schema, function: Function | None
) -> tuple[Body, MediaType] | None:
    scalar = function is not None and function.scalar
    single = function is not None and function.single
    match media.kind:
        case "object":
            return JsonBody(single=True, stripped=media.stripped, scalar=scalar and single), media
        case "array":
            return JsonBody(single=single, stripped=True, scalar=scalar), media
    custom = _find_handler(media, root, relation, schema, function)
    if custom is not None:
        return custom
    match media.kind:
        case "json" | "any":
            return JsonBody(single=single, scalar=scalar), JSON
        case "csv":
            return CsvBody(), media
        case "geojson":
            return GeoJsonBody(), media
        case _:
            return None


def _find_handler(
    media: MediaType, root: ReadNode, relation: QualifiedName, schema: Schema, function: Function | None
) -> tuple[Body, MediaType] | None:
    """A function of the database for these rows (only under the default select), or for any."""
    scalar = function is not None and function.scalar and function.single
    keys: list[tuple[QualifiedName | None, str]] = [(None, media.name)]
    if len(root.select) == 1 and root.select[0].operand.name == "*" and not root.children:
        keys = [(relation, "*/*"), (relation, media.name), *keys]
    for owner, name in keys:
        handler = schema.handlers.get((owner, name))
        if handler is not None:
            target = None if scalar else owner
            body = CustomBody(handler.function, target, scalar, handler.sender)
            return body, parse_media_type(handler.media_type)
    return None


def refuse_unknown_preferences(preferences: Preferences, schema: Schema) -> None:
    """Raises ApiError PGRST122 if the client asked for strictness and something is not understood."""
    if not preferences.strict:
        return
    unknown = preferences.doubtful
    if accept_timezone(preferences, schema) is not None:
        unknown = tuple(token for token in unknown if not token.startswith("timezone="))
    if unknown:
        details = f"Invalid preferences: {', '.join(unknown)}"
        raise ApiError(400, "PGRST122", "Invalid preferences given with handling=strict", details)


def accept_timezone(preferences: Preferences, schema: Schema) -> str | None:
    """The time zone asked for, if there is one of that name."""
    return preferences.timezone if preferences.timezone in schema.timezones else None


def accept_transaction(preferences: Preferences, options: EngineConfig) -> str | None:
    """The end of the transaction that the client asks for, if it may."""
    return preferences.transaction if options.db_tx_end.endswith("allow-override") else None


def wants_rollback(preferences: Preferences, options: EngineConfig) -> bool:
    """Whether the transaction is to be undone at its end (reference 0.6)."""
    asked = accept_transaction(preferences, options)
    return asked == "rollback" or (asked is None and options.db_tx_end.startswith("rollback"))


def name_applied(
    request: ApiRequest, schema: Schema, options: EngineConfig, *, resolved: bool = False
) -> tuple[str, ...]:
    """The preferences that are honoured, in the order in which the answer names them (reference 8.1).

    ``resolved``: rows may be in conflict with others, so that the resolution is one of them.
    """
    preferences, called = request.preferences, request.resource == "function"
    filled = request.action in ("create", "update")
    limited = preferences.strict and (called or request.action in ("update", "delete"))
    given = (
        ("resolution", preferences.resolution if resolved else None),
        ("missing", preferences.missing if filled else None),
        ("return", preferences.returning if request.writes else None),
        ("params", "single-object" if called and preferences.single_object else None),
        ("count", preferences.count),
        ("tx", accept_transaction(preferences, options)),
        ("handling", preferences.handling),
        ("timezone", accept_timezone(preferences, schema)),
        ("max-affected", preferences.max_affected if limited else None),
    )
    return tuple(f"{name}={value}" for name, value in given if value is not None)

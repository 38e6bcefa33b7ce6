"""Choose what the answer is made of, by ``Accept`` and ``Prefer``.

Source: PostgREST 14, reference 5.1 to 5.4 and 8.1.
"""

from proxy.config import EngineConfig
from proxy.engine.parse.media import JSON, MediaType, parse_media_type
from proxy.engine.parse.preferences import Preferences
from proxy.engine.plan.types import Body, CsvBody, CustomBody, JsonBody, ReadNode
from proxy.engine.schema import QualifiedName, Schema
from proxy.errors import ApiError, Unsupported


def choose_body(
    accept: tuple[MediaType, ...], root: ReadNode, schema: Schema, options: EngineConfig
) -> tuple[Body, MediaType]:
    """The body for the best acceptable media type that can be produced, and how it is labelled.

    Raises ApiError PGRST107 when there is none.
    """
    for media in accept:
        found = _produce(media, root, schema, options)
        if found is not None:
            return found
    names = ", ".join(media.name for media in accept)
    raise ApiError(406, "PGRST107", f"None of these media types are available: {names}")


def _produce(
    media: MediaType, root: ReadNode, schema: Schema, options: EngineConfig
) -> tuple[Body, MediaType] | None:
    match media.kind:
        case "object":
            return JsonBody(single=True, stripped=media.stripped), media
        case "array":
            return JsonBody(stripped=True), media
        case "plan":
            if options.db_plan_enabled:
                raise Unsupported("plan output")
            return None
    custom = _find_handler(media, root, schema)
    if custom is not None:
        return custom
    match media.kind:
        case "json" | "any":
            return JsonBody(), JSON
        case "csv":
            return CsvBody(), media
        case "geojson":
            raise Unsupported("GeoJSON output")
        case _:
            return None


def _find_handler(media: MediaType, root: ReadNode, schema: Schema) -> tuple[Body, MediaType] | None:
    """A function of the database for this relation (only under the default select), or for any."""
    keys: list[tuple[QualifiedName | None, str]] = [(None, media.name)]
    if len(root.select) == 1 and root.select[0].operand.name == "*" and not root.children:
        keys = [(root.relation, "*/*"), (root.relation, media.name), *keys]
    for key in keys:
        handler = schema.handlers.get(key)
        if handler is not None:
            return CustomBody(handler.function, key[0]), parse_media_type(handler.media_type)
    return None


def refuse_unknown_preferences(preferences: Preferences, schema: Schema) -> None:
    """Raises ApiError PGRST122 if the client asked for strictness and something is not understood."""
    unknown = list(preferences.unknown)
    if preferences.timezone is not None and preferences.timezone not in schema.timezones:
        unknown.append(f"timezone={preferences.timezone}")
    if preferences.strict and unknown:
        details = f"Invalid preferences: {', '.join(unknown)}"
        raise ApiError(400, "PGRST122", "Invalid preferences given with handling=strict", details)


def accept_timezone(preferences: Preferences, schema: Schema) -> str | None:
    """The time zone asked for, if there is one of that name."""
    return preferences.timezone if preferences.timezone in schema.timezones else None


def name_applied(preferences: Preferences, schema: Schema, options: EngineConfig) -> tuple[str, ...]:
    """The preferences a read honours, in the order in which the answer names them."""
    override = options.db_tx_end.endswith("allow-override")
    given = (
        ("count", preferences.count),
        ("tx", preferences.transaction if override else None),
        ("handling", preferences.handling),
        ("timezone", accept_timezone(preferences, schema)),
    )
    return tuple(f"{name}={value}" for name, value in given if value is not None)

"""Media types: what ``Accept`` and ``Content-Type`` name, and what answers are labelled with.

Source: PostgREST 14, reference 5.1 and 5.2.
"""

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal[
    "json",
    "array",
    "object",
    "csv",
    "geojson",
    "plan",
    "openapi",
    "text",
    "xml",
    "form",
    "octets",
    "any",
    "other",
]

_HEAD = re.compile(r"((?:[^\W_]|[.*])+)/((?:[^\W_]|[.*+-])+)")
_PARAMETER = re.compile(r"""\s*;\s*((?:[^\W_]|-)+)\s*=\s*(?:"([^"]*)"|((?:[^\W_]|[|-])+))""")
_PLAN_OPTIONS = ("analyze", "verbose", "settings", "buffers", "wal")
_NUMBER = re.compile(r"\s*[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")

_SIMPLE: dict[str, Kind] = {
    "application/json": "json",
    "application/geo+json": "geojson",
    "text/csv": "csv",
    "text/plain": "text",
    "text/xml": "xml",
    "application/openapi+json": "openapi",
    "application/x-www-form-urlencoded": "form",
    "application/octet-stream": "octets",
    "*/*": "any",
}
_NAMES = {kind: name for name, kind in _SIMPLE.items()}


@dataclass(frozen=True, slots=True)
class MediaType:
    """One media type. ``name`` is its canonical spelling, sent without a charset.

    ``stripped`` tells whether nulls are left out; ``plan_of`` and ``plan_options`` belong to plan output.
    """

    kind: Kind
    name: str
    stripped: bool = False
    plan_of: "MediaType | None" = None
    plan_options: tuple[str, ...] = ()
    plan_json: bool = False

    @property
    def content_type(self) -> str:
        """The value of a ``Content-Type`` header."""
        return self.name if self.kind in ("octets", "other") else f"{self.name}; charset=utf-8"


JSON = MediaType("json", "application/json")
ANY = MediaType("any", "*/*")
OPENAPI = MediaType("openapi", "application/openapi+json")


def parse_media_type(text: str) -> MediaType:
    """Read one media type; never fails, unknown ones are of kind ``other``."""
    head = _HEAD.match(text)
    if head is None:
        return MediaType("other", text)
    parameters: dict[str, str] = {}
    at = head.end()
    while match := _PARAMETER.match(text, at):
        parameters[match[1].lower()] = match[2] if match[2] is not None else match[3]
        at = match.end()
    name = f"{head[1]}/{head[2]}".lower()
    stripped = parameters.get("nulls") == "stripped"
    if name in _SIMPLE:
        return MediaType(_SIMPLE[name], name)
    match name.removeprefix("application/vnd.pgrst."):
        case "object" | "object+json":
            suffix = ";nulls=stripped" if stripped else ""
            return MediaType("object", f"application/vnd.pgrst.object+json{suffix}", stripped)
        case "array" | "array+json":
            return (
                MediaType("array", "application/vnd.pgrst.array+json;nulls=stripped", True)
                if stripped
                else JSON
            )
        case "plan" | "plan+text" | "plan+json" as form:
            return _plan(parameters, form.endswith("json"))
        case _:
            return MediaType("other", text)


def _plan(parameters: dict[str, str], as_json: bool) -> MediaType:
    target = parse_media_type(parameters.get("for", "application/json"))
    wanted = parameters.get("options", "").split("|")
    options = tuple(option for option in _PLAN_OPTIONS if option in wanted)
    name = f'application/vnd.pgrst.plan+{"json" if as_json else "text"}; for="{target.name}"'
    if options:
        name += f"; options={'|'.join(options)}"
    return MediaType("plan", name, False, target, options, as_json)


def parse_accept(value: bytes | None) -> tuple[MediaType, ...]:
    """The media types of an ``Accept`` header, best first; ``*/*`` where there is none."""
    if value is None:
        return (ANY,)
    if not value:
        return ()
    ranked = []
    for entry in value.decode("latin-1").split(","):
        text, found, rest = entry.replace(" ", "").partition(";q=")
        number = _NUMBER.match(rest.partition(";")[0]) if found else None
        quality = float(number[0]) if number else 1.0
        ranked.append((-quality, text.count("*") - text.count(";"), text))
    ranked.sort(key=lambda entry: entry[:2])
    return tuple(parse_media_type(text) for _, _, text in ranked)

"""The ``Prefer`` header. Source: PostgREST 14, reference 8.1 (RFC 7240)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from proxy.engine.dialect import PRESENT, Dialect
from proxy.engine.parse.range import parse_integer

_KNOWN = {
    "resolution": ("merge-duplicates", "ignore-duplicates"),
    "return": ("representation", "headers-only", "minimal"),
    "count": ("exact", "planned", "estimated"),
    "tx": ("commit", "rollback"),
    "missing": ("default", "null"),
    "handling": ("strict", "lenient"),
}
_SINGLE_OBJECT = ("params", "single-object")

Count: TypeAlias = Literal["exact", "planned", "estimated"]


@dataclass(frozen=True, slots=True)
class Preferences:
    """What the client would like; None where it said nothing that is understood.

    ``doubtful`` are the tokens not understood, in order, those of time zones among them. ``timezone`` is as
    sent: whether it exists is known to the schema cache only. ``single_object``: a function is to get its
    arguments as one object.
    """

    resolution: str | None = None
    returning: str | None = None
    count: Count | None = None
    transaction: str | None = None
    missing: str | None = None
    handling: str | None = None
    timezone: str | None = None
    max_affected: int | None = None
    single_object: bool = False
    doubtful: tuple[str, ...] = ()

    @property
    def strict(self) -> bool:
        return self.handling == "strict"


def parse_preferences(values: Iterable[bytes], dialect: Dialect = PRESENT) -> Preferences:
    """Read every ``Prefer`` header, in order; the first valid token of each preference counts."""
    # PostgREST reads header bytes as UTF-8 text.
    texts = [value.decode("utf-8", "replace") for value in values if value]
    tokens = [token.strip() for text in texts for token in text.split(",")]
    found: dict[str, str] = {}
    doubtful: list[str] = []
    for token in tokens:
        name, _, value = token.partition("=")
        if value in _KNOWN.get(name, ()) or (name in ("timezone", "max-affected") and "=" in token):
            found.setdefault(name, value)
            doubtful += [token] if name == "timezone" else []
        elif dialect.single_object_preference and (name, value) == _SINGLE_OBJECT:
            found[name] = value
        else:
            doubtful.append(token)
    return Preferences(
        resolution=found.get("resolution"),
        returning=found.get("return"),
        count=cast("Count | None", found.get("count")),
        transaction=found.get("tx"),
        missing=found.get("missing"),
        handling=found.get("handling"),
        timezone=found.get("timezone"),
        max_affected=_parse_int64(found.get("max-affected", "")),
        single_object="params" in found,
        doubtful=tuple(doubtful),
    )


def _parse_int64(text: str) -> int | None:
    """An integer of 64 bits, of which a larger one keeps the lower ones, as in PostgREST."""
    number = parse_integer(text)
    return None if number is None else (number + 2**63) % 2**64 - 2**63

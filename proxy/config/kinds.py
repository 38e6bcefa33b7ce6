"""Keys, and kinds of scalar: what a value may look like in words, as text to value and back, as JSON Schema.

A kind's ``read`` takes the text of one scalar and raises ``ValueError`` for anything else; what is then
told to the operator is the kind's ``allowed``.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from proxy.config.paths import read_steps

JsonSchema = Mapping[str, Any]

_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_SECONDS = {
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86400),
}
_BYTES = {
    "B": 1,
    "kB": 1000,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
}
_DURATION = re.compile(rf"({_NUMBER})\s*({'|'.join(_SECONDS)})?")
_SIZE = re.compile(rf"({_NUMBER})\s*({'|'.join(_BYTES)})?")
_PERCENTAGE = re.compile(rf"({_NUMBER})\s*%?")
_LONGEST_DURATION = 86400
_LONGEST_PERIOD = 366 * 86400
_LARGEST_SIZE = 2**63 - 1
_LARGEST_FACTOR = 1000


class OutOfRange(ValueError):
    """The text says a value of the right type, which is too small or too large."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of scalar.

    ``allowed`` is for people; ``read`` makes the value of a text, or raises ``ValueError``; ``show``
    writes a value as it would stand in the file. ``secret`` values are never repeated to anyone.
    ``lenient`` kinds are those for which PostgREST takes the default when it cannot parse a text.
    """

    allowed: str
    read: Callable[[str], Any]
    schema: JsonSchema
    show: Callable[[Any], str] = str
    secret: bool = False
    lenient: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the file, or one option of PostgREST.

    ``alias`` is an older name; ``restart`` says that a change waits for the next start; ``alone`` marks
    the options that only an engine without a proxy has. ``allow_empty``: an empty text is a value.
    """

    name: str
    kind: Kind
    help: str
    alias: str = ""
    restart: bool = False
    alone: bool = False
    alias_wins: bool = False
    allow_empty: bool = False

    @property
    def field(self) -> str:
        """The name of the field that holds the value."""
        return self.name.replace("-", "_")


def read_duration(text: str) -> float:
    """Seconds of ``2s``, ``500ms``, ``10m``, ``1.5h``, ``1d``, or of a plain number of seconds."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError
    seconds = float(Decimal(match[1]) * _SECONDS[match[2] or "s"])
    if not 0 < seconds <= _LONGEST_DURATION:
        raise OutOfRange
    return seconds


def read_period(text: str) -> float:
    """Seconds of ``7d`` and the like; 0 for none at all."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError
    seconds = float(Decimal(match[1]) * _SECONDS[match[2] or "s"])
    if seconds > _LONGEST_PERIOD:
        raise OutOfRange
    return seconds


def read_fraction(text: str) -> float:
    """A share between 0 and 1, neither of which it may be: ``0.001``."""
    if re.fullmatch(_NUMBER, text) is None:
        raise ValueError
    if not 0 < float(text) < 1:
        raise OutOfRange
    return float(text)


def read_factor(text: str) -> float:
    """A number above 0 to multiply by: ``1.2``."""
    if re.fullmatch(_NUMBER, text) is None:
        raise ValueError
    if not 0 < float(text) <= _LARGEST_FACTOR:
        raise OutOfRange
    return float(text)


def show_duration(seconds: float) -> str:
    """``seconds`` with the largest unit that keeps it a whole number; the inverse of ``read_duration``."""
    amount = Decimal(repr(seconds))
    for unit in ("d", "h", "m", "s", "ms"):
        count = amount / _SECONDS[unit]
        if count == count.to_integral_value():
            return f"{int(count)}{unit}"
    return f"{amount:f}s"


def read_size(text: str) -> int:
    """Bytes of ``64MiB``, ``1MB``, ``1.5GiB`` and the like, rounded down, or of a plain number of bytes."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError
    # Exact arithmetic would allocate what a thousand digits ask for; a float only gets imprecise.
    if not 1 <= float(match[1]) * _BYTES[match[2] or "B"] < _LARGEST_SIZE:
        raise OutOfRange
    return int(Decimal(match[1]) * _BYTES[match[2] or "B"])


def show_size(size: int) -> str:
    """``size`` with the largest binary unit that keeps it a whole number; the inverse of ``read_size``."""
    for unit in ("GiB", "MiB", "KiB"):
        if size >= _BYTES[unit] and size % _BYTES[unit] == 0:
            return f"{size // _BYTES[unit]}{unit}"
    return f"{size}B"


def read_percentage(text: str) -> float:
    """A share between 0 and 100 of ``25``, ``0.5`` or ``25%``."""
    match = _PERCENTAGE.fullmatch(text)
    if match is None:
        raise ValueError
    if not 0 <= float(match[1]) <= 100:
        raise OutOfRange
    return float(match[1])


def read_reason(text: str) -> str:
    """A text of some words; what says nothing is no reason."""
    if len(text.split()) < 2:
        raise ValueError
    return text


def read_member(text: str) -> str:
    """A path to a member of a row; one that would leave nothing to compare is none."""
    read_steps(text)
    return text


def read_header(text: str) -> str:
    """The name of a header."""
    if re.fullmatch(r"[A-Za-z0-9_-]+", text) is None:
        raise ValueError
    return text


def read_date(text: str) -> date:
    """A day of the calendar, as ``2027-01-31``."""
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) is None:
        raise ValueError
    return date.fromisoformat(text)


def read_operator(text: str) -> str:
    """A name without spaces and colons, which RFC 7617 does not allow in one."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}", text) is None:
        raise ValueError
    return text


def read_secret(text: str) -> str:
    """A secret that cannot be guessed and can be sent in a header."""
    if re.fullmatch(r"[!-~]{16,}", text) is None:
        raise ValueError
    return text


def read_text(text: str) -> str:
    """Any text that is not empty."""
    if not text.strip():
        raise ValueError
    return text


def read_integer(text: str) -> int:
    """A whole number, with white space around it."""
    if re.fullmatch(r"\s*-?[0-9]+\s*", text) is None:
        raise ValueError
    return int(text)


def show_number(number: float) -> str:
    """``number`` without a needless fraction."""
    return str(int(number)) if math.isfinite(number) and number == int(number) else repr(number)


def show_decimal(number: float) -> str:
    """``number`` without an exponent."""
    return f"{Decimal(repr(number)):f}".removesuffix(".0")


def read_switch(text: str) -> bool:
    """``true`` or ``false``, and nothing that YAML or people might take for it."""
    if text not in ("true", "false"):
        raise ValueError
    return text == "true"


def show_switch(value: bool) -> str:
    return "true" if value else "false"


def integer(minimum: int, maximum: int | None = None, *, unit: str = "", lenient: bool = False) -> Kind:
    """A whole number between two bounds, both inclusive; ``unit`` is for people."""

    def read(text: str) -> int:
        number = read_integer(text)
        if number < minimum or (maximum is not None and number > maximum):
            raise OutOfRange
        return number

    bounds = f"{minimum} or more" if maximum is None else f"from {minimum} to {maximum}"
    schema: dict[str, Any] = {"type": "integer", "minimum": minimum}
    if maximum is not None:
        schema["maximum"] = maximum
    text_schema = {"type": "string", "pattern": r"^\s*[0-9]+\s*$"}
    words = f"a whole number{' of ' + unit if unit else ''}, {bounds}"
    return Kind(words, read, {"anyOf": [schema, text_schema]}, show_number, lenient=lenient)


def number(minimum: float, *, words: str) -> Kind:
    """A number that is more than ``minimum``; ``words`` are for people."""

    def read(text: str) -> float:
        if re.fullmatch(_NUMBER, text) is None:
            raise ValueError
        value = float(text)
        if not minimum < value < 1e9:
            raise OutOfRange
        return value

    schema = {"anyOf": [{"type": "number", "exclusiveMinimum": minimum, "maximum": 1e9 - 1}]}
    return Kind(words, read, schema, show_number)


def choice(*values: str) -> Kind:
    """One of ``values``."""

    def read(text: str) -> str:
        if text not in values:
            raise ValueError
        return text

    numbers = [int(value) for value in values if value.isdecimal()]
    return Kind(", ".join(values), read, {"enum": [*values, *numbers]})


DURATION = Kind(
    "a duration such as 500ms, 2s, 10m or 1h (a plain number is seconds), more than 0 and at most 1d",
    read_duration,
    {
        "anyOf": [
            {"type": "number", "exclusiveMinimum": 0, "maximum": _LONGEST_DURATION},
            {"type": "string", "pattern": rf"^(?=.*[1-9]){_NUMBER}\s*({'|'.join(_SECONDS)})?$"},
        ]
    },
    show_duration,
)
PERIOD = Kind(
    "a duration such as 12h or 7d (a plain number is seconds), from 0 to 366d",
    read_period,
    {
        "anyOf": [
            {"type": "number", "minimum": 0, "maximum": _LONGEST_PERIOD},
            {"type": "string", "pattern": rf"^{_NUMBER}\s*({'|'.join(_SECONDS)})?$"},
        ]
    },
    show_duration,
)
FRACTION = Kind(
    "a number between 0 and 1, such as 0.001",
    read_fraction,
    {
        "anyOf": [
            {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
            {"type": "string", "pattern": r"^(?=.*[1-9])0+(?:\.[0-9]+)?$"},
        ]
    },
    show_decimal,
)
FACTOR = Kind(
    f"a number above 0, at most {_LARGEST_FACTOR}, such as 1.2",
    read_factor,
    {
        "anyOf": [
            {"type": "number", "exclusiveMinimum": 0, "maximum": _LARGEST_FACTOR},
            {"type": "string", "pattern": rf"^(?=.*[1-9]){_NUMBER}$"},
        ]
    },
    show_decimal,
)
SIZE = Kind(
    f"a size such as 512KiB, 64MiB or 1MB (a plain number is bytes; units: {', '.join(_BYTES)}), at least 1",
    read_size,
    {
        "anyOf": [
            {"type": "number", "minimum": 1},
            {"type": "string", "pattern": rf"^(?=.*[1-9]){_NUMBER}\s*({'|'.join(_BYTES)})?$"},
        ]
    },
    show_size,
)
PERCENTAGE = Kind(
    "a percentage from 0 to 100",
    read_percentage,
    {
        "anyOf": [
            {"type": "number", "minimum": 0, "maximum": 100},
            {"type": "string", "pattern": rf"^{_NUMBER}\s*%?$"},
        ]
    },
    show_number,
)
_TEXT_SCHEMA = {"type": "string", "pattern": r"\S"}
TEXT = Kind("a text", read_text, _TEXT_SCHEMA)
REASON = Kind("why, in two words or more", read_reason, {"type": "string", "pattern": r"\S\s+\S"})
MEMBER = Kind(
    "a path to one member of a row, such as last_access, metadata.at or items[].price; never all of a row",
    read_member,
    {"type": "string", "pattern": r"[^$*.\[\]]$"},
)
HEADER = Kind("the name of a header", read_header, {"type": "string", "pattern": r"^[A-Za-z0-9_-]+$"})
SWITCH = Kind("true or false", read_switch, {"enum": [True, False, "true", "false"]}, show_switch)
DATE = Kind(
    "a day, such as 2027-01-31", read_date, {"type": "string", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
)
OPERATOR = Kind(
    "a name of letters, digits and _ . @ -",
    read_operator,
    {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$"},
)
SECRET = Kind(
    "16 characters or more, without spaces, best as ${VAR} of a variable that holds them",
    read_secret,
    {"type": "string", "pattern": r"^[!-~]{16,}$"},
    secret=True,
)

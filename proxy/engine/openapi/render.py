"""The document as JSON text, its numbers as PostgREST writes them."""

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TypeAlias

Value: TypeAlias = bool | int | str | Decimal | Sequence["Value"] | Mapping[str, "Value"]
"""What a document is made of. Decimals are the numbers of the database."""

# What follows it in a text is a number. Half a surrogate pair cannot stand in any text of PostgreSQL.
_MARK = "\ud800"
_NUMBER = re.compile(f'"{_MARK}([^"]+)"')
_LARGEST_EXPONENT = 1024
_MOST_PLAIN_DIGITS = 7


def omit_absent(entries: Mapping[str, Value | None]) -> dict[str, Value]:
    """``entries`` without those that are None, in their order."""
    return {key: value for key, value in entries.items() if value is not None}


def render(document: Mapping[str, Value]) -> str:
    """``document`` as JSON without white space, keys in their order."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=_mark)
    return _NUMBER.sub(r"\1", text)


def _mark(value: object) -> str:
    if not isinstance(value, Decimal):
        raise TypeError(f"{type(value).__name__} has no place in a document")
    return f"{_MARK}{write_number(value)}"


def write_number(number: Decimal) -> str:
    """A finite number as the library writes it that PostgREST uses (Haskell's aeson).

    Whole numbers stay whole; a literal with a fraction keeps at least one digit of it, and has an exponent
    when it is smaller than 0.1 or has more than seven digits before the point.
    """
    _, coefficient, exponent = number.as_tuple()
    assert isinstance(exponent, int), "finite"
    minus = "-" if number < 0 else ""
    digits = "".join(map(str, coefficient))
    if 0 <= exponent <= _LARGEST_EXPONENT:
        return f"{minus}{digits if number == 0 else digits + '0' * exponent}"
    if number == 0:
        return "0.0"
    point = len(digits) + exponent
    digits = digits.rstrip("0")
    if not 0 <= point <= _MOST_PLAIN_DIGITS:
        return f"{minus}{digits[0]}.{digits[1:] or '0'}e{point - 1}"
    return f"{minus}{digits[:point].ljust(point, '0') or '0'}.{digits[point:] or '0'}"

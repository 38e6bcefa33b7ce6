"""The default of a column as a JSON value. Source: PostgREST 14, reference 11.5."""

import json
from decimal import Decimal

from proxy.engine.openapi.render import Value
from proxy.engine.openapi.types import find_type


def parse_default(type: str, expression: str) -> Value | None:
    """What the document shows for the default ``expression`` of a column of ``type``; None for nothing.

    Of strings the cast to their own type and the quotes are cut, and any other expression is shown as it
    is; either goes between quotes as it stands. Everything else is shown if it happens to be JSON.
    """
    text = expression
    if find_type(type) == "string":
        cast = f"::{type}"
        if text.endswith(cast):
            text = text.removesuffix(cast).strip("'")
        text = f'"{text}"'
    try:
        value: Value = json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=_refuse)
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except (ValueError, RecursionError):
        return None
    return value


def _refuse(constant: str) -> None:
    """Refuse what Python takes for JSON and RFC 8259 does not: NaN and the infinities."""
    raise ValueError(constant)

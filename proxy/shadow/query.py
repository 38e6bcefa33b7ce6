"""The pairs of a raw query string, read no further than comparing and grouping need."""

from typing import TypeAlias
from urllib.parse import unquote_to_bytes

Pairs: TypeAlias = tuple[tuple[str, str], ...]


def read_pairs(query: bytes) -> Pairs:
    """Key and value of every pair that has a value, decoded, in order.

    Source: reference 1.1. ``;`` separates like ``&``, ``+`` is a space in keys too, a pair without ``=``
    is ignored. Bytes that are not UTF-8 become replacement characters: such a request is an error.
    """
    pairs = (piece.partition(b"=") for piece in query.replace(b";", b"&").split(b"&"))
    return tuple((_decode(key), _decode(value)) for key, equals, value in pairs if equals)


def _decode(text: bytes) -> str:
    return unquote_to_bytes(text.replace(b"+", b" ")).decode("utf-8", "replace")

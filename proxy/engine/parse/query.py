"""The query string, sorted into what each parameter means.

Source: PostgREST 14, reference 1.1 (splitting), 1.10 (errors), 1.11 (canonical form).
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias, TypeVar
from urllib.parse import unquote_to_bytes

from proxy.engine.parse import grammar
from proxy.engine.parse.failure import ParseError
from proxy.engine.parse.parsec import Parser, parse
from proxy.engine.parse.range import RowRange, combine
from proxy.engine.parse.syntax import Condition, EmbedPath, Filter, Operation, OrderTerm, SelectItem
from proxy.errors import ApiError

T = TypeVar("T")
Pair: TypeAlias = tuple[bytes, bytes | None]

_MOST_REMEMBERED = 2048
_RESERVED = frozenset({"select", "columns", "on_conflict"})
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")
_PLAIN = re.compile(rb"[A-Za-z0-9_.~-]*")


@dataclass(frozen=True, slots=True)
class QueryParameters:
    """What a query string asks for, each part with the path of the embedded resource it belongs to.

    ``ranges`` are keyed by the raw parameter name, see ``parse_range_path``.
    ``arguments`` are the pairs that hold no operator expression: arguments of a function that is read.
    ``filter_names`` are the raw keys of all filters and arguments.
    """

    select: tuple[SelectItem, ...]
    filters: tuple[tuple[EmbedPath, Filter], ...] = ()
    logic: tuple[tuple[EmbedPath, Condition], ...] = ()
    order: tuple[tuple[EmbedPath, tuple[OrderTerm, ...]], ...] = ()
    ranges: tuple[tuple[str, RowRange], ...] = ()
    root_range: RowRange | None = None
    columns: frozenset[str] | None = None
    on_conflict: tuple[str, ...] | None = None
    arguments: tuple[tuple[str, str], ...] = ()
    filter_names: frozenset[str] = frozenset()


def split_query(query: bytes) -> list[Pair]:
    """Split at ``&`` and ``;`` and percent-decode; a pair without ``=`` has the value None."""
    pairs: list[Pair] = []
    text = query.replace(b";", b"&").removesuffix(b"&") if query else b""
    for part in text.split(b"&") if query else ():
        key, equals, value = part.partition(b"=")
        pairs.append((_decode(key), _decode(value) if equals else None))
    return pairs


def _decode(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))


def canonical_query(query: bytes) -> str:
    """The canonical form that ``Content-Location`` shows: sorted by key, like keys merged, re-encoded."""
    write = _canonical_query if len(query) <= _MOST_REMEMBERED else _canonical_query.__wrapped__
    return write(query)


@lru_cache(maxsize=512)
def _canonical_query(query: bytes) -> str:
    merged: dict[bytes, list[bytes]] = {}
    for key, value in sorted(split_query(query), key=lambda pair: pair[0]):
        merged.setdefault(key, []).append(value or b"")
    return "&".join(f"{_encode(key)}={','.join(map(_encode, values))}" for key, values in merged.items())


def _encode(text: bytes) -> str:
    if _PLAIN.fullmatch(text):
        return text.decode("ascii")
    # Bytes beyond ASCII are taken for Latin-1 characters and encoded once more (reference 1.11).
    doubled = text.decode("latin-1").encode()
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in doubled)


def _fail(what: str, text: str, error: ParseError) -> ApiError:
    message = f'"failed to parse {what} ({text})" (line {error.line}, column {error.column})'
    return ApiError(400, "PGRST100", message, error.details)


def _parse(what: str, parser: Parser[T], text: str, shown: str | None = None) -> T:
    try:
        return parse(parser, text)
    except ParseError as error:
        raise _fail(what, text if shown is None else shown, error) from None


def _decoded(query: bytes) -> list[tuple[str, str]]:
    try:
        return [(key.decode(), value.decode()) for key, value in split_query(query) if value is not None]
    except UnicodeDecodeError:
        raise ApiError(400, "PGRST100", "The query string is not valid UTF-8") from None


def _first(query: bytes, name: bytes) -> str | None:
    """The value of the first pair of that name; a first pair without ``=`` counts as absent."""
    value = next((value for key, value in split_query(query) if key == name), None)
    return None if value is None else value.decode()


def parse_query(query: bytes, with_arguments: bool = False, not_null: bool = True) -> QueryParameters:
    """Parse a raw query string; ``with_arguments`` when it calls a function by GET or HEAD.

    ``not_null``: the dialect has ``is.not_null``.
    The first error in the order of reference 0.3 (step 8) is the one raised. Raises ApiError (PGRST100).
    """
    # Long queries are seldom asked twice, and thousands of them would fill the memory.
    read = _parse_query if len(query) <= _MOST_REMEMBERED else _parse_query.__wrapped__
    return read(query, with_arguments, not_null)


@lru_cache(maxsize=1024)
def _parse_query(query: bytes, with_arguments: bool, not_null: bool) -> QueryParameters:
    pairs = _decoded(query)
    filter_value = grammar.filter_value if not_null else grammar.filter_value_without_not_null
    condition = grammar.condition if not_null else grammar.condition_without_not_null

    def ending_in(*words: str) -> list[tuple[str, str]]:
        return [(key, value) for key, value in pairs if key.rpartition(".")[2] in words]

    order = []
    for key, value in ending_in("order"):
        path, _ = _parse("tree path", grammar.tree_path, key)
        terms = _parse("order", grammar.order, value)
        order.append((path, tuple(terms)))
    logic = [_parse_logic(key, value, condition) for key, value in ending_in("and", "or")]
    columns_text = _first(query, b"columns")
    columns = None
    if columns_text is not None:
        names = _parse("columns parameter", grammar.columns, columns_text)
        columns = frozenset(names)
    select_text = _first(query, b"select")
    select = _parse("select parameter", grammar.select, "*" if select_text is None else select_text)

    filters: list[tuple[EmbedPath, Filter]] = []
    arguments: list[tuple[str, str]] = []
    filter_names = set()
    for key, value in pairs:
        if key in _RESERVED or key.rpartition(".")[2] in ("order", "limit", "offset", "and", "or"):
            continue
        filter_names.add(key)
        path, subject = _parse("tree path", grammar.tree_path, key)
        if with_arguments and _is_argument(value, filter_value):
            arguments.append((subject.name, value))
            continue
        negated, what = _parse("filter", filter_value, value)
        filters.append((path, Filter(subject, what, negated)))
    conflict = _first(query, b"on_conflict")
    targets = None if conflict is None else _parse("on_conflict parameter", grammar.columns, conflict)
    root_range, ranges = _collect_ranges(ending_in("limit"), ending_in("offset"))
    return QueryParameters(
        tuple(select),
        tuple(filters),
        tuple(logic),
        tuple(order),
        ranges,
        root_range,
        columns,
        None if targets is None else tuple(targets),
        tuple(arguments),
        frozenset(filter_names),
    )


def _is_argument(value: str, filter_value: Parser[tuple[bool, Operation]]) -> bool:
    """Whether ``value`` fails as a filter before anything of it was consumed (reference 6.2)."""
    outcome = filter_value(value, 0)
    return not outcome.good and not outcome.consumed


def _parse_logic(key: str, value: str, condition: Parser[Condition]) -> tuple[EmbedPath, Condition]:
    names = _parse("logic path", grammar.logic_path, key)
    operator = f"not.{names[-1]}" if "not" in names else names[-1]
    tree = _parse("logic tree", condition, operator + value, value)
    return tuple(name for name in names[:-1] if name != "not"), tree


_Pairs: TypeAlias = list[tuple[str, str]]


def _collect_ranges(
    limits: _Pairs, offsets: _Pairs
) -> tuple[RowRange | None, tuple[tuple[str, RowRange], ...]]:
    limit = {key.removesuffix("limit"): value for key, value in limits}
    offset = {key.removesuffix("offset"): value for key, value in offsets}
    root = combine(limit.get(""), offset.get("")) if "" in limit or "" in offset else None
    return root, tuple(
        (f"{prefix}limit", combine(limit.get(prefix), offset.get(prefix)))
        for prefix in dict.fromkeys([*limit, *offset])
        if prefix
    )


def parse_range_path(key: str) -> EmbedPath:
    """The embedded resource that a ``limit`` parameter belongs to. Raises ApiError (PGRST100).

    PostgREST looks at these paths only after it has found the table, hence not in ``parse_query``.
    """
    return _parse("tree path", grammar.tree_path, key)[0]

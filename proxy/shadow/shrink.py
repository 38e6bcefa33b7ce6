"""Smaller requests than a given one, the ones that take most away first; and the search for the smallest.

Whether a smaller request still shows what the given one shows is for the caller to find out. Parameters are
taken apart by their brackets and commas alone, so that what is proposed may well be in error: then it does
not show the same, and is not taken.
"""

import re
from collections.abc import Callable, Generator, Iterator
from urllib.parse import quote

from proxy.messages import READ_METHODS, Request
from proxy.shadow.query import read_pairs

KEPT_PARAMETERS = frozenset({b"select", b"limit"})
"""Parameters that are only made smaller: without them, the answer would be larger."""

KEPT_HEADERS = frozenset({b"host"})

_PLAIN = "!$'()*,-./:;@_~{}[]|^\"<>"
_NUMERIC = frozenset({"limit", "offset"})
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_BRACKET = re.compile(r'[()]|"(?:[^"\\]|\\.)*+"')
_GROUP = re.compile(r"(?:not\.)?(?:and|or)\(")


LONGEST = 8 * 1024


def can_shrink(request: Request) -> bool:
    """Whether asking ``request`` often changes nothing, and it is not too long to be taken apart."""
    return request.method in READ_METHODS and len(request.target) <= LONGEST


def list_smaller(request: Request) -> Iterator[Request]:
    """Every request that is a step smaller than ``request``, each once.

    With half the limit or offset; without a header; without a parameter other than ``select`` and ``limit``;
    without an item of a list, wherever in a parameter it stands, the deepest first; with the members of a
    logic tree in its place.
    """
    seen = {(request.target, request.headers)}
    for smaller in _list_steps(request):
        if (smaller.target, smaller.headers) not in seen:
            seen.add((smaller.target, smaller.headers))
            yield smaller


def search_smallest(request: Request) -> Generator[Request, bool, Request]:
    """Yields requests to try, and takes for each whether it still shows the difference.

    Gives in the end the smallest that did, of which no step smaller does; ``request`` itself if none did.
    What did not show it once is not asked for again.
    """
    smallest = request
    failed: set[tuple[bytes, object]] = set()
    progress = True
    while progress:
        progress = False
        for smaller in list_smaller(smallest):
            key = (smaller.target, smaller.headers)
            if key in failed:
                continue
            if (yield smaller):
                smallest, progress = smaller, True
                break
            failed.add(key)
    return smallest


def _list_steps(request: Request) -> Iterator[Request]:
    method, target, headers = request.method, request.target, request.headers
    path, question, query = target.partition(b"?")
    pieces = query.split(b"&") if question else []
    for shorter in _replace_values(pieces, _halve):
        yield Request(method, path + b"?" + shorter, headers)
    for index, (name, _) in enumerate(headers):
        if name.lower() not in KEPT_HEADERS:
            yield Request(method, target, headers[:index] + headers[index + 1 :])
    for index, piece in enumerate(pieces):
        if piece.partition(b"=")[0] not in KEPT_PARAMETERS:
            rest = pieces[:index] + pieces[index + 1 :]
            yield Request(method, path + (b"?" + b"&".join(rest) if rest else b""), headers)
    for shorter in _replace_values(pieces, _shorten):
        yield Request(method, path + b"?" + shorter, headers)


def _replace_values(pieces: list[bytes], change: Callable[[str, str], Iterator[str]]) -> Iterator[bytes]:
    """The query with one parameter's value changed; ``change`` gives the values for a key and its value."""
    for index, piece in enumerate(pieces):
        raw_key, equals, _ = piece.partition(b"=")
        if not equals:
            continue
        ((key, value),) = read_pairs(piece.replace(b";", b"%3B"))
        for shorter in change(key, value):
            changed = raw_key + b"=" + quote(shorter, safe=_PLAIN).encode()
            yield b"&".join([*pieces[:index], changed, *pieces[index + 1 :]])


def _halve(key: str, value: str) -> Iterator[str]:
    if key.rpartition(".")[2] in _NUMERIC and _NUMBER.fullmatch(value) and int(value) > 1:
        yield str(int(value) // 2)


def _shorten(key: str, value: str) -> Iterator[str]:
    last = key.rpartition(".")[2]
    if last not in _NUMERIC:
        yield from drop_items(value)
    if last in ("and", "or"):
        yield from _unwrap(value)


def drop_items(text: str) -> Iterator[str]:
    """``text`` without one item of one of its lists, the deepest lists first.

    A list is what stands between commas, at the top or inside brackets; what is in quotes is one word. The
    only item of a list stays: it goes with whatever the list belongs to.
    """
    items = [item for item in _find_items(text) if item[3] > 1]
    for _, start, end, _ in sorted(items, key=lambda item: (-item[0], item[1])):
        if text[end : end + 1] == ",":
            yield text[:start] + text[end + 1 :]
        else:
            yield text[: start - 1] + text[end:]


def _find_items(text: str) -> list[tuple[int, int, int, int]]:
    """Depth, start, end and number of siblings of every item of every list in ``text``."""
    items: list[tuple[int, int, int, int]] = []
    lists: list[list[tuple[int, int]]] = [[]]
    starts = [0]
    quoted = escaped = False

    def close(end: int) -> None:
        lists[-1].append((starts[-1], end))
        siblings = lists.pop()
        items.extend((len(lists), start, stop, len(siblings)) for start, stop in siblings)
        starts.pop()

    for index, symbol in enumerate(text):
        if quoted:
            quoted = escaped or symbol != '"'
            escaped = symbol == "\\" and not escaped
        elif symbol == '"':
            quoted = True
        elif symbol in "({":
            lists.append([])
            starts.append(index + 1)
        elif symbol in ")}" and len(lists) > 1:
            close(index)
        elif symbol == ",":
            lists[-1].append((starts[-1], index))
            starts[-1] = index + 1
    while lists:
        close(len(text))
    return items


def _unwrap(tree: str) -> Iterator[str]:
    """``tree`` with the members of one inner group in the group's place."""
    for match in _GROUP.finditer(tree):
        end = _find_end(tree, match.end())
        if end is not None:
            yield tree[: match.start()] + tree[match.end() : end] + tree[end + 1 :]


def _find_end(text: str, start: int) -> int | None:
    """Where the bracket that was opened before ``start`` is closed."""
    depth = 1
    for match in _BRACKET.finditer(text, start):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if depth == 0:
            return match.start()
    return None

"""Inputs put together by chance: pieces of the grammar, whole inputs that are known to work, and damage."""

from collections.abc import Callable, Sequence
from random import Random
from urllib.parse import quote_from_bytes

INJECTED = "zq'\"\\;--/*$$zq"
"""What must never stand in a statement's text, unless PostgreSQL itself has quoted it."""

WORDS = (
    *(
        "(",
        ")",
        ",",
        ".",
        ":",
        "::",
        "->",
        "->>",
        "-",
        "!",
        "...",
        "*",
        '"',
        "\\",
        "{",
        "}",
        "[",
        "]",
        " ",
        "\t",
    ),
    *(
        "a",
        "id",
        "1",
        "-3",
        "é",
        "\n",
        "\0",
        "%",
        "'",
        ";",
        "count",
        "count()",
        ".sum()",
        "eq.",
        "not.",
        "in.(",
    ),
    *("is.", "null", "or(", "and(", "not.or(", "asc", ".desc", ".nullsfirst", "any", "(any)", "fts(", "left"),
    *(
        "!inner",
        "!left",
        "text",
        "int4",
        "json",
        "like.",
        "*",
        "imatch.",
        "cs.{",
        "ov.[",
        "sl.(",
        "isdistinct.",
    ),
    *(
        "data_item",
        "storage",
        "location",
        "lone",
        "uid",
        "item_name",
        "metadata",
        "label",
        "storage_id",
        "public",
    ),
    *(INJECTED, "\udcff", "\U0001f600", "\u202e", "0" * 30, "9223372036854775808", "1e999", "NaN", "true"),
)
KEYS = (
    *("select", "order", "or", "and", "not.and", "not.or", "columns", "on_conflict", "limit", "offset"),
    *("id", "label", "uid", "item_name", "metadata->a", "metadata->>a", "storage.limit", "storage.order"),
    *("storage.id", "storage.or", "a", "a->b", "apikey"),
)
PATHS = (
    *("lone", "data_item", "storage", "location", "phase_change", "rpc/greet", "rpc/add_them", "rpc/nothing"),
    *("", "rpc/", "a%2Fb", "lone/", "%00", "nothing"),
)
METHODS = ("GET", "GET", "GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS", "FOO")
HEADERS: tuple[tuple[bytes, tuple[bytes, ...]], ...] = (
    (
        b"Prefer",
        (
            *(b"count=exact", b"return=representation", b"resolution=merge-duplicates", b"missing=default"),
            *(b"handling=strict", b"timezone=" + INJECTED.encode(), b"tx=rollback", b"max-affected=1"),
            b"params=single-object, count=planned,count=estimated",
        ),
    ),
    (b"Range", (b"0-9", b"9-0", b"-", b"0-", b"a-b", b"0-99999999999999999999", b"items=0-1")),
    (b"Range-Unit", (b"items", b"bytes")),
    (
        b"Accept",
        (
            *(b"application/json", b"text/csv", b"*/*", b"application/vnd.pgrst.object+json;nulls=stripped"),
            *(
                b"application/vnd.pgrst.plan+text; options=analyze|verbose",
                b"text/csv;q=0.5,*/*;q=0.1",
                b"a/b",
            ),
            b'application/vnd.pgrst.plan+json; for="text/csv"; options=buffers',
        ),
    ),
    (b"Accept-Profile", (b"dlm", b"zoo", b"pg_catalog", INJECTED.encode())),
    (b"Content-Profile", (b"dlm", b"zoo", b"pg_catalog")),
    (
        b"Content-Type",
        (
            *(b"application/json", b"text/csv", b"application/x-www-form-urlencoded", b"text/plain", b"a/b"),
            *(b"application/octet-stream", b"application/json; charset=latin-1", b"text/xml"),
        ),
    ),
    (b"Cookie", (b"a=b; c", b"=", b"session=" + INJECTED.encode())),
    (b"Origin", (b"null", b"http://a")),
)


def damage(dice: Random, data: bytes) -> bytes:
    """``data`` with a few of its bytes changed, doubled, left out or moved."""
    found = bytearray(data)
    for _ in range(dice.choice((0, 1, 1, 2, 3, 8))):
        if not found:
            break
        at = dice.randrange(len(found))
        match dice.randrange(6):
            case 0:
                found[at] = dice.randrange(256)
            case 1:
                del found[at : at + dice.randint(1, 8)]
            case 2:
                found[at:at] = found[at : at + dice.randint(1, 16)] * dice.randint(1, 4)
            case 3:
                found[at:at] = dice.choice(WORDS).encode("utf-8", "surrogatepass")
            case 4:
                other = dice.randrange(len(found))
                found[at], found[other] = found[other], found[at]
            case _:
                del found[at:]
    return bytes(found)


def phrase(dice: Random, longest: int = 10) -> str:
    """Words of the grammar, one after the other."""
    return "".join(dice.choices(WORDS, k=dice.randint(0, longest)))


def percent(dice: Random, text: str) -> bytes:
    """``text`` as it may stand in a URL: encoded, or mostly so, or not at all."""
    raw = text.encode("utf-8", "surrogatepass")
    return (
        raw if dice.random() < 0.2 else quote_from_bytes(raw, safe=dice.choice(("", '(),.:*!->"{}'))).encode()
    )


def query(dice: Random) -> bytes:
    """A query string."""
    pairs = []
    for _ in range(dice.choice((0, 1, 1, 2, 2, 3, 5))):
        key = dice.choice(KEYS) if dice.random() < 0.8 else phrase(dice, 4)
        value = dice.choice(STARTS) + phrase(dice, 6) if dice.random() < 0.6 else phrase(dice)
        pairs.append(percent(dice, key) + b"=" + percent(dice, value))
    return b"&".join(pairs)


STARTS = (
    *(
        "eq.",
        "in.(",
        "not.eq.",
        "is.null",
        "like(any).{",
        "fts(english).",
        "cs.",
        "id,label,",
        "*,",
        "(id.eq.",
    ),
    *("storage(", "id.desc,", "metadata->a::text", "label:item_name", "count()", "...storage(", "10", "gt."),
)


def headers(dice: Random) -> tuple[tuple[bytes, bytes], ...]:
    """A few headers that change what a request means."""
    found = []
    for _ in range(dice.choice((0, 0, 1, 2, 3))):
        name, values = dice.choice(HEADERS)
        value = dice.choice(values)
        found.append((name, damage(dice, value) if dice.random() < 0.3 else value))
    return tuple(found)


JSON_BODIES = (
    *(b'{"id":1,"label":"a"}', b'[{"id":1},{"id":2,"label":null}]', b"[]", b"{}", b"null", b'"a"', b"[[1]]"),
    *(b'{"id":1e999,"\\u0000":"\\ud800"}', b"[" * 40 + b"]" * 40, b'{"a":{"b":[1,2.50,true]}}', b"1" * 50),
    b'[{"label":"' + INJECTED.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"}]',
)
CSV_BODIES = (
    *(
        b"id,label\n1,a\n2,NULL\n",
        b'id,"la""bel"\n1,"a\nb"\n',
        b"id\n",
        b"",
        b'"',
        b"a,a\n1,2\n",
        b"id,label\n1\n",
    ),
    b"label\n" + INJECTED.encode() + b"\n",
)
FORM_BODIES = (b"id=1&label=a", b"=", b"&&", b"a=%zz", b"a=%00", b"a=b=c", b"id=1&id=2")


def body(dice: Random) -> bytes:
    """A request's body."""
    return damage(dice, dice.choice(dice.choice((JSON_BODIES, JSON_BODIES, CSV_BODIES, FORM_BODIES))))


def from_seeds(seeds: Sequence[bytes]) -> Callable[[Random], bytes]:
    """Damaged versions of ``seeds``, and now and then parts of two."""

    def make(dice: Random) -> bytes:
        seed = dice.choice(seeds)
        if dice.random() < 0.2:
            other = dice.choice(seeds)
            seed = seed[: dice.randint(0, len(seed))] + other[dice.randint(0, len(other)) :]
        return damage(dice, seed)

    return make

"""Random requests, drawn from the grammar of reference 1.2 to 1.8 over what a schema cache holds."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from hypothesis import strategies as st

from proxy.engine.schema import Column, Function, QualifiedName, Relation, Schema
from proxy.messages import Headers, Request
from tests.engine.random import damage
from tests.engine.random.values import KEYS, values_of
from tests.engine.random.world import encode

_EQUALITY = ("eq", "neq", "isdistinct")
_ORDERED = (*_EQUALITY, "gt", "gte", "lt", "lte", "eq(any)", "gt(all)")
_PATTERNS = ("like", "ilike", "match", "imatch", "like(all)", "ilike(any)")
_RANGE_TESTS = ("cs", "cd", "ov", "sl", "sr", "nxr", "nxl", "adj")
_SEARCHES = ("fts", "plfts", "phfts(english)", "wfts(simple)")
_OPERATORS = (*_ORDERED, *_PATTERNS, *_RANGE_TESTS, *_SEARCHES)
_TRUTHS = ("null", "not_null", "NULL", "true", "false", "unknown")
_DIRECTIONS = ("", ".asc", ".desc", ".nullsfirst", ".desc.nullslast", ".asc.nullsfirst")
_CASTS = (*("",) * 20, *("::text",) * 8, "::int", "::jsonb", "::nosuchtype")
_MEDIA = (
    *("application/json", "application/json", "*/*", "text/csv", "application/vnd.pgrst.object+json"),
    *("application/vnd.pgrst.array+json;nulls=stripped", "application/vnd.pgrst.object+json;nulls=stripped"),
    *("application/vnd.pgrst.plan+json", "text/plain", "application/octet-stream", "text/html;q=0.5, */*"),
    *("application/x-ndjson", "application/x-manifest", "nonsense", "", "image/png"),
)
_PREFERENCES = (
    *("count=exact", "count=planned", "count=estimated", "handling=strict", "handling=strict, foo=bar"),
    *("timezone=Africa/Johannesburg", "timezone=Nowhere", "tx=rollback", "max-affected=1", "return=minimal"),
)
_CHANGE_PREFERENCES = (
    *("return=representation", "return=representation", "return=headers-only", "return=minimal"),
    *("missing=default", "resolution=merge-duplicates", "resolution=ignore-duplicates"),
    *("handling=strict, max-affected=2", "count=exact", "tx=commit"),
)
_AGGREGATES = ("sum", "avg", "count", "max", "min")


@dataclass(frozen=True, repr=False)
class Columns:
    """Columns to draw from. Like the catalog it has no long text: Hypothesis writes its strategies down."""

    every: tuple[Column, ...] = ()

    def __repr__(self) -> str:
        return f"<{len(self.every)} columns>"

    def draw(self, draw: st.DrawFn) -> Column:
        return self.every[draw(st.integers(0, len(self.every) - 1))]


class Catalog:
    """A schema cache in a stable order, with the names of the exposed schemas, the default first."""

    def __init__(self, schema: Schema, namespaces: tuple[str, ...]) -> None:
        self.schema = schema
        self.namespaces = namespaces

    def __repr__(self) -> str:
        return f"<{len(self.schema.relations)} relations>"

    def relations(self, namespace: str) -> Sequence[Relation]:
        return [rel for key, rel in sorted(self.schema.relations.items()) if key[0] == namespace]

    def functions(self, namespace: str) -> Sequence[Function]:
        named = sorted(self.schema.functions.items())
        return [function for key, overloads in named if key[0] == namespace for function in overloads]

    def targets(self, namespace: str, relation: QualifiedName) -> Sequence[tuple[str, QualifiedName, str]]:
        """What can be embedded: the name to ask for, the relation it gives, and a hint that is right."""
        found = []
        for rel in self.schema.relationships.get((relation, namespace), ()):
            junction = getattr(rel, "junction", None)
            hint = junction.relation[1] if junction else getattr(rel, "constraint", "")
            function = getattr(rel, "function", None)
            found.append((function[1] if function else rel.target[1], rel.target, hint))
        return sorted(found)


def name(text: str) -> str:
    """A name as the grammar takes it, in quotes where it has to be."""
    if text and all(c.isalnum() or c == "_" for c in text) and text != "not":
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@st.composite
def _column(draw: st.DrawFn, columns: Columns) -> tuple[str, Column]:
    """A column with perhaps a JSON path into it, as the grammar writes it."""
    if not columns.every or draw(st.integers(0, 49)) == 49:
        return "no_such", Column("no_such", "text", "text")
    column = columns.draw(draw)
    path = ""
    if column.type.startswith("json") or draw(st.integers(0, 49)) == 49:
        steps = draw(st.lists(KEYS, max_size=2))
        path = "".join(f"->{step}" for step in steps) + draw(st.sampled_from(("", "->>zqv")))
    return name(column.name) + path, column


def _operator(type_name: str) -> st.SearchStrategy[str]:
    """Mostly one that PostgreSQL has for the type."""
    if type_name.endswith("[]"):
        fitting: Sequence[str] = (*_EQUALITY, "cs", "cd", "ov")
    elif "range" in type_name:
        fitting = (*_ORDERED, *_RANGE_TESTS)
    elif type_name in ("text", "character varying", "character", "name"):
        fitting = (*_ORDERED, *_PATTERNS, *_SEARCHES)
    elif type_name == "tsvector":
        fitting = (*_EQUALITY, *_SEARCHES)
    elif type_name == "jsonb":
        fitting = (*_ORDERED, "cs", "cd")
    else:
        fitting = _ORDERED
    kind = st.sampled_from(fitting)
    return st.one_of(kind, kind, kind, kind, kind, st.sampled_from(_OPERATORS))


@st.composite
def _operation(draw: st.DrawFn, column: Column, in_tree: bool) -> str:
    negation = draw(st.sampled_from(("", "", "", "not.")))
    kind = draw(st.integers(0, 5))
    if kind == 0:
        truths = _TRUTHS if column.type == "boolean" else _TRUTHS[:3]
        return f"{negation}is.{draw(st.sampled_from(truths))}"
    if kind == 1:
        items = draw(st.lists(values_of(column.type), max_size=4))
        return f"{negation}in.({','.join(map(_quoted, items))})"
    value = draw(values_of(column.type))
    operator = draw(_operator(column.type))
    return f"{negation}{operator}.{_quoted(value) if in_tree else value}"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


@st.composite
def _tree(draw: st.DrawFn, columns: Columns, depth: int = 0) -> str:
    members = []
    for _ in range(draw(st.integers(1, 3))):
        if depth < 3 and draw(st.integers(0, 3)) == 0:
            operator = draw(st.sampled_from(("and", "or", "not.and", "not.or")))
            members.append(operator + draw(_tree(columns, depth + 1)))
        else:
            written, column = draw(_column(columns))
            members.append(f"{written}.{draw(_operation(column, True))}")
    return f"({','.join(members)})"


@st.composite
def _select(
    draw: st.DrawFn, catalog: Catalog, namespace: str, relation: QualifiedName, depth: int
) -> tuple[str, list[tuple[str, Relation, bool]]]:
    """A select list, and what it embeds: path to it, relation, whether it is its parent's direct child."""
    known = catalog.schema.relations.get(relation)
    columns = Columns() if known is None else Columns(tuple(known.columns.values()))
    items, embedded = [], []
    for _ in range(draw(st.integers(0, 3))):
        if not columns.every or draw(st.integers(0, 5)) == 0:
            items.append("*")
            continue
        column = columns.draw(draw)
        path = draw(st.sampled_from(("", "->a", "->>b->0"))) if column.type.startswith("json") else ""
        alias = draw(st.sampled_from(("", "", "", "alias:", '"odd %(a)s":')))
        if draw(st.integers(0, 29)) == 0:
            items.append(draw(st.sampled_from(("count()", "total:count()", "count()::text"))))
        aggregate = ""
        if draw(st.integers(0, 19)) == 0:
            aggregate = f".{draw(st.sampled_from(_AGGREGATES))}(){draw(st.sampled_from(_CASTS))}"
        items.append(f"{alias}{name(column.name)}{path}{draw(st.sampled_from(_CASTS))}{aggregate}")
    targets = catalog.targets(namespace, relation)
    for number in range(draw(st.integers(0, 2)) if targets and depth < 4 else 0):
        target, inner, hint = draw(st.sampled_from(targets))
        spread = draw(st.integers(0, 4)) == 0
        alias = "" if spread or draw(st.booleans()) else f"e{depth}{number}"
        hinted = f"!{name(hint)}" if hint and draw(st.integers(0, 3)) else ""
        join = draw(st.sampled_from(("", "", "!inner", "!left")))
        inside, deeper = draw(_select(catalog, namespace, inner, depth + 1))
        items.append(f"{'...' if spread else alias and alias + ':'}{name(target)}{hinted}{join}({inside})")
        key = alias or name(target)
        if inner in catalog.schema.relations:
            embedded.append((key, catalog.schema.relations[inner], True))
        embedded += [(f"{key}.{path}", rel, False) for path, rel, _ in deeper]
    return ",".join(items), embedded


@st.composite
def query_of(
    draw: st.DrawFn, catalog: Catalog, namespace: str, relation: QualifiedName
) -> list[tuple[str, str]]:
    """The parameters of a read of ``relation``."""
    pairs: list[tuple[str, str]] = []
    known = catalog.schema.relations.get(relation)
    nodes = [("", known)] if known is not None else []
    if draw(st.integers(0, 4)):
        select, embedded = draw(_select(catalog, namespace, relation, 0))
        pairs.append(("select", select))
        nodes += [(f"{path}.", rel) for path, rel, _ in embedded]
        pairs += [
            (path, draw(st.sampled_from(("is.null", "not.is.null"))))
            for path, _, direct in embedded
            if direct and draw(st.integers(0, 9)) == 0
        ]
    for prefix, rel in nodes:
        columns = Columns(tuple(rel.columns.values()))
        for _ in range(draw(st.integers(0, 2))):
            written, column = draw(_column(columns))
            pairs.append((prefix + written, draw(_operation(column, False))))
        if draw(st.integers(0, 4)) == 0:
            pairs.append((prefix + draw(st.sampled_from(("or", "and", "not.or"))), draw(_tree(columns))))
        if columns.every and draw(st.integers(0, 2)) == 0:
            terms = draw(st.lists(_column(columns), min_size=1, max_size=2))
            ordered = [column for column, _ in terms]
            if not prefix and len(nodes) > 1 and draw(st.booleans()):
                embed, related = nodes[-1]
                ordered.append(f"{embed.rstrip('.')}({name(draw(st.sampled_from(list(related.columns))))})")
            order = ",".join(term + draw(st.sampled_from(_DIRECTIONS)) for term in ordered)
            pairs.append((prefix + "order", order))
        if draw(st.integers(0, 3)) == 0:
            pairs.append(
                (
                    prefix + "limit",
                    draw(st.sampled_from(("1", "3", "90210", "0", "1", "3", "90210", "0", "-1", "zqv"))),
                )
            )
        if draw(st.integers(0, 5)) == 0:
            pairs.append((prefix + "offset", draw(st.sampled_from(("0", "1", "2", "1", "0", "90210", "-1")))))
    return pairs


@st.composite
def _headers(draw: st.DrawFn, namespace: str | None) -> Headers:
    found = []
    if draw(st.booleans()):
        found.append(("Accept", draw(st.sampled_from((*_MEDIA[:4] * 3, *_MEDIA)))))
    if draw(st.integers(0, 2)) == 0:
        found.append(("Prefer", draw(st.sampled_from(_PREFERENCES))))
    if draw(st.integers(0, 5)) == 0:
        ranges = ("0-1", "1-2", "90210-", "-1", "zqv", "2-1", "0-90210999999999999999999")
        found += [("Range-Unit", "items"), ("Range", draw(st.sampled_from(ranges)))]
    if namespace is not None:
        found.append(("Accept-Profile", namespace))
    return encode(*found)


@st.composite
def reads(draw: st.DrawFn, catalog: Catalog) -> Request:
    """A read of a relation."""
    namespace = draw(st.sampled_from((*catalog.namespaces, catalog.namespaces[0])))
    relations = catalog.relations(namespace)
    relation = relations[draw(st.integers(0, len(relations) - 1))]
    pairs = draw(query_of(catalog, namespace, (namespace, relation.name)))
    profile = None if namespace == catalog.namespaces[0] else namespace
    return Request(
        draw(st.sampled_from(("GET", "GET", "GET", "HEAD"))),
        target_of([relation.name], pairs),
        draw(_headers(profile)),
    )


@st.composite
def calls(draw: st.DrawFn, catalog: Catalog) -> Request:
    """A call by GET of a function that is not volatile."""
    functions = [
        found
        for namespace in catalog.namespaces
        for found in catalog.functions(namespace)
        if found.volatility != "volatile"
    ]
    function = functions[draw(st.integers(0, len(functions) - 1))]
    namespace = function.schema
    pairs = []
    for parameter in function.parameters:
        if parameter.required or draw(st.booleans()):
            for _ in range(draw(st.integers(1, 2)) if parameter.variadic else 1):
                pairs.append((name(parameter.name), draw(values_of(parameter.type))))
    pairs += draw(query_of(catalog, namespace, function.returns))
    profile = None if namespace == catalog.namespaces[0] else namespace
    return Request(
        draw(st.sampled_from(("GET", "GET", "HEAD"))),
        target_of(["rpc", function.name], pairs),
        draw(_headers(profile)),
    )


@st.composite
def _payload(draw: st.DrawFn, columns: Columns) -> bytes:
    """Rows of one key set, as JSON; now and then of none, or with a key that no column has."""
    given = {draw(_column(columns))[0].partition("->")[0].strip('"') for _ in range(draw(st.integers(0, 3)))}
    known = {column.name: column.type for column in columns.every}

    def row() -> dict[str, str | None]:
        return {
            key: None if draw(st.integers(0, 9)) == 9 else draw(values_of(known.get(key, "text")))
            for key in given
        }

    rows = [row() for _ in range(draw(st.integers(0, 2)))]
    whole = row() if draw(st.booleans()) else rows
    return json.dumps(whole, ensure_ascii=False).encode()


@st.composite
def changes(draw: st.DrawFn, catalog: Catalog) -> Request:
    """A change of a relation, perhaps of one that cannot be changed."""
    namespace = draw(st.sampled_from((*catalog.namespaces, catalog.namespaces[0])))
    relations = catalog.relations(namespace)
    relation = relations[draw(st.integers(0, len(relations) - 1))]
    columns = Columns(tuple(relation.columns.values()))
    method = draw(st.sampled_from(("POST", "POST", "PATCH", "PATCH", "PUT", "DELETE")))
    pairs = draw(query_of(catalog, namespace, (namespace, relation.name)))
    if method == "PUT":
        pairs = [(key, f"eq.{draw(values_of('integer'))}") for key in relation.key]
    if method == "POST" and draw(st.integers(0, 4)) == 0:
        pairs.append(("on_conflict", ",".join(map(name, relation.key)) or "no_such"))
    if method in ("PATCH", "DELETE") and relation.key and draw(st.integers(0, 3)) == 0:
        order = ",".join(name(key) + draw(st.sampled_from(_DIRECTIONS)) for key in relation.key)
        pairs += [("order", order), ("limit", draw(st.sampled_from(("0", "1", "2", "90210"))))]
    if method != "DELETE" and columns.every and draw(st.integers(0, 9)) == 0:
        pairs.append(("columns", ",".join(name(columns.draw(draw).name) for _ in range(2))))
    preferences = draw(st.lists(st.sampled_from(_CHANGE_PREFERENCES), max_size=3))
    found = [("Prefer", preference) for preference in preferences]
    if namespace != catalog.namespaces[0]:
        found.append(("Content-Profile", namespace))
    body = b"" if method == "DELETE" else draw(_payload(columns))
    return Request(method, target_of([relation.name], pairs), encode(*found), body)


def target_of(path: Sequence[str], pairs: Sequence[tuple[str, str]]) -> bytes:
    """A request target, everything in it encoded that has to be."""
    where = "/" + "/".join(quote(part, safe="") for part in path)
    query = "&".join(f"{quote(key, safe='.')}={quote(value, safe='.,():*!')}" for key, value in pairs)
    return (where + ("?" + query if query else "")).encode()


def requests(catalog: Catalog) -> st.SearchStrategy[Request]:
    """Reads and calls, one in five damaged."""
    whole = st.one_of(reads(catalog), reads(catalog), calls(catalog))
    return st.one_of(whole, whole, whole, whole, whole.flatmap(damage.damaged))

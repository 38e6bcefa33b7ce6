"""Nouns, printed by the grammar of reference 1.2 to 1.8, are parsed back to the same nouns."""

import re
from typing import assert_never, get_args

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.engine.parse.query import QueryParameters, parse_query
from proxy.engine.parse.range import combine
from proxy.engine.parse.syntax import (
    Aggregate,
    Comparison,
    Condition,
    EmbedPath,
    Field,
    Filter,
    InList,
    IsDistinctFrom,
    IsTruth,
    JsonStep,
    LogicGroup,
    Operation,
    OrderTerm,
    SelectField,
    SelectItem,
    SelectRelation,
    TextSearch,
    Truth,
)

RESERVED = {"select", "columns", "on_conflict", "order", "limit", "offset", "and", "or", "not", "count", "*"}
PLAIN = re.compile(r"[A-Za-z0-9_$]+(?:-[A-Za-z0-9_$]+)*")
PLAIN_KEY = re.compile(r"[A-Za-z_!@#$%^&*+/]+(?:-[a-z]+)*")
QUANTIFIED = ("eq", "gt", "gte", "lt", "lte", "like", "ilike", "match", "imatch")
UNQUANTIFIED = ("neq", "cs", "cd", "ov", "sl", "sr", "nxr", "nxl", "adj")

# The printer


def quote(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def print_name(name: str) -> str:
    return name if PLAIN.fullmatch(name) and name not in RESERVED else quote(name)


def print_step(step: JsonStep) -> str:
    arrow = "->>" if step.as_text else "->"
    if step.index:
        return arrow + step.key.removeprefix("+")
    return arrow + (step.key if PLAIN_KEY.fullmatch(step.key) else quote(step.key))


def print_field(field: Field) -> str:
    return print_name(field.name) + "".join(map(print_step, field.path))


def print_operation(operation: Operation, negated: bool, *, in_tree: bool) -> str:
    def operand(value: str) -> str:
        return quote(value) if in_tree else value

    match operation:
        case Comparison(operator, value, None):
            text = f"{operator}.{operand(value)}"
        case Comparison(operator, value, quantifier):
            text = f"{operator}({quantifier}).{operand(value)}"
        case InList(values):
            text = f"in.({','.join(map(quote, values))})"
        case IsTruth(truth):
            text = f"is.{truth}"
        case IsDistinctFrom(value):
            text = f"isdistinct.{operand(value)}"
        case TextSearch(operator, value, None):
            text = f"{operator}.{operand(value)}"
        case TextSearch(operator, value, language):
            text = f"{operator}({language}).{operand(value)}"
        case _:
            assert_never(operation)
    return f"not.{text}" if negated else text


def print_condition(condition: Condition) -> str:
    if isinstance(condition, Filter):
        what = print_operation(condition.operation, condition.negated, in_tree=True)
        return f"{print_field(condition.field)}.{what}"
    return ("not." if condition.negated else "") + condition.operator + print_members(condition)


def print_members(group: LogicGroup) -> str:
    return f"({','.join(map(print_condition, group.members))})"


def print_term(term: OrderTerm) -> str:
    field = print_field(term.field)
    text = field if term.relation is None else f"{print_name(term.relation)}({field})"
    if term.descending is not None:
        text += ".desc" if term.descending else ".asc"
    if term.nulls_first is not None:
        text += ".nullsfirst" if term.nulls_first else ".nullslast"
    return text


def print_item(item: SelectItem) -> str:
    alias = "" if item.alias is None else f"{print_name(item.alias)}:"
    if isinstance(item, SelectRelation):
        spread = "..." if item.spread else ""
        hint = "" if item.hint is None else f"!{quote(item.hint)}"
        join = "" if item.join is None else f"!{item.join}"
        return f"{spread}{alias}{print_name(item.relation)}{hint}{join}({print_items(item.items)})"
    cast = "" if item.cast is None else f"::{item.cast}"
    after = "" if item.aggregate_cast is None else f"::{item.aggregate_cast}"
    if item.aggregate is None:
        return f"{alias}{print_field(item.field)}{cast}"
    return f"{alias}{print_field(item.field)}{cast}.{item.aggregate}(){after}"


def print_items(items: tuple[SelectItem, ...]) -> str:
    return ",".join(map(print_item, items))


def print_key(path: EmbedPath, last: str) -> str:
    return ".".join((*map(print_name, path), last))


def print_query(parameters: QueryParameters, limits: dict[EmbedPath, tuple[int, int]]) -> bytes:
    """The query string that asks for ``parameters``, percent-encoded throughout."""
    pairs = [("select", print_items(parameters.select))]
    for path, subject in parameters.filters:
        what = print_operation(subject.operation, subject.negated, in_tree=False)
        pairs.append((print_key(path, print_field(subject.field)), what))
    for path, tree in parameters.logic:
        assert isinstance(tree, LogicGroup)
        negation = "not." if tree.negated else ""
        pairs.append((print_key(path, negation + tree.operator), print_members(tree)))
    for path, terms in parameters.order:
        pairs.append((print_key(path, "order"), ",".join(map(print_term, terms))))
    for path, (limit, offset) in limits.items():
        pairs += [(print_key(path, "limit"), str(limit)), (print_key(path, "offset"), str(offset))]
    if parameters.columns is not None:
        pairs.append(("columns", ",".join(map(print_name, parameters.columns))))
    if parameters.on_conflict is not None:
        pairs.append(("on_conflict", " , ".join(map(print_name, parameters.on_conflict))))
    return b"&".join(encode(key) + b"=" + encode(value) for key, value in pairs)


def encode(text: str) -> bytes:
    return b"".join(b"%%%02x" % byte for byte in text.encode())


# The nouns

anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
PLAIN_NAMES = (
    "a",
    "id",
    "item_name",
    "user-id",
    "A-1-_",
    "7",
    "$",
    "__",
    "left_fk",
    "inner",
    "asc",
    "eq",
    "null",
)
names = st.sampled_from(sorted({*PLAIN_NAMES, *RESERVED})) | anything
embeds = names.filter(lambda name: name != "not")
words = st.sampled_from(["text", "double precision", "_x$1", "MyType", "english"])
keys = st.builds(
    JsonStep, st.booleans(), st.sampled_from(["k", "with-dash", "!@#$%^&*_a", "1", "-1"]) | anything
)
indexes = st.builds(JsonStep, st.booleans(), st.sampled_from(["+0", "-1", "+007", "-120"]), st.just(True))
steps = keys | indexes
# An index directly before a closing parenthesis would be read as a key (reference 1.3).
inner_fields = st.builds(
    Field, names, st.just(()) | st.tuples(keys) | st.tuples(steps, keys) | st.tuples(steps, steps, keys)
)
fields = inner_fields | st.builds(Field, names, st.lists(steps, max_size=3).map(tuple))

operations: st.SearchStrategy[Operation] = st.one_of(
    st.builds(Comparison, st.sampled_from(QUANTIFIED), anything, st.sampled_from([None, "any", "all"])),
    st.builds(Comparison, st.sampled_from(UNQUANTIFIED), anything),
    st.builds(InList, st.lists(anything, min_size=1, max_size=3).map(tuple)),
    st.builds(IsTruth, st.sampled_from(get_args(Truth))),
    st.builds(IsDistinctFrom, anything),
    st.builds(TextSearch, st.sampled_from(["fts", "plfts", "phfts", "wfts"]), anything, st.none() | words),
)
filters = st.builds(Filter, fields, operations, st.booleans())


def groups(members: st.SearchStrategy[Condition]) -> st.SearchStrategy[LogicGroup]:
    some = st.lists(members, min_size=1, max_size=3).map(tuple)
    return st.builds(LogicGroup, st.sampled_from(["and", "or"]), some, st.booleans())


conditions: st.SearchStrategy[Condition] = st.recursive(filters, groups, max_leaves=6)
directions = st.sampled_from([None, False, True])
terms = st.one_of(
    st.builds(OrderTerm, fields, directions, directions),
    st.builds(OrderTerm, inner_fields, directions, directions, names),
)
plain_items = st.builds(SelectField, inner_fields, st.none() | names, st.none() | words)
aggregates = st.builds(
    SelectField,
    fields,
    st.none() | names,
    st.none() | words,
    st.sampled_from(get_args(Aggregate)),
    st.none() | words,
)


def relations(items: st.SearchStrategy[SelectItem]) -> st.SearchStrategy[SelectItem]:
    inside = st.lists(items, max_size=3).map(tuple)
    # The name count is taken by the aggregate, so no relation of that name can be embedded.
    targets = names.filter(lambda name: name != "count")
    hints = st.none() | anything
    joins = st.sampled_from([None, "left", "inner"])
    return st.one_of(
        st.builds(SelectRelation, targets, inside, st.none() | names, hints, joins, st.just(False)),
        st.builds(SelectRelation, names, inside, st.none(), hints, joins, st.just(True)),
    )


items: st.SearchStrategy[SelectItem] = st.recursive(plain_items | aggregates, relations, max_leaves=6)
paths = st.lists(embeds, max_size=2).map(tuple)
limits = st.dictionaries(paths, st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=2)


@st.composite
def queries(draw: st.DrawFn) -> tuple[bytes, QueryParameters]:
    """A query string and what it must be parsed to."""
    wanted = draw(limits)
    ranges = {path: combine(str(limit), str(offset)) for path, (limit, offset) in wanted.items()}
    root_range = ranges.pop((), None)
    filtered = draw(st.lists(st.tuples(paths, filters), max_size=3))
    parameters = QueryParameters(
        select=tuple(draw(st.lists(items, max_size=3))),
        filters=tuple(filtered),
        logic=tuple(draw(st.lists(st.tuples(paths, groups(conditions)), max_size=2))),
        order=tuple(
            draw(st.lists(st.tuples(paths, st.lists(terms, min_size=1, max_size=3).map(tuple)), max_size=2))
        ),
        ranges=tuple((print_key(path, "limit"), rows) for path, rows in ranges.items()),
        root_range=root_range,
        columns=draw(st.none() | st.frozensets(names, min_size=1, max_size=3)),
        on_conflict=draw(st.none() | st.lists(names, min_size=1, max_size=3).map(tuple)),
        filter_names=frozenset(print_key(path, print_field(subject.field)) for path, subject in filtered),
    )
    return print_query(parameters, wanted), parameters


@given(queries())
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_a_printed_query_is_parsed_to_what_was_printed(printed: tuple[bytes, QueryParameters]) -> None:
    query, parameters = printed
    assert parse_query(query) == parameters


@given(queries())
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
def test_for_functions_the_same_query_means_the_same(printed: tuple[bytes, QueryParameters]) -> None:
    query, parameters = printed
    assert parse_query(query, with_arguments=True) == parameters

"""The grammar of select, filters, logic trees and order: text in, nouns of ``syntax`` out.

Source: PostgREST 14, reference 1.2 to 1.9; the order of alternatives decides the texts of errors.
"""

from typing import Any

from proxy.engine.parse.parsec import (
    Outcome,
    Parser,
    any_char,
    apply,
    attempt,
    before,
    bind,
    char,
    choice,
    digit,
    end_of_input,
    fail,
    label,
    look_ahead,
    many,
    meaning,
    none_of,
    not_followed_by,
    optional,
    separated,
    sequence,
    some,
    span,
    span1,
    string,
    succeed,
    then,
)
from proxy.engine.parse.syntax import (
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
)

spaces = span(lambda c: c in " \t")


def lexeme(parser: Parser[Any]) -> Parser[Any]:
    """``parser`` with blanks and tabs allowed on either side."""
    return apply(lambda _, value, __: value, spaces, parser, spaces)


def parenthesised(parser: Parser[Any]) -> Parser[Any]:
    """``parser`` between parentheses."""
    return apply(lambda _, value, __: value, char("("), parser, char(")"))


# Names, reference 1.2


def _is_identifier(character: str) -> bool:
    return character.isalpha() or character in "0123456789_ $"


identifier: Parser[str] = apply(str.strip, span1(_is_identifier, "letter", "digit"))
_slashed = choice(none_of('\\"'), then(char("\\"), any_char))
quoted: Parser[str] = apply(lambda _, value, __: "".join(value), char('"'), many(_slashed), char('"'))
_dash = attempt(then(char("-"), not_followed_by(char(">"))))


def dashed(part: Parser[str]) -> Parser[str]:
    """``part`` once or more, joined by single dashes that start no JSON arrow."""
    return apply("-".join, separated(part, _dash))


field_name: Parser[str] = label(choice(quoted, dashed(identifier)), "field name (* or [a..z0..9_$])")
delimiter = label(char("."), "delimiter (.)")

# JSON paths, reference 1.3

_path_end = choice(
    *(attempt(meaning(look_ahead(string(text)), None)) for text in ("->", "::", ".", ",")),
    attempt(end_of_input),
)
_json_key_part = apply(str.strip, span1(lambda c: c not in "(-:.,>)"))
_json_key = label(choice(quoted, dashed(_json_key_part)), "any non reserved character different from: .,>()")
_json_index = before(
    apply(lambda sign, digits: sign + "".join(digits), optional(char("-"), "+"), some(digit)), _path_end
)
_json_operand = choice(
    attempt(apply(lambda key: (key, True), _json_index)),
    attempt(apply(lambda key: (key, False), _json_key)),
)
_json_arrow = choice(attempt(meaning(string("->>"), True)), attempt(meaning(string("->"), False)))
json_path: Parser[tuple[JsonStep, ...]] = apply(
    tuple, many(apply(lambda as_text, operand: JsonStep(as_text, *operand), _json_arrow, _json_operand))
)
field: Parser[Field] = lexeme(apply(Field, field_name, optional(json_path, ())))
tree_path: Parser[tuple[EmbedPath, Field]] = apply(
    lambda names, path: (tuple(names[:-1]), Field(names[-1], path)),
    separated(field_name, delimiter),
    optional(json_path, ()),
)

# Filters, reference 1.4 to 1.6

_SIMPLE = ("neq", "cs", "cd", "ov", "sl", "sr", "nxr", "nxl", "adj")
_QUANTIFIED = ("eq", "gte", "gt", "lte", "lt", "like", "ilike", "match", "imatch")
_SEARCHES = ("fts", "plfts", "phfts", "wfts")


def _tokens(*words: str) -> Parser[str]:
    return choice(*(attempt(string(word)) for word in words))


def _ignoring_case(word: str) -> Parser[Any]:
    return sequence(*(choice(char(c), char(c.upper())) for c in word))


def _pairs(words: tuple[str, ...]) -> list[Parser[Any]]:
    return [attempt(meaning(_ignoring_case(word), word)) for word in words]


single_value: Parser[str] = span(lambda _: True)
_unquoted = span(lambda c: c not in ",)")
_whole_quoted = attempt(before(quoted, not_followed_by(none_of(",)"))))
_list_element = choice(_whole_quoted, _unquoted)
_list = before(
    then(lexeme(char("(")), separated(_list_element, char(","))),
    lexeme(char(")")),
)
_truth = label(
    choice(*_pairs(("null", "not_null", "true", "false", "unknown"))),
    "isVal: (null, not_null, true, false, unknown)",
)
_trilean = label(
    choice(*_pairs(("null", "unknown", "true", "false"))),
    "null or trilean value (unknown, true, false)",
)
_quantifier = attempt(parenthesised(choice(attempt(string("any")), string("all"))))
_language = attempt(parenthesised(identifier))
_simple = label(_tokens(*_SIMPLE), "unknown single value operator")
_quantified = label(_tokens(*_QUANTIFIED), "unknown single value operator")
_negation = choice(attempt(meaning(then(string("not"), delimiter), True)), succeed(False))


def operation(value: Parser[str], truth: Parser[str] = _truth) -> Parser[tuple[bool, Operation]]:
    """``[not.]operator.value``; gives whether it is negated, and the operation.

    ``truth`` is what may follow ``is``.
    """

    def word(name: str) -> Parser[Any]:
        return attempt(then(string(name), delimiter))

    alternatives = choice(
        apply(lambda items: InList(tuple(items)), then(word("in"), _list)),
        apply(IsTruth, then(word("is"), truth)),
        apply(IsDistinctFrom, then(word("isdistinct"), value)),
        attempt(
            apply(
                lambda operator, language, _, text: TextSearch(operator, text, language),
                _tokens(*_SEARCHES),
                optional(_language, None),
                delimiter,
                value,
            )
        ),
        attempt(apply(lambda operator, _, text: Comparison(operator, text), _simple, delimiter, value)),
        attempt(
            apply(
                lambda operator, quantifier, _, text: Comparison(operator, text, quantifier),
                _quantified,
                optional(_quantifier, None),
                delimiter,
                value,
            )
        ),
    )
    return sequence(_negation, label(alternatives, "operator (eq, gt, ...)"))


filter_value: Parser[tuple[bool, Operation]] = operation(single_value)
filter_value_without_not_null: Parser[tuple[bool, Operation]] = operation(single_value, _trilean)

# Logic trees, reference 1.5

_braced = attempt(apply(lambda a, b, c: a + b + c, string("{"), span(lambda c: c not in "{}"), string("}")))
_logic_value = choice(_whole_quoted, _braced, _unquoted)
_logic_negation = label(_negation, "negation operator (not)")
_logic_operator = label(choice(attempt(string("and")), string("or")), "logic operator (and, or)")


def _make_condition(truth: Parser[str]) -> Parser[Condition]:
    def nested(text: str, at: int) -> Outcome[Condition]:
        return made(text, at)

    what = operation(_logic_value, truth)
    made: Parser[Condition] = choice(
        attempt(apply(lambda subject, _, what: Filter(subject, what[1], what[0]), field, delimiter, what)),
        apply(
            lambda negated, operator, _, members, __: LogicGroup(operator, tuple(members), negated),
            _logic_negation,
            _logic_operator,
            lexeme(char("(")),
            separated(nested, lexeme(char(","))),
            lexeme(char(")")),
        ),
    )
    return made


condition: Parser[Condition] = _make_condition(_truth)
condition_without_not_null: Parser[Condition] = _make_condition(_trilean)
logic_path: Parser[list[str]] = separated(field_name, delimiter)

# Order, reference 1.8

_term_end = choice(attempt(meaning(look_ahead(char(",")), None)), attempt(end_of_input))
_direction = choice(
    attempt(meaning(then(delimiter, string("asc")), False)),
    attempt(meaning(then(delimiter, string("desc")), True)),
)
_nulls = choice(
    attempt(meaning(then(delimiter, string("nullsfirst")), True)),
    attempt(meaning(then(delimiter, string("nullslast")), False)),
)
_last_nulls = choice(before(optional(_nulls, None), _term_end), meaning(_term_end, None))
_plain_term = apply(OrderTerm, field, optional(_direction, None), _last_nulls)
_related_term = apply(
    lambda relation, column, direction, nulls: OrderTerm(column, direction, nulls, relation),
    field_name,
    parenthesised(field),
    optional(_direction, None),
    _last_nulls,
)
order: Parser[list[OrderTerm]] = separated(lexeme(choice(attempt(_related_term), _plain_term)), char(","))

# Select, reference 1.7

_alias = optional(attempt(before(field_name, then(char(":"), not_followed_by(char(":"))))), None)
_cast = optional(then(string("::"), identifier), None)
_item_end = choice(
    attempt(meaning(look_ahead(string(")")), None)),
    attempt(meaning(look_ahead(string(",")), None)),
    attempt(end_of_input),
)
_aggregate = choice(
    string("sum"), string("avg"), string("count"), attempt(string("max")), attempt(string("min"))
)
_plain_field = apply(
    lambda alias, subject, cast, aggregate, aggregate_cast, _: SelectField(
        subject, alias, cast, aggregate, aggregate_cast
    ),
    _alias,
    field,
    _cast,
    optional(attempt(before(then(char("."), _aggregate), string("()"))), None),
    _cast,
    _item_end,
)
select_field: Parser[SelectField] = lexeme(
    choice(
        attempt(apply(lambda star, _: SelectField(Field(star)), string("*"), _item_end)),
        attempt(
            apply(
                lambda alias, _, cast, __: SelectField(Field("*"), alias, None, "count", cast),
                _alias,
                string("count()"),
                _cast,
                _item_end,
            )
        ),
        _plain_field,
    )
)

_embed_parameter = then(
    char("!"),
    choice(
        attempt(meaning(string("left"), ("join", "left"))),
        attempt(meaning(string("inner"), ("join", "inner"))),
        attempt(apply(lambda name: ("hint", name), field_name)),
    ),
)
_embed_parameters = sequence(optional(_embed_parameter, None), optional(_embed_parameter, None))
_opening = attempt(meaning(look_ahead(string("(")), None))


def _first(parameters: tuple[tuple[str, str] | None, ...], kind: str) -> Any:
    return next((value[1] for value in parameters if value and value[0] == kind), None)


def _not_count(name: str) -> Parser[str]:
    return succeed(name) if name != "count" else fail


_relation = lexeme(
    apply(
        lambda alias, name, parameters, _: (alias, name, parameters, False),
        _alias,
        bind(field_name, _not_count),
        _embed_parameters,
        _opening,
    )
)
_spread = lexeme(
    apply(
        lambda _, name, parameters, __: (None, name, parameters, True),
        string("..."),
        field_name,
        _embed_parameters,
        _opening,
    )
)


def _make_relation(head: tuple[Any, ...], items: list[SelectItem]) -> SelectRelation:
    alias, name, parameters, spread = head
    return SelectRelation(
        name, tuple(items), alias, _first(parameters, "hint"), _first(parameters, "join"), spread
    )


def _select(text: str, at: int) -> Outcome[list[SelectItem]]:
    return select(text, at)


_select_item = choice(
    apply(_make_relation, attempt(_spread), parenthesised(_select)),
    apply(_make_relation, attempt(_relation), parenthesised(_select)),
    select_field,
)
select: Parser[list[SelectItem]] = optional(separated(_select_item, lexeme(char(","))), [])

columns: Parser[list[str]] = separated(field_name, lexeme(char(",")))

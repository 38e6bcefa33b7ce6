"""The algebra of ``parsec``: what is consumed, which faults are remembered, and how they read.

The laws are Parsec's own, because PostgREST shows Parsec's messages to clients (reference 1.10).
"""

from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.engine.parse.failure import ParseError
from proxy.engine.parse.parsec import (
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
    letter,
    look_ahead,
    many,
    meaning,
    none_of,
    not_followed_by,
    one_of,
    optional,
    parse,
    satisfy,
    separated,
    sequence,
    some,
    span,
    span1,
    string,
    succeed,
    then,
)

AnyParser: TypeAlias = Parser[Any]

a, b, c = char("a"), char("b"), char("c")
ab = string("ab")


def refusal(parser: AnyParser, text: str) -> tuple[int, str]:
    """Column and details with which ``parser`` refuses ``text``, which must be a single line."""
    with pytest.raises(ParseError) as caught:
        parse(parser, text)
    assert caught.value.line == 1
    return caught.value.column, caught.value.details


def behaviour(parser: AnyParser, text: str) -> tuple[object, ...]:
    """Everything about an outcome that another parser or a client could notice."""
    outcome = parser(text, 0)
    error = ParseError(text, outcome.fault)
    shown = (error.line, error.column, error.details) if outcome.fault.messages else None
    going_on = (outcome.value, outcome.at) if outcome.good else None
    return outcome.good, outcome.consumed, shown, going_on


# Single characters and strings


def test_parsing_starts_at_the_first_character_and_ignores_what_is_left_over() -> None:
    assert parse(a, "ab") == "a"


def test_a_wrong_character_is_named_together_with_the_wanted_one() -> None:
    assert refusal(a, "b") == (1, 'unexpected "b" expecting "a"')


def test_the_end_of_the_text_is_named_as_such() -> None:
    assert refusal(a, "") == (1, 'unexpected end of input expecting "a"')


def test_a_class_of_characters_has_no_name_of_its_own() -> None:
    assert refusal(satisfy(str.isupper), "b") == (1, 'unexpected "b"')
    assert refusal(one_of("xy"), "b") == (1, 'unexpected "b"')
    assert refusal(none_of("xb"), "b") == (1, 'unexpected "b"')
    assert refusal(any_char, "") == (1, "unexpected end of input")


def test_letters_are_those_of_any_script_and_digits_are_ascii() -> None:
    assert parse(many(letter), "aZéßЖ中") == list("aZéßЖ中")
    assert refusal(letter, "1") == (1, 'unexpected "1" expecting letter')
    assert refusal(digit, "٣") == (1, 'unexpected "\\1635" expecting digit')


def test_a_string_that_differs_later_is_refused_at_its_start_and_shows_the_differing_character() -> None:
    assert refusal(string("asc"), "abc") == (1, 'unexpected "b" expecting "asc"')
    assert refusal(string("asc"), "as") == (1, 'unexpected end of input expecting "asc"')


def test_a_string_consumes_only_when_its_first_character_matched() -> None:
    assert not string("asc")("bsc", 0).consumed
    assert string("asc")("axx", 0).consumed


def test_success_without_consuming_and_failure_without_a_word() -> None:
    assert parse(succeed(5), "") == 5
    assert refusal(fail, "x") == (1, "unknown parse error")


# Alternatives


def test_alternatives_are_tried_in_order() -> None:
    assert parse(choice(a, meaning(any_char, "other")), "a") == "a"
    assert parse(choice(a, meaning(any_char, "other")), "b") == "other"


def test_what_all_alternatives_hoped_for_is_listed_in_order() -> None:
    assert refusal(choice(a, b, c), "x") == (1, 'unexpected "x" expecting "a", "b" or "c"')


def test_a_hope_that_is_named_twice_is_listed_once() -> None:
    assert refusal(choice(a, b, a), "x") == (1, 'unexpected "x" expecting "a" or "b"')


def test_an_alternative_that_consumed_something_is_final() -> None:
    assert refusal(choice(ab, string("ac")), "ac") == (1, 'unexpected "c" expecting "ab"')


def test_attempt_makes_the_next_alternative_possible() -> None:
    assert parse(choice(attempt(ab), string("ac")), "ac") == "ac"


def test_attempt_keeps_the_position_of_the_fault() -> None:
    assert refusal(attempt(sequence(a, b)), "ax") == (2, 'unexpected "x" expecting "b"')


def test_of_faults_at_different_positions_the_furthest_is_told() -> None:
    far, near = attempt(sequence(a, b, c)), attempt(sequence(a, c))
    expected = (3, 'unexpected "x" expecting "c"')
    assert refusal(choice(far, near), "abx") == expected
    assert refusal(choice(near, far), "abx") == expected


def test_faults_at_the_same_position_are_merged() -> None:
    one, other = attempt(sequence(a, b)), attempt(sequence(a, c))
    assert refusal(choice(one, other), "ax") == (2, 'unexpected "x" expecting "b" or "c"')


def test_a_fault_without_a_word_does_not_hide_one_that_speaks() -> None:
    silent = attempt(sequence(a, b, fail))
    assert refusal(choice(a, fail), "x") == (1, 'unexpected "x" expecting "a"')
    assert refusal(choice(silent, c), "abx") == (1, 'unexpected "a" expecting "c"')


def test_of_strings_that_differ_at_different_places_the_first_shows_what_was_found() -> None:
    tokens = choice(attempt(string("ab")), attempt(string("xyz")))
    assert refusal(tokens, "aq") == (1, 'unexpected "q" expecting "ab" or "xyz"')


def test_an_optional_part_that_is_absent_is_remembered_as_a_hope() -> None:
    assert refusal(sequence(optional(a, "none"), b), "x") == (1, 'unexpected "x" expecting "a" or "b"')
    assert parse(optional(a, "none"), "x") == "none"


def test_an_optional_part_that_breaks_off_is_an_error() -> None:
    assert refusal(sequence(optional(ab, ""), c), "ax") == (1, 'unexpected "x" expecting "ab"')


# Sequences


def test_a_sequence_gives_all_values() -> None:
    assert parse(sequence(a, b, c), "abc") == ("a", "b", "c")
    assert parse(apply(lambda x, y: y + x, a, b), "ab") == "ba"
    assert parse(then(a, b), "ab") == "b"
    assert parse(before(a, b), "ab") == "a"
    assert parse(meaning(ab, 7), "ab") == 7


def test_a_sequence_has_consumed_when_any_of_its_parts_has() -> None:
    assert sequence(succeed(None), a, b)("ax", 0).consumed
    assert not sequence(succeed(None), a, b)("xx", 0).consumed


def test_consuming_forgets_what_was_hoped_for_before() -> None:
    assert refusal(sequence(optional(a, None), b, c), "bx") == (2, 'unexpected "x" expecting "c"')


def test_a_value_may_decide_how_to_go_on() -> None:
    doubled: AnyParser = bind(any_char, char)
    assert parse(doubled, "xx") == "x"
    assert refusal(doubled, "xy") == (2, 'unexpected "y" expecting "x"')
    assert refusal(doubled, "") == (1, "unexpected end of input")


# Labels


def test_a_label_stands_for_all_that_was_hoped_for() -> None:
    assert refusal(label(choice(a, b), "vowel"), "x") == (1, 'unexpected "x" expecting vowel')


def test_a_label_is_silent_once_something_was_consumed() -> None:
    assert refusal(label(sequence(a, b), "pair"), "ax") == (2, 'unexpected "x" expecting "b"')


def test_a_label_names_an_attempt_and_leaves_its_position_and_its_finding() -> None:
    assert refusal(label(attempt(sequence(a, b)), "pair"), "ax") == (2, 'unexpected "x" expecting pair')


def test_a_label_names_the_hopes_of_a_success_that_consumed_nothing() -> None:
    negation = label(optional(a, ""), "negation")
    assert refusal(sequence(negation, b), "x") == (1, 'unexpected "x" expecting negation or "b"')


def test_a_label_on_a_success_without_hopes_says_nothing() -> None:
    assert refusal(sequence(label(succeed(None), "nothing"), b), "x") == (1, 'unexpected "x" expecting "b"')


# Repetition


def test_many_takes_all_there_is_and_none_is_enough() -> None:
    assert parse(many(a), "aaab") == ["a", "a", "a"]
    assert parse(many(a), "b") == []
    assert not many(a)("b", 0).consumed


def test_what_many_could_have_gone_on_with_is_remembered() -> None:
    assert refusal(before(many(a), b), "aax") == (3, 'unexpected "x" expecting "a" or "b"')


def test_the_hopes_inside_the_last_repetition_are_remembered_with_the_next_ones() -> None:
    steps = many(sequence(a, many(b)))
    assert refusal(before(steps, c), "abax") == (4, 'unexpected "x" expecting "b", "a" or "c"')


def test_the_hopes_inside_a_separated_part_are_forgotten_with_the_next_one() -> None:
    parts = separated(sequence(a, many(b)), c)
    assert refusal(before(parts, ab), "abx") == (3, 'unexpected "x" expecting "b", "c" or "ab"')
    assert refusal(before(parts, ab), "acabx") == (5, 'unexpected "x" expecting "c" or "ab"')


def test_a_repetition_that_breaks_off_fails_as_a_whole() -> None:
    assert refusal(many(ab), "abax") == (3, 'unexpected "x" expecting "ab"')


def test_some_needs_one() -> None:
    assert parse(some(a), "aab") == ["a", "a"]
    assert refusal(some(a), "b") == (1, 'unexpected "b" expecting "a"')


def test_a_separated_list_needs_an_element_after_each_separator() -> None:
    letters = separated(letter, char(","))
    assert parse(letters, "a,b,c;") == ["a", "b", "c"]
    assert refusal(letters, "a,") == (3, "unexpected end of input expecting letter")
    assert refusal(letters, "") == (1, "unexpected end of input expecting letter")


def test_a_span_takes_characters_as_one_string() -> None:
    assert parse(span(str.isalpha), "ab1") == "ab"
    assert parse(span(str.isalpha), "1") == ""
    assert parse(span1(str.isalpha), "ab1") == "ab"
    assert refusal(span1(str.isalpha, "letter"), "1") == (1, 'unexpected "1" expecting letter')
    assert refusal(before(span(str.isalpha, "letter"), end_of_input), "ab1") == (
        3,
        "unexpected '1' expecting letter or end of input",
    )


@given(st.text("ab1é \n", max_size=8))
@settings(deadline=None)
def test_a_span_behaves_like_many_over_its_alternatives(text: str) -> None:
    def accepts(character: str) -> bool:
        return character.isalpha() or character in "0123456789"

    joined = apply("".join, many(choice(letter, digit)))
    joined_some = apply("".join, some(choice(letter, digit)))
    assert behaviour(span(accepts, "letter", "digit"), text) == behaviour(joined, text)
    assert behaviour(span1(accepts, "letter", "digit"), text) == behaviour(joined_some, text)


# Looking ahead


def test_looking_ahead_consumes_nothing_when_it_succeeds() -> None:
    outcome = look_ahead(ab)("abc", 0)
    assert (outcome.good, outcome.consumed, outcome.value, outcome.at) == (True, False, "ab", 0)


def test_looking_ahead_forgets_the_hopes_of_its_success() -> None:
    assert refusal(sequence(look_ahead(many(a)), b), "x") == (1, 'unexpected "x" expecting "b"')


def test_looking_ahead_in_vain_consumes_like_any_other_failure() -> None:
    assert look_ahead(ab)("ax", 0).consumed
    assert not look_ahead(ab)("xx", 0).consumed


def test_what_must_not_follow_is_shown_as_a_character_at_the_place_behind_it() -> None:
    assert refusal(sequence(a, not_followed_by(b)), "ab") == (3, "unexpected 'b'")


def test_what_must_not_follow_is_hoped_for_when_it_is_absent() -> None:
    outcome = not_followed_by(b)("x", 0)
    assert (outcome.good, outcome.consumed, outcome.at) == (True, False, 0)
    assert refusal(sequence(not_followed_by(b), c), "x") == (1, 'unexpected "x" expecting "b" or "c"')


def test_left_over_text_is_shown_as_a_character_where_it_begins() -> None:
    assert refusal(sequence(a, end_of_input), "abc") == (2, "unexpected 'b' expecting end of input")
    assert parse(end_of_input, "") is None


def test_a_found_character_takes_precedence_over_a_system_message() -> None:
    finish = choice(attempt(b), end_of_input)
    assert refusal(sequence(a, finish), "ax") == (2, "unexpected 'x' expecting \"b\" or end of input")


def test_a_parser_may_start_in_the_middle() -> None:
    outcome = ab("xxab", 2)
    assert (outcome.good, outcome.at) == (True, 4)


# Laws

_LEAVES: st.SearchStrategy[AnyParser] = st.sampled_from(
    [
        a,
        b,
        ab,
        string("ba"),
        succeed("s"),
        fail,
        end_of_input,
        label(a, "first"),
        span(lambda x: x == "a", "a"),
    ]
)


def _combined(inner: st.SearchStrategy[AnyParser]) -> st.SearchStrategy[AnyParser]:
    return st.one_of(
        st.builds(attempt, inner),
        st.builds(look_ahead, inner),
        st.builds(label, inner, st.just("named")),
        st.builds(sequence, inner, inner),
        st.builds(choice, inner, inner),
        st.builds(optional, inner, st.none()),
    )


parsers = st.recursive(_LEAVES, _combined, max_leaves=6)
texts = st.text("abx", max_size=4)


@given(parsers, parsers, parsers, texts)
@settings(deadline=None)
def test_choice_may_be_grouped_at_will(one: AnyParser, two: AnyParser, three: AnyParser, text: str) -> None:
    flat = behaviour(choice(one, two, three), text)
    assert behaviour(choice(choice(one, two), three), text) == flat
    assert behaviour(choice(one, choice(two, three)), text) == flat


@given(parsers, parsers, parsers, texts)
@settings(deadline=None)
def test_a_sequence_may_be_grouped_at_will(
    one: AnyParser, two: AnyParser, three: AnyParser, text: str
) -> None:
    def flatten(x: Any, y: Any) -> tuple[Any, ...]:
        return (*x, y)

    nested = apply(flatten, sequence(one, two), three)
    assert behaviour(nested, text) == behaviour(sequence(one, two, three), text)


@given(parsers, texts)
@settings(deadline=None)
def test_attempting_twice_and_failing_as_last_alternative_change_nothing(
    parser: AnyParser, text: str
) -> None:
    assert behaviour(attempt(attempt(parser)), text) == behaviour(attempt(parser), text)
    assert behaviour(choice(parser, fail), text) == behaviour(parser, text)
    assert behaviour(choice(fail, parser), text) == behaviour(parser, text)


@given(parsers, texts)
@settings(deadline=None)
def test_no_parser_moves_backwards_or_consumes_without_moving(parser: AnyParser, text: str) -> None:
    outcome = parser(text, 0)
    assert 0 <= outcome.at <= len(text)
    if outcome.good:
        assert outcome.consumed == (outcome.at > 0)

"""How failures of parsers read: where they are, what they name, and how odd characters are shown.

The words and escapes are Parsec's and Haskell's (reference 1.10).
"""

import pytest

from proxy.engine.parse.failure import (
    EXPECTED,
    MESSAGE,
    SYSTEM_UNEXPECTED,
    UNEXPECTED,
    Fault,
    Message,
    ParseError,
    show_character,
    show_string,
)


def details(*messages: Message) -> str:
    return ParseError("text", Fault(0, messages)).details


# Positions


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("x", 1, 1),
        ("   x", 1, 4),
        ("\tx", 1, 9),
        (" \tx", 1, 9),
        ("       \tx", 1, 9),
        ("        \tx", 1, 17),
        ("\t\tx", 1, 17),
        ("\nx", 2, 1),
        (" \n \n  x", 3, 3),
        ("\t\n\tx", 2, 9),
        ("\rx", 1, 2),
        ("éЖ😀x", 1, 4),
    ],
)
def test_lines_and_columns_start_at_one_and_tabs_stop_at_every_eighth_column(
    text: str, line: int, column: int
) -> None:
    error = ParseError(text, Fault(text.index("x"), ()))
    assert (error.line, error.column) == (line, column)


# Words


def test_nothing_to_say_is_said() -> None:
    assert details() == "unknown parse error"


@pytest.mark.parametrize(
    ("hopes", "listed"),
    [
        (("a",), "expecting a"),
        (("a", "b"), "expecting a or b"),
        (("a", "b", "c"), "expecting a, b or c"),
        (("a", "b", "a", "b"), "expecting a or b"),
        (("b", "", "a"), "expecting b or a"),
    ],
)
def test_hopes_are_listed_once_in_the_order_they_came(hopes: tuple[str, ...], listed: str) -> None:
    assert details(*((EXPECTED, hope) for hope in hopes)) == listed


def test_what_was_found_comes_before_what_was_hoped_for_whatever_came_first() -> None:
    assert details((EXPECTED, "a"), (SYSTEM_UNEXPECTED, '"x"')) == 'unexpected "x" expecting a'


def test_the_first_thing_found_is_the_one_told() -> None:
    assert details((SYSTEM_UNEXPECTED, '"x"'), (SYSTEM_UNEXPECTED, '"y"')) == 'unexpected "x"'


def test_nothing_found_is_the_end_of_input() -> None:
    assert details((SYSTEM_UNEXPECTED, "")) == "unexpected end of input"


def test_a_finding_by_name_takes_the_place_of_the_systems() -> None:
    assert details((SYSTEM_UNEXPECTED, '"x"'), (UNEXPECTED, "'y'"), (UNEXPECTED, "'z'")) == (
        "unexpected 'y' or 'z'"
    )


def test_messages_of_their_own_come_last() -> None:
    assert details((MESSAGE, "that is all"), (EXPECTED, "a")) == "expecting a that is all"


def test_line_breaks_become_spaces() -> None:
    assert details((EXPECTED, "a\nb\n")) == "expecting a b"


# How characters are shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", '"plain text"'),
        ("it's", '"it\'s"'),
        ('say "x"', '"say \\"x\\""'),
        ("back\\slash", '"back\\\\slash"'),
        ("\n", '"\\n"'),
        ("\t\r\a\b\v\f", '"\\t\\r\\a\\b\\v\\f"'),
        ("\x00", '"\\NUL"'),
        ("\x1b[0m", '"\\ESC[0m"'),
        ("\x1f", '"\\US"'),
        ("\x7f", '"\\DEL"'),
        ("\x80", '"\\128"'),
        ("é", '"\\233"'),
        ("€", '"\\8364"'),
        ("😀", '"\\128512"'),
        ("é1", '"\\233\\&1"'),
        ("é²", '"\\233\\178"'),
        ("éa", '"\\233a"'),
        ("\x0eH", '"\\SO\\&H"'),
        ("\x0eh", '"\\SOh"'),
        ("\x01H", '"\\SOHH"'),
    ],
)
def test_strings_are_shown_with_haskells_escapes(text: str, shown: str) -> None:
    assert show_string(text) == shown


@pytest.mark.parametrize(
    ("character", "shown"),
    [
        ("x", "'x'"),
        ("'", "'\\''"),
        ('"', "'\"'"),
        ("\\", "'\\\\'"),
        ("\n", "'\\n'"),
        ("\x0e", "'\\SO'"),
        ("\x7f", "'\\DEL'"),
        ("ü", "'\\252'"),
    ],
)
def test_characters_are_shown_with_haskells_escapes(character: str, shown: str) -> None:
    assert show_character(character) == shown

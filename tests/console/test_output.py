"""What is printed is one line of text, whatever is in it."""

import io

import pytest
from rich.console import Console

from proxy.console.output import print_line, print_rows, show_text

ODD = "a\x1b[31m\tb\nc\u202e[bold]"


@pytest.mark.parametrize("terminal", [True, False])
def test_data_cannot_command_a_terminal(terminal: bool) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, color_system=None, width=100, highlight=False)
    print_line(console, ODD)
    print_rows(console, ["name"], [[ODD]])
    assert out.getvalue().count(r"a\x1b[31m\tb\nc\u202e[bold]") == 2
    assert "\x1b[31m" not in out.getvalue()


def test_ordinary_text_stays() -> None:
    assert show_text("Ünïcode → × ÷ …") == "Ünïcode → × ÷ …"


NAMES = ["table", "what", "reads", "shed"]
ROWS = [["storage", "another ~3,500 matched reads", "12345", "·"], ["location", "-", "7", "·"]]
STYLES = {"what": {"*": "yellow"}}


def draw(width: int, *, terminal: bool = True) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, color_system=None, width=width, highlight=False)
    print_rows(console, NAMES, ROWS, title="evidence", left=2, styles=STYLES)
    return out.getvalue()


def test_a_wide_terminal_shows_a_table_with_digits_in_groups() -> None:
    lines = [line.split() for line in draw(80).splitlines()]
    assert ["table", "what", "reads", "shed"] in lines
    assert ["storage", "another", "~3,500", "matched", "reads", "12,345", "·"] in lines


def test_a_narrower_one_leaves_out_what_says_nothing_and_wraps_words() -> None:
    shown = draw(44)
    assert "shed" not in shown
    assert "storage   another ~3,500" in shown
    assert max(map(len, shown.splitlines())) <= 44


@pytest.mark.parametrize("width", range(12, 40, 3))
def test_on_one_that_is_too_narrow_each_row_is_a_block_and_nothing_is_cut(width: int) -> None:
    shown = draw(width)
    assert max(map(len, shown.splitlines())) <= width
    words = shown.split()
    for told in ("storage", "location", "~3,500", "matched", "12,345", "7"):
        assert told in words


def test_piped_it_is_lines_with_tabs_and_plain_numbers_whatever_the_width() -> None:
    assert draw(12, terminal=False) == (
        "table\twhat\treads\tshed\nstorage\tanother ~3,500 matched reads\t12345\t-\nlocation\t-\t7\t-\n"
    )


def test_colours_are_left_out_where_they_are_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value, coloured in (("TERM", "xterm", True), ("NO_COLOR", "1", False), ("TERM", "dumb", False)):
        with monkeypatch.context() as patch:
            patch.setenv("TERM", "xterm")
            patch.setenv(name, value)
            out = io.StringIO()
            print_rows(Console(file=out, force_terminal=True, width=80), NAMES, ROWS, left=2, styles=STYLES)
            assert ("\x1b[33m" in out.getvalue()) is coloured


def test_a_line_to_copy_is_not_broken_and_an_empty_one_is_a_line() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, color_system=None, width=20, highlight=False)
    print_line(console, "curl --silent 'http://postgrest:3000/storage'", to_copy=True)
    print_line(console)
    assert out.getvalue() == "curl --silent 'http://postgrest:3000/storage'\n\n"


def test_a_long_line_goes_on_at_its_own_depth() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, color_system=None, width=20, highlight=False)
    print_line(console, "  one two three four five six")
    assert [line.rstrip() for line in out.getvalue().splitlines()] == ["  one two three four", "  five six"]

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

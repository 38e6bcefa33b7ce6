"""Random faults in a valid file: always told, with a line, and never otherwise than by ``ConfigError``."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.config import Config
from proxy.config.reader import read_config
from proxy.errors import ConfigError, Problem
from tests.config.test_reader import WHOLE

SYNTAX = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ": ",
    "\n",
    "\n  ",
    "- ",
    "&a ",
    "*a",
    "!x ",
    "<<: ",
    "'",
    '"',
    "#",
    "null",
]
TROUBLE = [
    "${",
    "${X}",
    "|",
    "? ",
    "%",
    "---\n",
    "\t",
    "\x00",
    "\u2028",
    "\ud800",
    "shadow",
    "engine:",
    "tables:",
]
PIECES = st.one_of(st.text(max_size=3), st.sampled_from(SYNTAX), st.sampled_from(TROUBLE))


def problems_of(content: str | bytes) -> tuple[Problem, ...]:
    """The problems in a file; none when it is accepted. Nothing but ``ConfigError`` may be raised."""
    try:
        read_config(content, "f", {})
    except ConfigError as error:
        return error.problems or (Problem("", 0, "", "", ""),)
    return ()


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A valid file with one to four pieces put in, taken out or put twice."""
    text = WHOLE
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 30)))
        kind = draw(st.sampled_from(["replace", "insert", "double", "swap"]))
        piece = draw(PIECES)
        if kind == "replace":
            text = text[:start] + piece + text[end:]
        elif kind == "insert":
            text = text[:start] + piece + text[start:]
        elif kind == "double":
            text = text[:end] + text[start:end] + text[end:]
        else:
            text = text[:start] + text[end:] + text[start:end]
    return text


def test_the_file_that_is_mutated_is_valid() -> None:
    assert isinstance(read_config(WHOLE, "f", {}).config, Config)


@settings(deadline=None)
@given(mutated())
@example("tables: &a {x: *a}")
@example("&a [*a]")
@example("tables: &a {*a : 1}")
@example("workers: " + "9" * 5000)
@example("shadow: {queue_bytes: " + "9" * 5000 + "GiB}")
def test_a_mutated_file_is_read_or_refused_with_a_line(text: str) -> None:
    last = len(text.splitlines()) + 1
    for problem in problems_of(text):
        assert problem.file == "f"
        assert 1 <= problem.line <= last
        assert problem.key
        assert problem.found
        assert problem.allowed
        assert len(str(problem).splitlines()) == 1


@settings(deadline=None)
@given(st.binary())
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    assert all(problem.line >= 1 for problem in problems_of(content))


@pytest.mark.parametrize("cut", range(0, len(WHOLE), 7))
def test_half_a_file_never_takes_the_upstream_away_unseen(cut: int) -> None:
    """A file that is being written in place: its beginning is refused, or sets no table's mode."""
    try:
        config = read_config(WHOLE[:cut], "f", {}).config
    except ConfigError:
        return
    assert config.upstream is not None or not config.tables

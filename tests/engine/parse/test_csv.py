"""Comma-separated payloads, as PostgREST's library reads them (reference 7.1)."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.engine.parse.csv import CsvError, parse_csv

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b\n1,2", [{"a": "1", "b": "2"}]),
        ("a,b\r\n1,2\r\n3,4\r\n", [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]),
        ("a\n", []),
        ("a\n\n1\n\n", [{"a": "1"}]),
        ("a,b\n1\n", [{"a": "1"}]),
        ('a\n"x,""y""\nz"\n', [{"a": 'x,"y"\nz'}]),
        ('a,b\n,""\n', [{"a": "", "b": ""}]),
        ('a\n"never closed', [{"a": "never close"}]),
    ],
)
def test_lines_become_rows_by_the_names_of_the_first(text: str, rows: list[dict[str, str]]) -> None:
    assert parse_csv(text) == rows


@pytest.mark.parametrize("text", ["", "a", "a,b"])
def test_a_header_that_does_not_end_is_not_enough(text: str) -> None:
    with pytest.raises(CsvError, match="not enough input"):
        parse_csv(text)


@pytest.mark.parametrize("text", ['a\nx"y\n', 'a\n"x"y\n'])
def test_a_quote_where_none_may_be_is_told(text: str) -> None:
    with pytest.raises(CsvError, match="Failed reading"):
        parse_csv(text)


@given(st.lists(st.lists(TEXTS, min_size=2, max_size=2), max_size=4))
def test_what_a_writer_writes_is_read_back(rows: list[list[str]]) -> None:
    written = io.StringIO(newline="")
    csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([["a", "b"], *rows])
    assert parse_csv(written.getvalue()) == [{"a": one, "b": other} for one, other in rows]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('a"é', '"\\"\\195\\169"'),
        ('a"' + "x" * 99, '"\\"' + "x" * 99 + '"'),
        ('a"é' + "x" * 98, '"é' + "x" * 97 + " (truncated)"),
    ],
)
def test_what_is_left_is_shown_byte_by_byte_or_cut_after_a_hundred(text: str, shown: str) -> None:
    with pytest.raises(CsvError) as caught:
        parse_csv(text)
    assert str(caught.value) == f"parse error (Failed reading: satisfy) at {shown}"

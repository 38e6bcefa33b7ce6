"""The document as JSON text."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.engine.openapi.render import omit_absent, render, write_number

texts = st.text(st.characters(codec="utf-8"))
numbers = st.decimals(allow_nan=False, allow_infinity=False)
documents = st.dictionaries(
    texts,
    st.recursive(
        st.booleans() | texts | numbers,
        lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    ),
)


@pytest.mark.parametrize(
    ("literal", "expected"),
    [
        ("0", "0"),
        ("42", "42"),
        ("-7", "-7"),
        ("100000000000000000000", "100000000000000000000"),
        ("1e3", "1000"),
        ("0.0", "0.0"),
        ("1.0", "1.0"),
        ("1.50", "1.5"),
        ("100.00", "100.0"),
        ("0.1", "0.1"),
        ("0.25", "0.25"),
        ("0.05", "5.0e-2"),
        ("-0.015", "-1.5e-2"),
        ("1234567.5", "1234567.5"),
        ("12345678.5", "1.23456785e7"),
        ("1e1025", "1.0e1025"),
    ],
)
def test_numbers_are_written_as_postgrest_writes_them(literal: str, expected: str) -> None:
    assert write_number(Decimal(literal)) == expected


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6) | st.integers().map(Decimal))
def test_no_number_changes_its_value(number: Decimal) -> None:
    assert json.loads(write_number(number), parse_float=Decimal, parse_int=Decimal) == number


@given(documents)
def test_a_rendered_document_reads_as_what_it_was(document: dict[str, Any]) -> None:
    assert json.loads(render(document), parse_float=Decimal, parse_int=Decimal) == document


def test_keys_keep_their_order_and_there_is_no_white_space() -> None:
    assert render({"b": [True, "ü"], "a": {"n": Decimal("1.50")}}) == '{"b":[true,"ü"],"a":{"n":1.5}}'


def test_text_that_looks_like_a_number_stays_text() -> None:
    assert (
        render({"a": "1.5", "b": "\\ud8001.5", "c": "\x001"})
        == '{"a":"1.5","b":"\\\\ud8001.5","c":"\\u00001"}'
    )


def test_only_what_is_absent_is_omitted() -> None:
    assert omit_absent({"a": None, "b": "", "c": {}, "d": False}) == {"b": "", "c": {}, "d": False}

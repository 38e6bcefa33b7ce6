"""Defaults of columns, from the expressions that PostgreSQL prints."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.engine.openapi.defaults import parse_default
from proxy.engine.openapi.render import Value


@pytest.mark.parametrize(
    ("type", "expression", "expected"),
    [
        ("integer", "42", Decimal(42)),
        ("numeric", "1.50", Decimal("1.50")),
        ("boolean", "false", False),
        ("text", "'x'::text", "x"),
        ("character varying", "'anon'::character varying", "anon"),
        ("other.kit_state", "'new'::other.kit_state", "new"),
        ("timestamp with time zone", "now()", "now()"),
        ("uuid", "gen_random_uuid()", "gen_random_uuid()"),
        ("character", "'ab'::bpchar", "'ab'::bpchar"),
        ("text", "'it''s'::text", "it''s"),
        ("text", "NULL::text", "NULL"),
        ("date", "('now'::text)::date", "('now'::text)"),
        ("text", r"'a\u00e9b'::text", "a\u00e9b"),
    ],
)
def test_a_default_that_can_be_told_is_told(type: str, expression: str, expected: Value) -> None:
    assert parse_default(type, expression) == expected


@pytest.mark.parametrize(
    ("type", "expression"),
    [
        ("integer", "nextval('dlm.things_id_seq'::regclass)"),
        ("integer", "'-1'::integer"),
        ("integer", "(1 + 1)"),
        ("jsonb", "'{}'::jsonb"),
        ("text[]", "'{}'::text[]"),
        ("double precision", "NaN"),
        ("double precision", "-Infinity"),
        ("text", "'say \"hi\"'::text"),
        ("text", r"'C:\dir'::text"),
        ("text", "'two\nlines'::text"),
        ("text", r"'\ud800'::text"),
    ],
)
def test_a_default_that_is_no_json_is_left_out(type: str, expression: str) -> None:
    assert parse_default(type, expression) is None


@given(st.sampled_from(["text", "integer", "boolean", "jsonb", "text[]", "zoo.mood"]), st.text())
def test_whatever_the_expression_is_the_default_is_json_or_nothing(type: str, expression: str) -> None:
    value = parse_default(type, expression)
    json.dumps(value, default=str, allow_nan=False, ensure_ascii=False).encode()

"""What a client is told about a query string that cannot be parsed, letter by letter (reference 1.10).

The samples are those of the reference and of PostgREST's own documentation of its parsers; what the real
server was recorded to say is compared in ``test_recorded_requests``.
"""

import pytest

from proxy.engine.parse.query import parse_query
from proxy.errors import ApiError

NAME = "field name (* or [a..z0..9_$])"
WORD_ENDS = 'letter, digit, "-", "->>", "->", '


def refusal(query: str) -> ApiError:
    with pytest.raises(ApiError) as caught:
        parse_query(query.encode())
    return caught.value


@pytest.mark.parametrize(
    ("query", "column", "details"),
    [
        ("id=5", 1, 'unexpected "5" expecting "not" or operator (eq, gt, ...)'),
        ("id=", 1, 'unexpected end of input expecting "not" or operator (eq, gt, ...)'),
        ("id=eq", 3, "unexpected end of input expecting operator (eq, gt, ...)"),
        ("id=not_eq.5", 4, 'unexpected "_" expecting delimiter (.)'),
        ("id=not.5", 5, 'unexpected "5" expecting operator (eq, gt, ...)'),
        ("id=noop.0", 1, 'unexpected "o" expecting "not" or operator (eq, gt, ...)'),
        ("id=fts().x", 5, 'unexpected ")" expecting operator (eq, gt, ...)'),
        ("id=eq().x", 4, 'unexpected ")" expecting operator (eq, gt, ...)'),
        ("id=is().x", 3, 'unexpected "(" expecting operator (eq, gt, ...)'),
        ("id=in().x", 3, 'unexpected "(" expecting operator (eq, gt, ...)'),
        ("id=in.5", 4, 'unexpected "5" expecting "("'),
        ("id=in.(1,2", 8, 'unexpected end of input expecting "," or ")"'),
        ("id=is.nil", 5, 'unexpected "i" expecting isVal: (null, not_null, true, false, unknown)'),
    ],
)
def test_filters(query: str, column: int, details: str) -> None:
    error = refusal(query)
    value = query.partition("=")[2]
    assert error.message == f'"failed to parse filter ({value})" (line 1, column {column})'
    assert error.details == details


@pytest.mark.parametrize(
    ("text", "column", "details"),
    [
        ("id,", 4, f'unexpected end of input expecting "...", {NAME}, "*" or "count()"'),
        ("id::", 5, "unexpected end of input expecting letter or digit"),
        (
            "id::int[]",
            8,
            'unexpected \'[\' expecting letter, digit, ".", "::", ")", "," or end of input',
        ),
        ("id.foo()", 4, 'unexpected "f" expecting "sum", "avg", "count", "max" or "min"'),
        ("id!hint", 3, f'unexpected \'!\' expecting {WORD_ENDS}"::", ".", ")", "," or end of input'),
        (
            "id,clients(name[])",
            16,
            f'unexpected \'[\' expecting {WORD_ENDS}"::", ".", ")", "," or end of input',
        ),
        ("data->>-78xy", 11, 'unexpected \'x\' expecting digit, "->", "::", ".", "," or end of input'),
        ("rel(id) garbage", 9, 'unexpected "g" expecting ","'),
        ("rel(id) ", 9, 'unexpected end of input expecting ","'),
    ],
)
def test_select(text: str, column: int, details: str) -> None:
    error = refusal(f"select={text}")
    assert error.message == f'"failed to parse select parameter ({text})" (line 1, column {column})'
    assert error.details == details


@pytest.mark.parametrize(
    ("text", "column", "details"),
    [
        ("id.ac", 4, 'unexpected "c" expecting "asc", "desc", "nullsfirst" or "nullslast"'),
        ("id.smth34", 4, 'unexpected "s" expecting "asc", "desc", "nullsfirst" or "nullslast"'),
        ("id.nulsfist", 4, 'unexpected "n" expecting "asc", "desc", "nullsfirst" or "nullslast"'),
        ("id.descc", 8, "unexpected 'c' expecting delimiter (.), \",\" or end of input"),
        ("id.nullslasttt", 13, "unexpected 't' expecting \",\" or end of input"),
        ("id.asc.nullslasttt", 17, "unexpected 't' expecting \",\" or end of input"),
        ("id.asc.nlsfst", 8, 'unexpected "l" expecting "nullsfirst" or "nullslast"'),
        ("id.asc.smth34", 8, 'unexpected "s" expecting "nullsfirst" or "nullslast"'),
        (
            "rel(id,name)",
            4,
            f"unexpected '(' expecting {WORD_ENDS}delimiter (.), \",\" or end of input",
        ),
        ("", 1, f"unexpected end of input expecting {NAME}"),
    ],
)
def test_order(text: str, column: int, details: str) -> None:
    error = refusal(f"order={text}")
    assert error.message == f'"failed to parse order ({text})" (line 1, column {column})'
    assert error.details == details


@pytest.mark.parametrize(
    ("query", "column", "details"),
    [
        ("or=()", 4, f'unexpected ")" expecting {NAME}, negation operator (not) or logic operator (and, or)'),
        ("or=(xor(id.eq.1))", 7, f'unexpected "(" expecting {WORD_ENDS[:-2]} or delimiter (.)'),
        ("or=(id.in.1,2,id.eq.3)", 10, 'unexpected "1" expecting "("'),
        ("or=)(", 3, 'unexpected ")" expecting "("'),
        ("and=(ord(id.eq.1,id.eq.1),id.eq.2)", 7, 'unexpected "d" expecting "("'),
        (
            "or=(id.eq.1,not.xor(id.eq.2,id.eq.3))",
            16,
            'unexpected "x" expecting logic operator (and, or)',
        ),
    ],
)
def test_logic_trees_count_columns_from_their_operator(query: str, column: int, details: str) -> None:
    error = refusal(query)
    value = query.partition("=")[2]
    assert error.message == f'"failed to parse logic tree ({value})" (line 1, column {column})'
    assert error.details == details


def test_a_negated_operator_counts_as_well() -> None:
    error = refusal("rel.not.or=()")
    assert error.message == '"failed to parse logic tree (())" (line 1, column 8)'


@pytest.mark.parametrize(
    ("key", "column", "details"),
    [
        ("data->>--34", 9, 'unexpected "-" expecting digit'),
        ("data->>-xy-4", 9, 'unexpected "x" expecting digit'),
        (
            "data->(a",
            7,
            'unexpected "(" expecting "-", digit or any non reserved character different from: .,>()',
        ),
        ("a..b", 3, f'unexpected "." expecting {NAME}'),
        ("", 1, f"unexpected end of input expecting {NAME}"),
        (":", 1, f'unexpected ":" expecting {NAME}'),
    ],
)
@pytest.mark.parametrize("value", ["eq.1", "not even an operator"])
def test_keys_of_filters_come_before_their_values(key: str, column: int, details: str, value: str) -> None:
    error = refusal(f"{key}={value}")
    assert error.message == f'"failed to parse tree path ({key})" (line 1, column {column})'
    assert error.details == details


def test_keys_of_orders_are_tree_paths_as_well() -> None:
    error = refusal("a..order=nonsense.x")
    assert error.message == '"failed to parse tree path (a..order)" (line 1, column 3)'
    assert error.details == f'unexpected "." expecting {NAME}'


def test_keys_of_logic_trees_are_logic_paths() -> None:
    error = refusal("a..or=(id.eq.1)")
    assert error.message == '"failed to parse logic path (a..or)" (line 1, column 3)'
    assert error.details == f'unexpected "." expecting {NAME}'


@pytest.mark.parametrize("name", ["columns", "on_conflict"])
@pytest.mark.parametrize(
    ("text", "column", "details"),
    [
        ("", 1, f"unexpected end of input expecting {NAME}"),
        ("a,", 3, f"unexpected end of input expecting {NAME}"),
        ("*", 1, f'unexpected "*" expecting {NAME}'),
    ],
)
def test_lists_of_columns(name: str, text: str, column: int, details: str) -> None:
    error = refusal(f"{name}={text}")
    assert error.message == f'"failed to parse {name} parameter ({text})" (line 1, column {column})'
    assert error.details == details


@pytest.mark.parametrize(
    ("query", "message", "details"),
    [
        (
            b"order=id.%09",
            '"failed to parse order (id.\t)" (line 1, column 4)',
            'unexpected "\\t" expecting "asc", "desc", "nullsfirst" or "nullslast"',
        ),
        (
            b"select=id.%C3%A9",
            '"failed to parse select parameter (id.é)" (line 1, column 4)',
            'unexpected "\\233" expecting "sum", "avg", "count", "max" or "min"',
        ),
        (
            b"order=id%27",
            '"failed to parse order (id\')" (line 1, column 3)',
            f"unexpected '\\'' expecting {WORD_ENDS}delimiter (.), \",\" or end of input",
        ),
        (
            b"select=%09%22a%0Ab%22.x",
            '"failed to parse select parameter (\t"a\nb".x)" (line 2, column 4)',
            'unexpected "x" expecting "sum", "avg", "count", "max" or "min"',
        ),
        (
            b"select=%20%20%09id.x",
            '"failed to parse select parameter (  \tid.x)" (line 1, column 12)',
            'unexpected "x" expecting "sum", "avg", "count", "max" or "min"',
        ),
    ],
)
def test_odd_characters_are_quoted_raw_in_the_message_and_escaped_in_the_details(
    query: bytes, message: str, details: str
) -> None:
    with pytest.raises(ApiError) as caught:
        parse_query(query)
    assert (caught.value.message, caught.value.details) == (message, details)


def test_every_parse_error_has_the_status_and_code_of_one() -> None:
    error = refusal("id=5")
    assert (error.status, error.code, error.hint, error.headers) == (400, "PGRST100", None, ())

"""JSON as tokens: what ``json.loads`` throws away is kept."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.tape.tokens import blank, canonical, first_difference, normalise, parse_json

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def tokens_of(text: str) -> object:
    return canonical(parse_json(text.encode()))


@pytest.mark.parametrize(
    "text", ["1.50", "1.5", "1e2", "100", "-0", "1E400", "123456789012345678901234567890"]
)
def test_a_number_is_its_literal(text: str) -> None:
    assert tokens_of(text) == text


def test_duplicate_keys_and_their_order_are_kept() -> None:
    assert tokens_of('{"b": 1, "a": 2, "b": 3}') == '{"b":1,"a":2,"b":3}'


@given(json_values)
def test_white_space_does_not_matter(value: object) -> None:
    compact = parse_json(json.dumps(value, separators=(",", ":")).encode())
    spaced = parse_json(json.dumps(value, indent=3, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    assert first_difference(compact, spaced) is None


@given(json_values)
def test_the_canonical_text_means_the_same(value: object) -> None:
    assert json.loads(canonical(parse_json(json.dumps(value).encode()))) == value


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[1] x"])
def test_what_is_not_json_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_json(body)


@pytest.mark.parametrize(
    ("expected", "received", "difference"),
    [
        ("1", '"1"', '$: 1 expected, "1" received'),
        ("1", "1.0", "$: 1 expected, 1.0 received"),
        ("true", "1", "$: true expected, 1 received"),
        ("null", "[]", "$: null expected, [] received"),
        ('{"a":1}', '{"b":1}', "$: keys ['a'] expected, ['b'] received"),
        ('{"a":[1,{"b":2}]}', '{"a":[1,{"b":3}]}', "$.a[1].b: 2 expected, 3 received"),
        ("[1,2]", "[1]", "$: 2 elements expected, 1 received"),
        ('[{"a":1,"a":2}]', '[{"a":1,"a":3}]', "$[0].a: 2 expected, 3 received"),
    ],
)
def test_the_first_difference_is_located(expected: str, received: str, difference: str) -> None:
    assert first_difference(parse_json(expected.encode()), parse_json(received.encode())) == difference


def test_keys_and_arrays_are_sorted_only_on_request_and_at_every_depth() -> None:
    value = parse_json(b'[{"b":[2,1],"a":0},[3,1]]')
    keep = normalise(value, sort_keys=False, sort_arrays=False)
    assert canonical(keep) == '[{"b":[2,1],"a":0},[3,1]]'
    assert canonical(normalise(value, sort_keys=True, sort_arrays=False)) == '[{"a":0,"b":[2,1]},[3,1]]'
    assert canonical(normalise(value, sort_keys=False, sort_arrays=True)) == '[[1,3],{"b":[1,2],"a":0}]'


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("$.a", '{"a":null,"x y":[{"c":2},{"c":3}]}'),
        ("$.a.b", '{"a":{"b":null},"x y":[{"c":2},{"c":3}]}'),
        ("$['x y'][*].c", '{"a":{"b":1},"x y":[{"c":null},{"c":null}]}'),
        ("$['x y'][1]", '{"a":{"b":1},"x y":[{"c":2},null]}'),
        ("$.nothing.here", '{"a":{"b":1},"x y":[{"c":2},{"c":3}]}'),
        ("$", "null"),
    ],
)
def test_a_path_blanks_what_it_points_to(path: str, left: str) -> None:
    value = parse_json(b'{"a":{"b":1},"x y":[{"c":2},{"c":3}]}')
    assert canonical(blank(value, path)) == left

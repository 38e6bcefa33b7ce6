"""What is not compared, and what says so."""

import pytest

from proxy.config.paths import read_steps
from proxy.difference import Difference
from proxy.reading import Reading
from proxy.shadow.compare import Comparison, compare
from proxy.shadow.ignore import Ignored, Ignoring
from tests.shadow.answers import CSV, JSON, answer, get


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("last_access", ("last_access",)),
        ("$[*].last_access", ("last_access",)),
        ("[].a", ("a",)),
        ("metadata.b", ("metadata", "b")),
        ("items[].price", ("items", "", "price")),
        ("items[*].price", ("items", "", "price")),
        ('meta."odd key"', ("meta", "odd key")),
        ('"a.b"', ("a.b",)),
    ],
)
def test_a_path_names_a_member(path: str, steps: tuple[str, ...]) -> None:
    assert read_steps(path) == steps


@pytest.mark.parametrize(
    "path", ["", "$", "*", "$[*]", "[*]", "[]", "items[]", "a..b", "a.", "$.*", "a.*", "a[0]"]
)
def test_what_names_everything_or_nothing_is_no_path(path: str) -> None:
    with pytest.raises(ValueError, match="no path to a member"):
        read_steps(path)


def masked(path: str, one: str, other: str, reading: Reading | None = None) -> Comparison:
    ignoring = Ignoring((Ignored("r", read_steps(path)),))
    return compare(get(), answer(one), answer(other), reading or Reading(), ignoring)


def test_a_difference_that_is_ignored_is_none_and_says_which_rule() -> None:
    result = masked("seen", '[{"id":1,"seen":1}]', '[{"id":1,"seen":2}]')
    assert result == Comparison("match", (), frozenset({"r"}))


def test_a_rule_that_had_nothing_to_do_is_not_hit() -> None:
    result = masked("seen", '[{"id":1,"seen":1}]', '[{"id":2,"seen":1}]')
    assert (result.verdict, result.ignored) == ("mismatch", frozenset())


def test_what_is_beside_it_is_still_compared() -> None:
    result = masked("seen", '[{"id":1,"seen":1}]', '[{"id":2,"seen":2}]')
    assert [item.path for item in result.differences] == ["$[0].id"]
    assert result.ignored == {"r"}
    # A name that only begins alike is another one.
    assert masked("id", '[{"id":1,"idea":1}]', '[{"id":1,"idea":2}]').verdict == "mismatch"


def test_a_member_that_one_side_lacks_is_ignored_as_well() -> None:
    assert masked("seen", '[{"id":1,"seen":1}]', '[{"id":1}]').verdict == "match"


def test_members_inside_of_lists_and_objects() -> None:
    one, other = '[{"p":[{"a":1,"b":1}],"m":{"x":1}}]', '[{"p":[{"a":2,"b":1}],"m":{"x":1}}]'
    assert masked("p[].a", one, other).verdict == "match"
    assert masked("p[].b", one, other).verdict == "mismatch"
    assert masked("m.x", '[{"m":{"x":1,"y":1}}]', '[{"m":{"x":2,"y":1}}]').verdict == "match"
    assert masked("x", '{"x":1}', '{"x":2}').verdict == "match"


def test_rows_that_differ_only_there_may_stand_in_any_open_order() -> None:
    one, other = '[{"id":1,"s":1},{"id":2,"s":2}]', '[{"id":2,"s":8},{"id":1,"s":9}]'
    assert masked("s", one, other, Reading("open")).verdict == "equivalent"


def test_a_column_of_csv() -> None:
    ignoring = Ignoring((Ignored("r", ("s",)),))
    one, other = answer("id,s\n1,2", CSV), answer("id,s\n1,3", CSV)
    assert compare(get(), one, other, ignoring=ignoring) == Comparison("match", (), frozenset({"r"}))


def test_a_header() -> None:
    ignoring = Ignoring((Ignored("h", header="x-served-by"),))
    one, other = answer("[]", JSON, (b"X-Served-By", b"a")), answer("[]", JSON, (b"X-Served-By", b"b"))
    assert compare(get(), one, other, ignoring=ignoring) == Comparison("match", (), frozenset({"h"}))
    wrong = answer("[]", JSON, (b"X-Other", b"b"), (b"X-Served-By", b"a"))
    found = compare(get(), one, wrong, ignoring=ignoring)
    assert found.differences == (Difference("headers", "x-other", "(absent)", "b", "extra"),)

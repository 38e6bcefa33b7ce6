"""A rehearsed write and the real one: what each made by itself is masked, everything else is compared."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.messages import Answer, Request
from proxy.shadow.masking import Mask, compare_rehearsal, mask_answer
from tests.shadow.answers import CSV, JSON, SINGULAR, answer, any_answers, any_requests, rows_text

POST = Request("POST", b"/storage", ((b"Prefer", b"return=representation"),))
MASK = Mask(frozenset({"id", "made_at"}), frozenset({"id", "made"}))


def verdict(upstream: Answer, engine: Answer, mask: Mask = MASK, request: Request = POST) -> str:
    return compare_rehearsal(request, upstream, engine, mask).verdict


def created(value: Any, *headers: tuple[bytes, bytes], status: int = 201) -> Answer:
    return answer(json.dumps(value), *headers, status=status)


@pytest.mark.parametrize(
    ("upstream", "engine"),
    [
        ([{"id": 2, "label": "a"}], [{"id": 1, "label": "a"}]),
        ([{"id": 2}, {"id": 3}], [{"id": 1}, {"id": 2}]),
        ([{"made": "12:01"}], [{"made": "12:00"}]),
        ([{"made": {"a": 1}}], [{"made": {"b": []}}]),
    ],
)
def test_what_was_made_may_differ(upstream: Any, engine: Any) -> None:
    assert verdict(created(upstream), created(engine)) == "match"
    assert verdict(created(upstream), created(engine), Mask()) == "mismatch"


@pytest.mark.parametrize(
    ("upstream", "engine"),
    [
        ([{"id": 2, "label": "a"}], [{"id": 1, "label": "b"}]),
        ([{"id": 2}], [{"id": "1"}]),
        ([{"id": 2}], [{"id": None}]),
        ([{"id": 2}], [{}]),
        ([{"id": 2}], [{"id": 1}, {"id": 3}]),
        ([{"id": 2, "label": "a"}], [{"label": "a", "id": 1}]),
        ([{"child": {"id": 2}}], [{"child": {"id": 1}}]),
        ([{"made": True}], [{"made": 1}]),
    ],
)
def test_type_place_number_and_all_other_values_count(upstream: Any, engine: Any) -> None:
    assert verdict(created(upstream), created(engine)) == "mismatch"


@pytest.mark.parametrize("status", [503, 504])
def test_a_side_without_its_database_says_nothing_about_the_other(status: int) -> None:
    done, gone = created([{"id": 1}]), answer('{"code":"PGRST001"}', status=status)
    assert verdict(gone, done) == verdict(done, gone) == "inconclusive"
    assert verdict(gone, gone) == "match"


def test_of_a_mismatch_only_what_is_not_masked_is_told() -> None:
    comparison = compare_rehearsal(
        POST, created([{"id": 2, "label": "a"}]), created([{"id": 1, "label": "b"}]), MASK
    )
    assert [(found.path, found.upstream, found.engine) for found in comparison.differences] == [
        ("$[0].label", '"a"', '"b"')
    ]


def test_numbers_stay_as_they_are_written() -> None:
    first, second = answer('[{"id":2,"n":1.10}]', status=201), answer('[{"id":1,"n":1.1}]', status=201)
    assert verdict(first, second) == "mismatch"
    big = answer('[{"id":2,"n":9007199254740993}]', status=201), answer('[{"id":1,"n":9007199254740992}]')
    assert verdict(*big) == "mismatch"


def test_one_object_is_a_row_too() -> None:
    assert verdict(created({"id": 2}, SINGULAR), created({"id": 1}, SINGULAR)) == "match"


def test_csv_is_masked_by_its_columns() -> None:
    first, second = answer('id,label\n2,"a,b"\n', CSV), answer('id,label\n1,"a,b"\n', CSV)
    assert verdict(first, second) == "match"
    assert verdict(first, answer('id,label\n1,"a,c"\n', CSV)) == "mismatch"
    assert verdict(first, answer('id,label\n,"a,b"\n', CSV)) == "mismatch"


@pytest.mark.parametrize(
    ("upstream", "engine", "expected"),
    [
        (b"/storage?id=eq.2", b"/storage?id=eq.1", "match"),
        (b"/storage?id=eq.2&kind=eq.a", b"/storage?id=eq.1&kind=eq.a", "match"),
        (b"/storage?id=eq.2&kind=eq.a", b"/storage?id=eq.1&kind=eq.b", "mismatch"),
        (b"/storage?kind=eq.2", b"/storage?kind=eq.1", "mismatch"),
        (b"/storage?id=eq.2", b"/other?id=eq.1", "mismatch"),
        (b"/storage?id=eq.2", b"/storage?id=is.null", "mismatch"),
    ],
)
def test_the_new_rows_key_is_masked_in_its_location(upstream: bytes, engine: bytes, expected: str) -> None:
    first = Answer(201, ((b"Location", upstream),))
    assert verdict(first, Answer(201, ((b"Location", engine),))) == expected


def error(code: str, details: str | None, status: int = 400) -> Answer:
    return created({"code": code, "details": details, "hint": None, "message": "m"}, JSON, status=status)


@pytest.mark.parametrize(
    ("upstream", "engine", "expected"),
    [
        ("Failing row contains (2, null, a).", "Failing row contains (1, null, a).", "match"),
        ("Key (id)=(2) already exists.", "Key (id)=(1) already exists.", "match"),
        ("Key (a, id)=(x, 2) already exists.", "Key (a, id)=(x, 1) already exists.", "match"),
        ("Key (a)=(2) already exists.", "Key (a)=(1) already exists.", "mismatch"),
        ("Key (id)=(2) already exists.", "Key (a)=(1) already exists.", "mismatch"),
        ("Failing row contains (2).", None, "mismatch"),
    ],
)
def test_postgresqls_details_quote_what_was_made(upstream: str, engine: str | None, expected: str) -> None:
    assert verdict(error("23502", upstream), error("23502", engine)) == expected


@pytest.mark.parametrize("code", ["55P03", "57014", "40P01", "40001"])
def test_a_rehearsal_that_was_broken_off_says_nothing(code: str) -> None:
    assert verdict(created([]), error(code, None, 500)) == "inconclusive"
    assert verdict(error(code, None, 500), created([])) == "mismatch", "the upstream's is its answer"


@pytest.mark.parametrize(
    ("upstream", "engine", "expected"),
    [
        ({"id": 2, "at": "x"}, {"id": 1, "at": "y"}, "inconclusive"),
        (7, 8, "inconclusive"),
        ([1, 2], [3, 4], "inconclusive"),
        (7, "8", "mismatch"),
        ([1, 2], [3], "mismatch"),
        ({"id": 2}, {"ID": 1}, "mismatch"),
        (7, 7, "match"),
    ],
)
def test_what_a_function_made_of_its_result_nobody_knows(upstream: Any, engine: Any, expected: str) -> None:
    call = Request("POST", b"/rpc/f")
    got = verdict(created(upstream, status=200), created(engine, status=200), Mask(call=True), call)
    assert got == expected


def test_a_functions_status_and_headers_are_compared_as_always() -> None:
    call = Request("POST", b"/rpc/f")
    assert verdict(created(7, status=200), created(8, status=201), Mask(call=True), call) == "mismatch"
    extra = created(8, JSON, (b"X-Own", b"1"), status=200)
    assert verdict(created(7, status=200), extra, Mask(call=True), call) == "mismatch"
    row = error("23502", "Failing row contains (2, null)."), error("23502", "Failing row contains (1, null).")
    assert verdict(*row, Mask(call=True), call) == "match", "the row is what the function made"
    failed = error("P0001", "a"), error("P0001", "b")
    assert verdict(*failed, Mask(call=True), call) == "mismatch"


rows = st.lists(
    st.fixed_dictionaries({"id": st.integers(), "label": st.text(max_size=5) | st.none()}),
    min_size=1,
    max_size=5,
)


@given(rows, st.data())
def test_ids_never_matter_and_labels_always_do(first: list[dict[str, Any]], data: st.DataObject) -> None:
    second = [{**row, "id": data.draw(st.integers())} for row in first]
    assert verdict(answer(rows_text(first)), answer(rows_text(second))) == "match"
    second[data.draw(st.integers(0, len(second) - 1))]["label"] = "longer than any"
    assert verdict(answer(rows_text(first)), answer(rows_text(second))) == "mismatch"


@given(any_requests, any_answers, any_answers, st.sets(st.sampled_from("abc_")), st.booleans())
def test_comparing_never_raises_and_an_answer_matches_itself(
    request: Request, one: Answer, other: Answer, names: set[str], call: bool
) -> None:
    mask = Mask(frozenset(names), frozenset(names), call)
    compare_rehearsal(request, one, other, mask)
    mask_answer(one, mask)
    assert compare_rehearsal(request, one, one, mask).verdict in ("match", "inconclusive")

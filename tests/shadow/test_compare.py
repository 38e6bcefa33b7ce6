"""What two answers to one request come to."""

import gzip
import json
import random
import time
import zlib
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from proxy.difference import Difference, Kind
from proxy.messages import Answer, Request
from proxy.reading import BOUND, Reading
from proxy.shadow import compare as comparing
from proxy.shadow.compare import Comparison
from proxy.shadow.tokens import MAX_DIFFERENCES
from tests.shadow.answers import (
    CSV,
    JSON,
    SINGULAR,
    answer,
    any_answers,
    any_requests,
    get,
    promised,
    rows_text,
    tables,
    values,
)

ORDERED = get(b"/storage?order=id")
MIRRORED: dict[str, Kind] = {"missing": "extra", "extra": "missing"}
"""What a difference is called with the sides exchanged."""


def compare(request: Request, upstream: Answer, engine: Answer, reading: Reading | None = None) -> Comparison:
    return comparing.compare(request, upstream, engine, promised(request) if reading is None else reading)


def verdict(
    request: Request, upstream: bytes | str, engine: bytes | str, *headers: tuple[bytes, bytes]
) -> str:
    return compare(request, answer(upstream, *headers), answer(engine, *headers)).verdict


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(any_requests, any_answers)
def test_an_answer_matches_itself(request: Request, side: Answer) -> None:
    assert compare(request, side, side) == Comparison("match")


@given(any_requests, any_answers, any_answers)
def test_it_never_raises_and_does_not_depend_on_who_is_who(
    request: Request, one: Answer, other: Answer
) -> None:
    there, back = compare(request, one, other), compare(request, other, one)
    assert there.verdict == back.verdict
    if there.verdict == "mismatch":
        assert len(there.differences) == len(back.differences) > 0
    if {"order"} != {difference.aspect for difference in there.differences}:
        swapped = [
            Difference(item.aspect, item.path, item.engine, item.upstream, MIRRORED.get(item.kind, item.kind))
            for item in back.differences
        ]
        assert list(there.differences) == swapped


@given(tables, st.data())
def test_every_changed_value_is_detected(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    changed = json.loads(rows_text(rows))
    row = data.draw(st.sampled_from(changed))
    key = data.draw(st.sampled_from(sorted(row)))
    value = data.draw(values)
    assume(json.dumps(value) != json.dumps(row[key]))
    row[key] = value
    result = compare(get(), answer(rows_text(rows)), answer(rows_text(changed)))
    assert result.verdict in ("mismatch", "equivalent")
    # Changing one of two rows into the other's place may leave the same rows.
    same = sorted(map(repr, map(json.dumps, rows))) == sorted(map(repr, map(json.dumps, changed)))
    assert (result.verdict == "equivalent") == same
    assert compare(ORDERED, answer(rows_text(rows)), answer(rows_text(changed))).verdict == "mismatch"


@given(tables, st.data())
def test_every_changed_digit_is_detected(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    for number, row in enumerate(rows):
        row["id"] = number + 100
    text = rows_text(rows)
    row = data.draw(st.sampled_from(rows))
    changed = text.replace(f'"id": {row["id"]}', f'"id": {row["id"] + 500}')
    result = compare(get(), answer(text), answer(changed))
    assert result.verdict == "mismatch"
    assert any(difference.path.endswith(".id") for difference in result.differences)


@given(tables, st.data())
def test_every_dropped_row_is_detected(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    fewer = list(rows)
    del fewer[data.draw(st.integers(0, len(rows) - 1))]
    for request in (get(), ORDERED, get(b"/storage?limit=100")):
        result = compare(request, answer(rows_text(rows)), answer(rows_text(fewer)))
        assert result.verdict == "mismatch"
        assert result.differences[0].path == "$"


@given(tables, st.data())
def test_every_swapped_pair_of_keys_is_detected(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    assume(len(rows[0]) > 1)
    index = data.draw(st.integers(0, len(rows) - 1))
    swapped = list(rows)
    swapped[index] = dict(reversed(rows[index].items()))
    for request in (get(), ORDERED, get(b"/storage?limit=1")):
        assert compare(request, answer(rows_text(rows)), answer(rows_text(swapped))).verdict == "mismatch"


@given(tables, st.randoms(use_true_random=False))
def test_rows_in_another_order_are_equivalent_exactly_when_the_order_is_open(
    rows: list[dict[str, Any]], chance: random.Random
) -> None:
    shuffled = list(rows)
    chance.shuffle(shuffled)
    assume(json.dumps(shuffled) != json.dumps(rows))
    first, second = answer(rows_text(rows)), answer(rows_text(shuffled))
    assert compare(get(), first, second) == Comparison("equivalent")
    bound = compare(ORDERED, first, second)
    assert bound == Comparison(
        "mismatch", (Difference("order", "$", "the same rows", "in another order", "order"),)
    )
    assert compare(get(b"/storage?offset=1"), first, second) == Comparison("indeterminate")
    assert compare(get(b"/rpc/latest"), first, second).verdict == "mismatch"


@given(st.binary(min_size=1), st.data())
def test_every_changed_byte_of_a_body_that_is_no_json_is_detected(body: bytes, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(body) - 1))
    changed = body[:index] + bytes([(body[index] + data.draw(st.integers(1, 255))) % 256]) + body[index + 1 :]
    plain = (b"Content-Type", b"application/octet-stream")
    result = compare(get(), answer(body, plain), answer(changed, plain))
    assert result.verdict == "mismatch"
    assert result.differences[0].path == f"@{index}"


def test_the_status_and_the_headers_are_compared() -> None:
    one = answer("[]", JSON, (b"Content-Range", b"*/*"))
    other = answer("[]", JSON, (b"Content-Range", b"*/0"), status=206)
    assert compare(get(), one, other).differences == (
        Difference("status", "", "200", "206"),
        Difference("headers", "content-range", "*/*", "*/0"),
    )


def test_reason_phrases_are_not_compared() -> None:
    assert compare(get(), Answer(200, reason=b"OK"), Answer(200, reason=b"Fine")).verdict == "match"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("[1.10]", "[1.1]"),
        ("[9007199254740993]", "[9007199254740992]"),
        ("[1e2]", "[100]"),
        ("[1]", '["1"]'),
        ("[0]", "[-0]"),
        ("[0]", "[false]"),
        ("[1]", "[true]"),
        ("[null]", "[0]"),
        ("[[]]", "[{}]"),
        ('[""]', "[null]"),
        ('{"a":1,"b":2}', '{"b":2,"a":1}'),
        ('{"a":1,"a":2}', '{"a":2}'),
        ('{"a":1,"a":2}', '{"a":2,"a":1}'),
        ('{"a":null}', "{}"),
        ("[NaN]", '["NaN"]'),
        ('["a"]', '["A"]'),
        ('["é"]', '["e\u0301"]'),
        ("[1]", "[1"),
        ("", "[]"),
    ],
)
def test_tokens_are_not_values(one: str, other: str) -> None:
    assert verdict(get(), one, other) == "mismatch"


@pytest.mark.parametrize(
    ("one", "other"),
    [('[{"a":1}, \n {"a":2}]', '[{"a":1},{"a":2}]'), ('["\\u00e9\\/"]', '["é/"]'), ("[1] ", "[1]")],
)
def test_white_space_and_escapes_are_no_difference(one: str, other: str) -> None:
    assert verdict(get(), one, other) == "match"


def test_a_difference_names_its_place_and_both_values() -> None:
    one = '[{"id":1,"metadata":{"b":[1,2.50],"odd key":"x"}}]'
    other = '[{"id":1,"metadata":{"b":[1,2.5],"odd key":"y"}}]'
    assert compare(ORDERED, answer(one), answer(other)).differences == (
        Difference("body", "$[0].metadata.b[1]", "2.50", "2.5", "format"),
        Difference("body", '$[0].metadata["odd key"]', '"x"', '"y"'),
    )


def test_missing_members_and_changed_key_order_are_told_apart() -> None:
    one, other = '{"a":1,"b":2,"c":{"x":1,"y":2}}', '{"a":1,"c":{"y":2,"x":1}}'
    assert compare(get(), answer(one), answer(other)).differences == (
        Difference("body", "$.b", "2", "(absent)", "missing"),
        Difference("body", "$.c", "keys x, y", "keys y, x", "keys"),
    )


def test_differences_are_bounded_in_number_and_in_length() -> None:
    one = json.dumps([{"k" * 500: "x" * 1_000 + str(number)} for number in range(1000)])
    other = json.dumps([{"k" * 500: "x" * 1_000 + str(number + 5000)} for number in range(1000)])
    differences = compare(ORDERED, answer(one), answer(other)).differences
    assert len(differences) == MAX_DIFFERENCES
    for difference in differences:
        assert max(len(difference.path), len(difference.upstream), len(difference.engine)) < 300
        assert difference.upstream != difference.engine


def test_errors_are_compared_in_every_token() -> None:
    one = answer('{"code":"PGRST100","details":null,"hint":null,"message":"m"}', status=400)
    other = answer('{"code":"PGRST100","hint":null,"details":null,"message":"m"}', status=400)
    assert compare(get(), one, other).verdict == "mismatch"
    assert compare(get(), answer("[1,2]", status=400), answer("[2,1]", status=400)).verdict == "mismatch"


PAGE = '[{"id":1,"v":1},{"id":2,"v":2}]'
OTHER_PAGE = '[{"id":3,"v":1},{"id":4,"v":2}]'


@pytest.mark.parametrize("query", [b"limit=2", b"limit=1", b"offset=5", b"offset=2&limit=10"])
def test_another_page_is_indeterminate_when_the_order_is_open_and_the_page_cuts(query: bytes) -> None:
    assert verdict(get(b"/storage?" + query), PAGE, OTHER_PAGE) == "indeterminate"


@pytest.mark.parametrize("query", [b"", b"limit=3", b"order=id&limit=2", b"offset=0"])
def test_other_rows_are_a_mismatch_when_nothing_was_cut_or_an_order_was_given(query: bytes) -> None:
    assert verdict(get(b"/storage?" + query), PAGE, OTHER_PAGE) == "mismatch"


def test_a_page_of_other_columns_or_another_length_is_a_mismatch() -> None:
    request = get(b"/storage?limit=2")
    assert verdict(request, PAGE, '[{"id":3,"w":1},{"id":4,"w":2}]') == "mismatch"
    assert verdict(request, PAGE, '[{"id":3,"v":1}]') == "mismatch"
    assert verdict(request, PAGE, '{"id":3,"v":1}') == "mismatch"


def test_a_known_total_tells_that_a_full_page_is_everything() -> None:
    request = get(b"/storage?limit=2")
    assert verdict(request, PAGE, OTHER_PAGE, JSON, (b"Content-Range", b"0-1/2")) == "mismatch"
    assert verdict(request, PAGE, OTHER_PAGE, JSON, (b"Content-Range", b"0-1/7")) == "indeterminate"


def test_only_a_full_page_is_cut() -> None:
    page = Reading("open", limit=2)
    assert compare(get(), answer(PAGE), answer(OTHER_PAGE), page).verdict == "indeterminate"
    assert compare(get(), answer(PAGE), answer(OTHER_PAGE), Reading("open", limit=3)).verdict == "mismatch"


def test_a_header_that_differs_makes_an_open_page_a_mismatch() -> None:
    result = compare(get(b"/storage?limit=2"), answer(PAGE, JSON, (b"X", b"1")), answer(OTHER_PAGE, JSON))
    assert result == Comparison("mismatch", (Difference("headers", "x", "1", "(absent)", "missing"),))


def test_one_row_of_many_is_indeterminate_unless_its_key_was_pinned() -> None:
    one, other = answer('{"id":1,"v":1}', SINGULAR), answer('{"id":1,"v":2}', SINGULAR)
    request = get(b"/storage?id=eq.1&limit=1")
    assert compare(request, one, other).verdict == "indeterminate"
    assert compare(request, one, other, BOUND).verdict == "mismatch"


def test_csv_is_compared_record_by_record() -> None:
    one = 'id,note\n1,"a\nb"\n2,\n'
    assert verdict(get(), one, 'id,note\n2,\n1,"a\nb"\n', CSV) == "equivalent"
    assert verdict(ORDERED, one, 'id,note\n2,\n1,"a\nb"\n', CSV) == "mismatch"
    assert verdict(get(), one, 'id,note\n1,"a\nb"\n2,""\n', CSV) == "mismatch"
    assert verdict(get(), one, 'note,id\n1,"a\nb"\n2,\n', CSV) == "mismatch"
    assert verdict(get(b"/storage?limit=5"), one, "id,note\n3,x\n2,\n", CSV) == "mismatch"
    assert verdict(get(b"/storage?limit=2"), "id\n1\n2", "id\n3\n4", CSV) == "indeterminate"


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (b"gzip", gzip.compress(PAGE.encode(), mtime=0)),
        (b"x-gzip", gzip.compress(b'[{"id":1,"v":1},', mtime=0) + gzip.compress(b'{"id":2,"v":2}]', mtime=0)),
        (b"deflate", zlib.compress(PAGE.encode())),
        (b"deflate", zlib.compress(PAGE.encode(), wbits=-15)),
        (b"deflate, gzip", gzip.compress(zlib.compress(PAGE.encode()), mtime=0)),
    ],
)
def test_a_compressed_body_is_compared_with_one_that_is_not(coding: bytes, body: bytes) -> None:
    compressed = answer(body, JSON, (b"Content-Encoding", coding))
    assert compare(ORDERED, compressed, answer(PAGE)) == Comparison("match")
    assert compare(ORDERED, compressed, answer(OTHER_PAGE)).verdict == "mismatch"


def test_a_body_that_cannot_be_decoded_settles_nothing() -> None:
    for coding, body in (
        (b"br", b"\x8b\x01\x80[]\x03"),
        (b"gzip", b"no gzip"),
        (b"gzip", gzip.compress(PAGE.encode(), mtime=0)[:-9]),
    ):
        compressed = answer(body, JSON, (b"Content-Encoding", coding))
        assert compare(get(), compressed, answer(PAGE)) == Comparison("inconclusive")
        other_status = answer(PAGE, JSON, status=206)
        assert compare(get(), compressed, other_status).verdict == "mismatch"


def test_a_coding_that_is_claimed_and_not_true_is_a_difference() -> None:
    assert (
        compare(get(), answer(PAGE), answer(PAGE, JSON, (b"Content-Encoding", b"br"))).verdict == "mismatch"
    )


def test_a_few_bytes_cannot_fill_the_memory() -> None:
    bomb = gzip.compress(bytes(64 * 1024 * 1024))
    assert (
        compare(get(), answer(bomb, JSON, (b"Content-Encoding", b"gzip")), answer(PAGE)).verdict
        == "inconclusive"
    )


@pytest.mark.parametrize("depth", [50, 900, 5_000, 400_000])
def test_deep_nesting_is_neither_slow_nor_fatal(depth: int) -> None:
    one = b"[" * depth + b"1" + b"]" * depth
    other = b"[" * depth + b"2" + b"]" * depth
    wide = b'[{"a":' * (depth // 6) + b"[" + b"1," * 1000 + b"%d]" + b"}]" * (depth // 6)
    started = time.process_time()
    assert compare(get(), answer(one), answer(other)).verdict == "mismatch"
    assert compare(get(), answer(one), answer(one + b" ")).verdict in ("match", "mismatch")
    assert compare(get(), answer(wide % 1), answer(wide % 2)).verdict == "mismatch"
    assert time.process_time() - started < 2.0


def test_huge_numbers_are_texts() -> None:
    assert verdict(get(), b"[" + b"1" * 100_000 + b"]", b"[" + b"1" * 99_999 + b"2]") == "mismatch"


def test_head_compares_what_there_is() -> None:
    head = get(method="HEAD")
    one = Answer(200, (JSON, (b"Content-Range", b"0-9/*")))
    assert compare(head, one, one).verdict == "match"
    assert compare(head, one, Answer(200, (JSON, (b"Content-Range", b"0-8/*")))).verdict == "mismatch"
    assert compare(head, one, Answer(200, (JSON, (b"Content-Range", b"0-9/*")), b"[]")).verdict == "mismatch"

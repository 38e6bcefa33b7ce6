"""The comparison rules of the conformance tapes, one by one (tests/conformance/README.md)."""

from typing import Any

import pytest

from proxy.messages import Answer, Headers
from proxy.tape.compare import deviations
from proxy.tape.format import RecordedExchange, RecordedRequest
from tests.support.conformance import recorded

JSON = (b"Content-Type", b"application/json; charset=utf-8")
CSV = (b"Content-Type", b"text/csv; charset=utf-8")


def recording(answer: Answer, method: str = "GET", **marks: Any) -> RecordedExchange:
    return RecordedExchange("a-1", "a", "default", RecordedRequest(method, b"/t"), answer, **marks)


def failing_parts(expected: Answer, received: Answer, method: str = "GET", **marks: Any) -> list[str]:
    return [deviation.part for deviation in deviations(recording(expected, method, **marks), received)]


def with_body(body: bytes, header: tuple[bytes, bytes] = JSON, status: int = 200) -> Answer:
    return Answer(status, (header,), body)


def with_header(name: bytes, *values: bytes) -> Answer:
    return Answer(200, tuple((name, value) for value in values))


def test_every_recorded_answer_passes_against_itself() -> None:
    assert not [exchange.id for exchange in recorded() if deviations(exchange, exchange.answer)]


def test_every_recorded_answer_fails_with_another_status_or_type() -> None:
    for exchange in recorded():
        other = exchange.answer._replace(status=699, headers=((b"Content-Type", b"text/odd"),))
        parts = [deviation.part for deviation in deviations(exchange, other)]
        assert "status" in exchange.ignore or parts[0] == "status"
        assert "header:Content-Type" in exchange.ignore or "header content-type" in parts


def test_rule_1_the_status_counts_and_the_reason_does_not() -> None:
    assert failing_parts(Answer(200, reason=b"OK"), Answer(200, reason=b"Fine")) == []
    assert failing_parts(Answer(200), Answer(201)) == ["status"]


@pytest.mark.parametrize(
    "name",
    [
        *(b"Content-Type", b"Content-Range", b"Content-Location", b"Content-Profile", b"Location", b"Allow"),
        *(b"Preference-Applied", b"Proxy-Status", b"WWW-Authenticate", b"Access-Control-Allow-Origin"),
    ],
)
def test_rule_2_these_headers_must_be_equal_or_both_absent(name: bytes) -> None:
    part = [f"header {name.decode().lower()}"]
    assert failing_parts(with_header(name, b"a"), with_header(name.upper(), b" a ")) == []
    assert failing_parts(with_header(name, b"a"), with_header(name, b"b")) == part
    assert failing_parts(with_header(name, b"a"), Answer(200)) == part
    assert failing_parts(Answer(200), with_header(name, b"a")) == part
    assert failing_parts(with_header(name, b"a"), with_header(name, b"a", b"a")) == part


@pytest.mark.parametrize(
    "name",
    [
        *(b"Set-Cookie", b"Cache-Control", b"Content-Disposition", b"Retry-After", b"Link", b"ETag"),
        *(b"Vary", b"X-Anything"),
    ],
)
def test_rule_2_these_headers_count_only_when_recorded(name: bytes) -> None:
    assert failing_parts(with_header(name, b"a"), with_header(name, b"b")) == [
        f"header {name.decode().lower()}"
    ]
    assert failing_parts(Answer(200), with_header(name, b"a")) == []


def test_rule_2_of_server_timing_only_the_presence_counts() -> None:
    timing = b"Server-Timing"
    assert failing_parts(with_header(timing, b"a"), with_header(timing, b"b")) == []
    assert failing_parts(with_header(timing, b"a"), Answer(200)) == ["header server-timing"]
    assert failing_parts(Answer(200), with_header(timing, b"a")) == ["header server-timing"]


@pytest.mark.parametrize("name", [b"Date", b"Server", b"Content-Length", b"Transfer-Encoding"])
def test_rule_2_everything_else_is_free(name: bytes) -> None:
    assert failing_parts(with_header(name, b"a"), Answer(200)) == []


def test_rule_2_values_outside_ascii_are_compared_as_they_were_recorded() -> None:
    as_recorded = "/caf\xe9".encode()
    assert failing_parts(with_header(b"Location", as_recorded), with_header(b"Location", b"/caf\xe9")) == []


def test_rule_3_json_is_compared_without_white_space_but_with_number_literals() -> None:
    assert failing_parts(with_body(b'[{"a":1.50}]'), with_body(b'[ {"a" : 1.50} ]')) == []
    assert failing_parts(with_body(b'[{"a":1.50}]'), with_body(b'[{"a":1.5}]')) == ["body"]
    assert failing_parts(with_body(b"[]"), with_body(b"oops")) == ["body"]


def test_rule_3_the_order_of_keys_counts_in_rows_only() -> None:
    forth, back = b'{"a":1,"b":2}', b'{"b":2,"a":1}'
    assert failing_parts(with_body(forth), with_body(back)) == ["body"]
    assert failing_parts(with_body(forth, status=400), with_body(back, status=400)) == []
    for media_type in (b"application/openapi+json", b"application/vnd.pgrst.plan+json"):
        header = (b"Content-Type", media_type)
        assert failing_parts(with_body(forth, header), with_body(back, header)) == []


def test_rule_4_other_bodies_are_compared_byte_by_byte() -> None:
    assert failing_parts(with_body(b"a,b\n1,2", CSV), with_body(b"a,b\n1,2\n", CSV)) == ["body"]
    ndjson = (b"Content-Type", b"application/x-ndjson")
    assert failing_parts(with_body(b"{}", ndjson), with_body(b"{ }", ndjson)) == ["body"]
    [found] = deviations(recording(with_body(b"abc", CSV)), with_body(b"abd", CSV))
    assert found.text.startswith("body differs at byte 2")


def test_rule_5_unordered_arrays_and_lines_are_multisets() -> None:
    assert failing_parts(with_body(b"[[1,2],3]"), with_body(b"[3,[2,1]]"), unordered=True) == []
    assert failing_parts(with_body(b"[1,1,2]"), with_body(b"[1,2,2]"), unordered=True) == ["body"]
    assert failing_parts(with_body(b"[1,2]"), with_body(b"[2,1]")) == ["body"]
    assert failing_parts(with_body(b"a\nb", CSV), with_body(b"b\na", CSV), unordered=True) == []
    assert failing_parts(with_body(b"a\nb", CSV), with_body(b"b\na", CSV)) == ["body"]


def test_rule_6_a_head_answer_has_no_body_to_compare() -> None:
    assert failing_parts(with_body(b""), with_body(b"[]"), method="HEAD") == []


@pytest.mark.parametrize(
    ("ignored", "headers"),
    [("body", (JSON,)), ("$.version", (JSON,)), ("header:Location", (JSON, (b"Location", b"/")))],
)
def test_rule_6_ignored_parts_are_removed_from_both_sides(ignored: str, headers: Headers) -> None:
    expected = Answer(200, (JSON,), b'{"version":1}')
    received = Answer(200, headers, expected.body if ignored.startswith("header") else b'{"version":2}')
    assert failing_parts(expected, received) != []
    assert failing_parts(expected, received, ignore=(ignored,)) == []


def test_rule_6_the_status_can_be_ignored() -> None:
    assert failing_parts(Answer(200), Answer(404), ignore=("status",)) == []


def test_json_too_deep_to_be_walked_is_compared_as_text() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    assert failing_parts(with_body(deep), with_body(deep)) == []
    assert failing_parts(with_body(deep), with_body(deep + b" ")) == ["body"]

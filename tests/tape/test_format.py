"""The tape format: every byte survives, every broken line is named."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.messages import Answer
from proxy.tape.format import (
    RecordedExchange,
    RecordedRequest,
    Tape,
    TapeError,
    TapeHeader,
    format_exchange,
    format_header,
    parse_exchange,
    read_exchanges,
    read_header,
    read_tape,
    write_tape,
)
from tests.support.conformance import TAPES

HEADER = '{"tape": 1, "postgrest": "14.17", "postgresql": "16.14", "area": "select", "count": null}'
LINE = (
    '{"id": "a-1", "area": "a", "variant": "default", "method": "GET", "path": "/ü?a=%C3", '
    '"headers": [["Prefer", "ü"]], "body": null, "jwt": {"role": "Wörker", "exp": 1.5e3}, '
    '"unordered": true, "ignore": ["body"], "note": null, "response": {"status": 200, "reason": "OK", '
    '"headers": [["X-\u00c3\u009c", "ü"]], "body": {"base64": "/w=="}}}'
)

texts = st.text(st.characters(exclude_categories=["Cs"]))
names = st.binary(min_size=1)
headers = st.lists(st.tuples(names, st.binary())).map(tuple)
requests = st.builds(
    RecordedRequest,
    method=texts,
    target=st.binary(),
    headers=headers,
    body=st.none() | st.binary(),
    claims=st.none() | st.sampled_from(["{}", '{"role":"ü","n":[1,2.5,null]}']),
)
answers = st.builds(
    Answer, status=st.integers(100, 999), headers=headers, body=st.binary(), reason=st.binary()
)
exchanges = st.builds(
    RecordedExchange,
    id=texts,
    area=texts,
    variant=texts,
    request=requests,
    answer=answers,
    unordered=st.booleans(),
    ignore=st.lists(texts).map(tuple),
    note=st.none() | texts,
    accident=st.booleans(),
    differs=st.lists(texts).map(tuple),
    body_omitted=st.none() | st.integers(0),
)


@given(exchanges)
def test_what_is_written_is_read_again_whatever_the_bytes(exchange: RecordedExchange) -> None:
    line = format_exchange(exchange)
    assert "\n" not in line
    assert parse_exchange(line) == exchange


@pytest.mark.parametrize("version", ["14.17", "13.0.8", "12.2.12"])
def test_every_line_of_the_conformance_tapes_is_written_as_it_was_read(version: str) -> None:
    for file in sorted((TAPES / f"postgrest-{version}").glob("*.jsonl")):
        header, *lines = file.read_bytes().decode().rstrip("\n").split("\n")
        assert format_header(read_header(file)) == header
        assert [format_exchange(exchange) for exchange in read_exchanges(file)] == lines


def test_a_whole_tape_survives_a_file(tmp_path: Path) -> None:
    exchange = parse_exchange(LINE)
    tape = Tape(TapeHeader("a", "14.17", "16.14", 2, differs_from="postgrest-13.0.8"), (exchange, exchange))
    write_tape(tmp_path / "a.jsonl", tape)
    assert read_tape(tmp_path / "a.jsonl") == tape


def test_a_line_becomes_raw_bytes() -> None:
    exchange = parse_exchange(LINE)
    assert exchange.request.target == "/ü?a=%C3".encode()
    assert exchange.request.headers == ((b"Prefer", "ü".encode()),)
    assert exchange.request.claims == '{"role":"Wörker","exp":1500.0}'
    assert exchange.answer.headers == (("X-Ü".encode(), "ü".encode()),)
    assert exchange.answer.body == b"\xff"


def test_no_body_and_an_empty_body_are_told_apart() -> None:
    assert parse_exchange(LINE).request.body is None
    assert parse_exchange(LINE.replace('"body": null', '"body": ""')).request.body == b""


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"id": ', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "not a JSON object"),
        (LINE.replace('"method": "GET", ', ""), "method: missing"),
        (LINE.replace('"GET"', "7"), "method: str expected, found 7"),
        (LINE.replace("200", '"200"'), 'status: int expected, found "200"'),
        (LINE.replace("200", "true"), "status: int expected, found true"),
        (LINE.replace('["Prefer", "ü"]', '["Prefer"]'), "headers: a list of"),
        (LINE.replace('"/w=="', '"/w"'), "body: "),
        (LINE.replace('{"base64": "/w=="}', "12"), "body: a text or"),
        (LINE.replace('["body"]', "[1]"), "ignore: a list of texts expected"),
        (LINE.replace('"note"', '"nota"'), "unknown keys: nota"),
        (LINE.replace('"reason"', '"raison"'), "unknown keys: raison"),
        (LINE.replace("/ü?", "/\\ud800?"), "path: "),
        (LINE.replace('"X-\u00c3\u009c"', '"X-→"'), "header name: "),
    ],
)
def test_a_broken_line_is_refused_with_file_line_and_reason(
    tmp_path: Path, line: str, complaint: str
) -> None:
    file = tmp_path / "broken.jsonl"
    file.write_text(f"{HEADER}\n\n{LINE}\n{line}\n", encoding="utf-8")
    reading = read_exchanges(file)
    assert next(reading).id == "a-1"
    with pytest.raises(TapeError, match=r"broken\.jsonl:4: ") as caught:
        next(reading)
    assert complaint in str(caught.value)


def test_bytes_that_are_not_utf_8_are_refused_with_their_line(tmp_path: Path) -> None:
    file = tmp_path / "broken.jsonl"
    file.write_bytes(HEADER.encode() + b"\n\xff\n")
    with pytest.raises(TapeError, match=r"broken\.jsonl:2: .*utf-8"):
        list(read_exchanges(file))


def test_an_exchange_needs_no_note() -> None:
    record = {name: value for name, value in json.loads(LINE).items() if name != "note"}
    assert parse_exchange(json.dumps(record)).note is None


def test_a_file_without_a_header_is_not_a_tape(tmp_path: Path) -> None:
    file = tmp_path / "cases.jsonl"
    file.write_text(LINE, encoding="utf-8")
    with pytest.raises(TapeError, match=r"cases\.jsonl:1: not a tape"):
        list(read_exchanges(file))


def test_an_empty_file_is_not_a_tape(tmp_path: Path) -> None:
    file = tmp_path / "empty.jsonl"
    file.touch()
    with pytest.raises(TapeError, match="empty"):
        read_header(file)
    with pytest.raises(TapeError, match="empty"):
        list(read_exchanges(file))


def test_a_truncated_tape_is_noticed_at_its_end(tmp_path: Path) -> None:
    file = tmp_path / "short.jsonl"
    file.write_text(f"{HEADER.replace('null', '2')}\n{LINE}\n", encoding="utf-8")
    with pytest.raises(TapeError, match="announces 2 exchanges, 1 were found"):
        list(read_exchanges(file))


def test_a_missing_file_is_a_tape_error(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match="No such file"):
        read_tape(tmp_path / "none.jsonl")

"""PostgreSQL's messages: cut the same way however they arrive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.database.wire import (
    MessageReader,
    MessageTooLong,
    NoMessage,
    close_message,
    encode_values,
    execute_messages,
    frame,
    parse_message,
    read_fields,
)
from tests.bench.wire import read_statements

STARTUP = b"\0\0\0\x08\0\x03\0\0"


@given(
    st.lists(st.tuples(st.sampled_from(b"123CDEIKNRSTZtn"), st.binary(max_size=40)), max_size=8),
    st.lists(st.integers(1, 30), max_size=20),
)
def test_messages_are_the_same_however_they_are_cut(
    messages: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    sent = b"".join(frame(kind, body) for kind, body in messages)
    reader = MessageReader()
    found = []
    for cut in [*cuts, len(sent)]:
        part, sent = sent[:cut], sent[cut:]
        found += [(kind, bytes(body)) for kind, body in reader.feed(part)]
    assert found == messages
    assert not reader.waiting


def test_a_long_message_is_whole() -> None:
    body = bytes(range(256)) * 2000
    reader = MessageReader()
    sent = frame(ord("D"), body) + frame(ord("Z"), b"I")
    found = [message for at in range(0, len(sent), 65536) for message in reader.feed(sent[at : at + 65536])]
    assert [(kind, bytes(data)) for kind, data in found] == [(ord("D"), body), (ord("Z"), b"I")]


@given(
    st.lists(st.tuples(st.sampled_from(b"123CDEIKNRSTZtn"), st.binary(max_size=40)), max_size=8),
    st.lists(st.integers(1, 30), max_size=20),
)
def test_whole_messages_pass_as_they_came_however_they_are_cut(
    messages: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    sent = b"".join(frame(kind, body) for kind, body in messages)
    reader, passed, rest = MessageReader(), b"", sent
    for cut in [*cuts, len(sent)]:
        part, rest = rest[:cut], rest[cut:]
        whole = reader.take_whole(part)
        assert MessageReader().take_whole(whole) == whole
        passed += whole
    assert passed == sent
    assert not reader.waiting


@pytest.mark.parametrize(
    "garbage",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"D\xff\xff\xff\xff",
        b"D\x80\0\0\0",
        b"D\0\0\0\x03",
        b"\0\0\0\0\x08",
        frame(ord("Z"), b"I") + b"x\0\0\0\x04",
    ],
)
def test_what_is_no_message_is_found_at_its_head(garbage: bytes) -> None:
    error = NoMessage, MessageTooLong
    with pytest.raises(error):
        list(MessageReader().feed(garbage))
    with pytest.raises(error):
        MessageReader().take_whole(garbage)


def test_what_is_too_long_is_found_before_it_has_come() -> None:
    limit = 100_000
    reader = MessageReader(lambda: limit)
    assert len(list(reader.feed(frame(ord("D"), b"x" * (limit - 4))))) == 1
    with pytest.raises(MessageTooLong):
        list(reader.feed(b"D" + (limit + 1).to_bytes(4, "big")))


def test_the_columns_of_a_row() -> None:
    row = b"\0\x03" + b"\0\0\0\x02ab" + b"\xff\xff\xff\xff" + b"\0\0\0\0"
    assert read_fields(row) == read_fields(memoryview(row)) == [b"ab", None, b""]


def test_what_is_sent_is_what_postgresql_reads() -> None:
    sent = parse_message(b"one", "SELECT $1") + execute_messages(b"one", encode_values(["é"], (True, False)))
    (executed,) = read_statements(STARTUP + sent + close_message(b"one"))
    assert (executed.sql, executed.values) == ("SELECT $1", ("é".encode(),))

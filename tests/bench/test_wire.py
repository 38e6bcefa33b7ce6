"""What a client of PostgreSQL sends, read from its bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.wire import Executed, read_statements

SSL_REQUEST = (8).to_bytes(4) + (80877103).to_bytes(4)
STARTUP = (17).to_bytes(4) + (196608).to_bytes(4) + b"user\0me\0\0"


def message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4) + body


def parse(name: bytes, sql: str) -> bytes:
    return message(b"P", name + b"\0" + sql.encode() + b"\0" + (0).to_bytes(2))


def bind(name: bytes, *values: bytes | None) -> bytes:
    """A Bind message whose parameters and results are in binary form."""
    binary = (1).to_bytes(2) * 2
    body = b"\0" + name + b"\0" + binary + len(values).to_bytes(2)
    for value in values:
        body += (-1).to_bytes(4, signed=True) if value is None else len(value).to_bytes(4) + value
    return message(b"B", body + binary)


EXECUTE = message(b"E", b"\0" + (0).to_bytes(4))
SYNC = message(b"S", b"")
CONVERSATION = (
    SSL_REQUEST
    + STARTUP
    + message(b"Q", b"BEGIN\0")
    + parse(b"s1", "SELECT $1, $2")
    + (bind(b"s1", b"1", None) + EXECUTE + SYNC)
    + (bind(b"s1", b"", "ü".encode()) + EXECUTE + SYNC)
    + message(b"Q", b"COMMIT\0")
)
STATEMENTS = [
    Executed("BEGIN", ()),
    Executed("SELECT $1, $2", (b"1", None)),
    Executed("SELECT $1, $2", (b"", "ü".encode())),
    Executed("COMMIT", ()),
]


def test_plain_and_prepared_statements_come_in_the_order_in_which_they_ran() -> None:
    assert read_statements(CONVERSATION) == STATEMENTS


def test_a_statement_that_was_only_prepared_did_not_run() -> None:
    assert read_statements(STARTUP + parse(b"s1", "SELECT 1") + SYNC) == []


def test_the_unnamed_statement_is_replaced_by_the_next_one() -> None:
    sent = STARTUP + parse(b"", "SELECT 1") + bind(b"") + parse(b"", "SELECT 2") + bind(b"")
    assert [statement.sql for statement in read_statements(sent)] == ["SELECT 1", "SELECT 2"]


@given(st.integers(0, len(CONVERSATION)))
def test_wherever_the_bytes_end_what_was_complete_is_told(end: int) -> None:
    found = read_statements(CONVERSATION[:end])
    assert found == STATEMENTS[: len(found)]


def test_an_encrypted_conversation_is_refused() -> None:
    with pytest.raises(ValueError, match="message without a length"):
        read_statements(SSL_REQUEST + bytes(20))


def test_a_statement_from_before_is_refused() -> None:
    with pytest.raises(ValueError, match="never prepared"):
        read_statements(STARTUP + bind(b"s9"))

"""What a client of PostgreSQL sends, read from its bytes.

Source: PostgreSQL 16 documentation, sections 55.2 (message flow) and 55.7 (message formats).
"""

from collections.abc import Iterator
from dataclasses import dataclass

_UNTYPED = {80877103, 80877104}
"""The codes of SSLRequest and GSSENCRequest, which come before the startup message and are as untyped."""


@dataclass(frozen=True, slots=True)
class Executed:
    """One statement that was sent to be run, with its parameters as they were sent."""

    sql: str
    values: tuple[bytes | None, ...]


def read_statements(sent: bytes) -> list[Executed]:
    """The statements that the client of one connection ran, of all the bytes it sent, in order.

    An incomplete message at the end is left out. Raises ValueError for bytes that are no such conversation.
    """
    prepared: dict[bytes, str] = {}
    statements: list[Executed] = []
    for kind, body in _cut(sent):
        if kind == b"Q":
            statements.append(Executed(body.rstrip(b"\0").decode(), ()))
        elif kind == b"P":
            name, sql, _ = body.split(b"\0", 2)
            prepared[name] = sql.decode()
        elif kind == b"B":
            _, name, rest = body.split(b"\0", 2)
            if name not in prepared:
                raise ValueError(f"a statement that was never prepared: {name!r}")
            statements.append(Executed(prepared[name], tuple(_read_values(rest))))
    return statements


def _cut(sent: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The typed messages with their bodies."""
    place = 0
    started = False
    while len(sent) - place >= 5:
        head = 1 if started else 0
        length = int.from_bytes(sent[place + head : place + head + 4])
        end = place + head + length
        if length < 4:
            raise ValueError("a message without a length")
        if len(sent) < end:
            return
        body = sent[place + head + 4 : end]
        if started:
            yield sent[place : place + 1], body
        else:
            started = int.from_bytes(body[:4]) not in _UNTYPED
        place = end


def _read_values(rest: bytes) -> Iterator[bytes | None]:
    """The parameters in a Bind message, of what follows the two names."""
    place = 2 + 2 * int.from_bytes(rest[:2])
    count = int.from_bytes(rest[place : place + 2])
    place += 2
    for _ in range(count):
        length = int.from_bytes(rest[place : place + 4], signed=True)
        place += 4
        if length < 0:
            yield None
            continue
        yield rest[place : place + length]
        place += length

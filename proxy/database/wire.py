"""Messages of PostgreSQL's protocol, as bytes: those that run statements, and those that tell of it.

Source: PostgreSQL 16 documentation, sections 55.2.3 (extended query), 55.2.4 (pipelining), 55.7 and 55.8.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

SYNC = b"S\0\0\0\x04"
Fields: TypeAlias = list[bytes | None]
"""The columns of a row; None for null."""

LARGEST = 1 << 30
"""Bytes of a message; PostgreSQL makes none that is longer."""

_LONG = 64 * 1024
_KINDS = frozenset(b"123ACDEGHIKNRSTVWZcdnstv")
"""The codes of all that a server says."""

_EXECUTE = b"E\0\0\0\x09\0\0\0\0\0"
_LENGTH = struct.Struct("!I")
_COUNT = struct.Struct("!H")
_SIGNED = struct.Struct("!i")


def parse_message(name: bytes, sql: str) -> bytes:
    """Prepare ``sql`` as ``name``; what its parameters are is left to PostgreSQL."""
    body = b"%b\0%b\0\0\0" % (name, sql.encode())
    return b"P%b%b" % (_LENGTH.pack(len(body) + 4), body)


def close_message(name: bytes) -> bytes:
    """Forget the statement ``name``; it is no error if there is none."""
    return b"C%bS%b\0" % (_LENGTH.pack(len(name) + 6), name)


def encode_values(values: Sequence[str], binary: tuple[bool, ...] = ()) -> bytes:
    """Values for a statement, which are passed as text.

    ``binary``: which columns of its rows are to come in binary form; without it all come as text.
    """
    parts = [b"\0\0", _COUNT.pack(len(values))]
    for value in values:
        data = value.encode()
        parts += (_LENGTH.pack(len(data)), data)
    parts.append(_encode_formats(binary))
    return b"".join(parts)


@lru_cache(maxsize=64)
def _encode_formats(binary: tuple[bool, ...]) -> bytes:
    return b"".join((_COUNT.pack(len(binary)), *(b"\0\x01" if one else b"\0\0" for one in binary)))


class Step(NamedTuple):
    """A statement with its values, as ``encode_values`` makes them."""

    sql: str
    values: bytes = encode_values(())


def execute_messages(name: bytes, values: bytes) -> bytes:
    """Run the statement ``name`` with what ``encode_values`` made of its values, as far as its end."""
    length = _LENGTH.pack(len(name) + len(values) + 6)
    return b"B%b\0%b\0%b%b" % (length, name, values, _EXECUTE)


def frame(kind: int, body: bytes | memoryview) -> bytes:
    """The message of that kind with that body."""
    return b"%c%b%b" % (kind, _LENGTH.pack(len(body) + 4), bytes(body))


def read_fields(row: bytes | memoryview) -> Fields:
    """The columns of a row, of the body of its message."""
    fields: Fields = []
    read_length = _SIGNED.unpack_from
    at = 2
    for _ in range(_COUNT.unpack_from(row)[0]):
        (length,) = read_length(row, at)
        at += 4
        if length < 0:
            fields.append(None)
        else:
            end = at + length
            fields.append(bytes(row[at:end]))
            at = end
    return fields


def read_complaint(body: bytes | memoryview) -> dict[str, str]:
    """What the body of an error message says, by the letters of its fields."""
    fields = bytes(body).split(b"\0")
    return {field[:1].decode("latin-1"): field[1:].decode("utf-8", "replace") for field in fields if field}


class NoMessage(Exception):
    """What came is nothing that a PostgreSQL says."""


class MessageTooLong(Exception):
    """What comes is longer than is wanted; nothing of it is kept."""


class MessageReader:
    """Cuts what arrives into messages, of at most ``largest`` bytes each.

    What reads them after us trusts their lengths blindly: a wrong one is found here or nowhere.
    """

    def __init__(self, largest: Callable[[], int] = lambda: LARGEST) -> None:
        self._largest = largest
        self._parts: list[bytes] = []
        self._size = 0
        self._wanted = 5

    @property
    def waiting(self) -> bool:
        """Whether the beginning of a message is there."""
        return bool(self._parts)

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes | memoryview]]:
        """The messages that are complete with ``data``: the code of each kind, and its body.

        Raises NoMessage and MessageTooLong.
        """
        joined = self._join(data)
        if joined is None:
            return
        read_length = _LENGTH.unpack_from
        at, size = 0, len(joined)
        while size - at >= 5:
            kind = joined[at]
            (length,) = read_length(joined, at + 1)
            if kind not in _KINDS or not 4 <= length <= _LONG:
                self._check(kind, length)
            end = at + 1 + length
            if end > size:
                break
            # What is long is copied no more often than it has to be.
            yield kind, joined[at + 5 : end] if length < _LONG else memoryview(joined)[at + 5 : end]
            at = end
        self._keep(joined, at)

    def take_whole(self, data: bytes) -> bytes:
        """The messages that are complete with ``data``, as they came. Raises as ``feed``."""
        return b"".join(frame(kind, body) for kind, body in self.feed(data))

    def _join(self, data: bytes) -> bytes | None:
        """``data`` behind what was kept, or None while the message that is beginning is not complete."""
        if not self._parts:
            return data
        # A long message is put together once, when it is complete.
        self._parts.append(data)
        self._size += len(data)
        if self._size < self._wanted:
            return None
        data = b"".join(self._parts)
        self._parts.clear()
        return data

    def _keep(self, data: bytes, at: int) -> None:
        if at < len(data):
            self._parts.append(data[at:])
            self._size = len(data) - at
            self._wanted = 5 if self._size < 5 else 1 + int(_LENGTH.unpack_from(data, at + 1)[0])

    def _check(self, kind: int, length: int) -> None:
        if kind not in _KINDS or length < 4:
            raise NoMessage
        if length > _LONG and length > self._largest():
            raise MessageTooLong

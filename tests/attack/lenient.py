"""Servers that take what they should refuse, each in its own way: those that smuggled requests are for.

What a proxy sends on must be read by all of them as the same requests, or one of them can be made to see
another request where the proxy saw a body.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BLANK_LINE = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_STRICT_BLANK_LINE = re.compile(rb"\r\n\r\n")
_FIRST_NUMBER = re.compile(rb"[0-9]+")


class Incomplete(Exception):
    """The bytes end within a request."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as such a server understands it."""

    line: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Server:
    """How a server reads: which of two lengths counts, and whether any text with ``chunked`` means chunks.

    ``any_line_end``: a line feed or carriage return of its own ends a line. ``loose_names``: blanks around a
    name, and underscores for hyphens, make no difference.
    """

    last_length: bool
    prefers_length: bool
    any_line_end: bool
    loose_names: bool

    def read(self, data: bytes) -> tuple[list[Seen], bool]:
        """All whole requests in ``data``, and whether another begins after them."""
        found: list[Seen] = []
        while data:
            try:
                head, rest = self._split(data)
                line, *fields = self._lines(head)
                body, data = self._read_body(fields, rest)
            except Incomplete:
                return found, True
            found.append(Seen(line, body))
        return found, False

    def _split(self, data: bytes) -> tuple[bytes, bytes]:
        blank = _BLANK_LINE if self.any_line_end else _STRICT_BLANK_LINE
        match = blank.search(data)
        if match is None:
            raise Incomplete
        return data[: match.start()], data[match.end() :]

    def _lines(self, head: bytes) -> list[bytes]:
        return _LINE_END.split(head) if self.any_line_end else head.split(b"\r\n")

    def _values(self, fields: list[bytes], name: bytes) -> Iterator[bytes]:
        for field in fields:
            found, colon, value = field.partition(b":")
            if self.loose_names:
                found = found.strip().replace(b"_", b"-")
            if colon and found.lower() == name:
                yield value.strip()

    def _read_body(self, fields: list[bytes], data: bytes) -> tuple[bytes, bytes]:
        codings = [
            value for value in self._values(fields, b"transfer-encoding") if b"chunked" in value.lower()
        ]
        numbers = [_FIRST_NUMBER.search(value) for value in self._values(fields, b"content-length")]
        lengths = [int(number.group()) for number in numbers if number is not None]
        if codings and not (lengths and self.prefers_length):
            return self._read_chunks(data)
        length = (lengths[-1] if self.last_length else lengths[0]) if lengths else 0
        if len(data) < length:
            raise Incomplete
        return data[:length], data[length:]

    def _read_chunks(self, data: bytes) -> tuple[bytes, bytes]:
        parts = []
        while True:
            line, end, data = data.partition(b"\n" if self.any_line_end else b"\r\n")
            if not end:
                raise Incomplete
            size = int(re.split(rb"[;\s]", line.strip())[0] or b"0", 16)
            if not size:
                break
            parts.append(data[:size])
            data = data[size:].removeprefix(b"\r").removeprefix(b"\n")
        _, end, data = (b"\r\n" + data).partition(b"\r\n\r\n")
        if not end:
            raise Incomplete
        return b"".join(parts), data


SERVERS = [Server(*choices) for choices in itertools.product((False, True), repeat=4)]

"""The heads of HTTP/1.1 messages, without I/O: read one, and write it onward with the same bytes.

A C parser such as llhttp refuses what PostgREST takes and says: request targets in raw UTF-8, methods
outside a fixed list, header names beyond ASCII, folded header lines. So heads are read here: header lines
are kept as they stood on the wire, and only what concerns a single connection is taken out.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple

from proxy.messages import Header, Headers

HOP_BY_HOP = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade"})
"""Fields about one connection (RFC 9110, section 7.6.1), besides what ``Connection`` names.

``Trailer`` is among them because trailers are dropped (section 6.5.1 allows it), so that announcing them
would be untrue. ``Transfer-Encoding`` is treated apart: a chunked message is chunked anew, and the line
keeps its place. ``Proxy-Authorization`` and ``Proxy-Authenticate`` pass: they are between the client and
whoever asks for them (section 11.7), and a gateway does not.
"""

_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"expect", b"host"})
_DISGUISED = frozenset({b"content_length", b"transfer_encoding"})
"""What servers that take underscores for hyphens, as CGI's heirs do, would take for the framing."""
FRAMING = HOP_BY_HOP | _DISGUISED | {b"content-length", b"transfer-encoding"}
"""Fields that say where a message ends and what becomes of the connection."""
_SPECIAL = HOP_BY_HOP | _FRAMING | _DISGUISED

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") ([^\x00-\x20\x7f]+) HTTP/([0-9])\.([0-9])")
_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) ([0-9]{3})(?: ([^\r\n\x00]*))?")
_REQUEST_FIELDS = re.compile(rb"(?:" + _TOKEN + rb":[^\r\n\x00]*+\r\n)*+")
_RESPONSE_FIELDS = re.compile(rb"(?:[^\x00-\x20:\x7f]++:[^\r\n\x00]*+\r\n)*+")
_FOLD = re.compile(rb"[ \t]*\r\n[ \t]+")
_REMEMBERED = 256
_SHORT, _FEW = 2048, 32
"""So many header sections are kept sorted out, each of so few bytes and lines: both sides repeat themselves,
and a section is looked up in a tenth of the time."""
_PHRASES = {status.value: status.phrase.encode("ascii") for status in HTTPStatus}
_TARGET_AUTHORITY = re.compile(rb"[A-Za-z][A-Za-z0-9+.\-]*://[^/?#]*")


class BadMessage(Exception):
    """A head or body that breaks the rules of HTTP/1.1; the text says which one."""


class UnknownCoding(BadMessage):
    """A transfer coding other than ``chunked``."""


class UnknownVersion(BadMessage):
    """A version of HTTP other than 1.x."""


@dataclass(frozen=True, slots=True)
class Fields:
    """A header section, sorted out.

    ``lines`` are the end-to-end header lines as they stood, ``headers`` the same as pairs. ``coding`` is
    the ``Transfer-Encoding`` line of a chunked message, which stands before ``lines[place]``. ``length``
    is the ``Content-Length`` in bytes. ``options`` are the lower-cased members of ``Connection``, ``hosts``
    is how often ``Host`` stands there.
    """

    lines: tuple[bytes, ...]
    headers: Headers
    coding: bytes | None
    place: int
    length: int | None
    options: frozenset[bytes]
    expects_continue: bool
    hosts: int

    def section(self, *, chunked: bool) -> bytes:
        """The header lines to send, each with its line end; with the coding in its place if ``chunked``."""
        lines = self.lines
        if chunked:
            coding = self.coding or b"Transfer-Encoding: chunked"
            lines = (*lines[: self.place], coding, *lines[self.place :])
        return b"\r\n".join((*lines, b""))


class RequestHead(NamedTuple):
    """The head of a request. ``minor`` is the x of HTTP/1.x."""

    method: str
    target: bytes
    minor: int
    fields: Fields

    @property
    def chunked(self) -> bool:
        return self.fields.coding is not None

    @property
    def has_body(self) -> bool:
        return self.fields.coding is not None or bool(self.fields.length)

    @property
    def keep_alive(self) -> bool:
        """Whether the client wants the connection kept (RFC 9112, section 9.3)."""
        if self.minor == 0:
            return b"keep-alive" in self.fields.options and b"close" not in self.fields.options
        return b"close" not in self.fields.options


class ResponseHead(NamedTuple):
    """The head of a response, interim (1xx) or final."""

    status: int
    reason: bytes
    minor: int
    fields: Fields

    @property
    def keep_alive(self) -> bool:
        """Whether the upstream keeps the connection (RFC 9112, section 9.3)."""
        if self.minor == 0:
            return b"keep-alive" in self.fields.options and b"close" not in self.fields.options
        return b"close" not in self.fields.options


def never_has_body(method: str, status: int) -> bool:
    """Whether an answer has no body whatever its head says (RFC 9112, section 6.3, rule 1)."""
    return method == "HEAD" or status in (204, 304) or status < 200


def parse_request_head(line: bytes, section: bytes) -> RequestHead:
    """The head of a request from its first line and its header lines, each ending in CRLF.

    Raises ``BadMessage`` for what could be read in two ways (RFC 9112, sections 5.1, 5.2, 6.1 and 6.3): a
    proxy that guesses is how requests are smuggled.
    """
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise BadMessage("malformed request line")
    method, target, major, minor = match.groups()
    if major != b"1":
        raise UnknownVersion("unknown version of HTTP")
    fields = (_recall_request_fields if _is_common(section) else _read_request_fields)(section)
    if fields.coding is not None and minor == b"0":
        raise BadMessage("Transfer-Encoding in HTTP/1.0")
    if fields.hosts > 1 or (not fields.hosts and minor != b"0"):
        raise BadMessage("not exactly one Host")
    return RequestHead(method.decode("ascii"), target, int(minor), fields)


def parse_response_head(line: bytes, section: bytes) -> ResponseHead:
    """The head of a response from its first line and its header lines, each ending in CRLF.

    Folded lines are unfolded, as a gateway must (RFC 9112, section 5.2): PostgREST folds values with line
    breaks (reference 8.4). Raises ``BadMessage``.
    """
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise BadMessage("malformed status line")
    minor, status, reason = match.groups()
    fields = (_recall_response_fields if _is_common(section) else _read_response_fields)(section)
    return ResponseHead(int(status), reason or b"", int(minor), fields)


def with_request_id(head: RequestHead, name: str, make: Callable[[], str]) -> RequestHead:
    """``head`` with the header ``name`` at its end, unless it is there already."""
    key, fields = name.encode(), head.fields
    if any(present.lower() == key.lower() for present, _ in fields.headers):
        return head
    value = make().encode()
    fields = replace(
        fields, lines=(*fields.lines, b"%b: %b" % (key, value)), headers=(*fields.headers, (key, value))
    )
    return head._replace(fields=fields)


def request_line(method: str, target: bytes, prefix: bytes) -> bytes:
    """The request line to send upstream, with the path ``prefix`` of the upstream before the target's path.

    An absolute-form target keeps its authority, and ``*`` stays as it is (RFC 9112, section 3.2).
    """
    if prefix and target != b"*":
        authority = b""
        if (match := _TARGET_AUTHORITY.match(target)) is not None:
            authority = match.group()
        target = authority + prefix + target[len(authority) :]
    return b"%b %b HTTP/1.1\r\n" % (method.encode("ascii"), target)


def status_line(status: int, reason: bytes) -> bytes:
    return b"HTTP/1.1 %03d %b\r\n" % (status, reason)


def write_section(headers: Headers, length: int | None) -> bytes:
    """The header lines of an answer of our own with so many bytes of body, None if it may not have one.

    A function in the database may set any header; where the answer ends is for us to say.
    """
    size = (b"Content-Length", b"%d" % (length or 0))
    section = b"\r\n".join([*map(b": ".join, headers), b""])
    usual = length is not None and size in headers and _frames_by_length(tuple([name for name, _ in headers]))
    if usual and section.count(b"\n") == section.count(b"\r") == len(headers):
        return section
    kept = [
        (name, value)
        for name, value in headers
        if (key := name.lower()) not in FRAMING
        or (key == size[0].lower() and (length is None or value == size[1]))
    ]
    if length is not None and all(name.lower() != size[0].lower() for name, _ in kept):
        kept.append(size)
    return b"".join(b"%b: %b\r\n" % (name, _one_line(value)) for name, value in kept)


@lru_cache(_REMEMBERED)
def _frames_by_length(names: tuple[bytes, ...]) -> bool:
    """Whether one ``Content-Length`` is all that these say of where a message ends."""
    return [name for name in names if name.lower() in FRAMING] == [b"Content-Length"]


def _one_line(value: bytes) -> bytes:
    """``value`` without line breaks, which would end the header line early (RFC 9110, section 5.5)."""
    if b"\n" in value or b"\r" in value:
        return b" ".join(line.strip() for line in value.splitlines())
    return value


def standard_reason(status: int) -> bytes:
    """The registered phrase for ``status``; empty for a number that has none, as PostgREST sends it."""
    return _PHRASES.get(status, b"")


def _is_common(section: bytes) -> bool:
    """Whether it may be kept: who wants to fill the memory must not be able to."""
    return len(section) <= _SHORT and section.count(b"\n") <= _FEW


def _read_request_fields(section: bytes) -> Fields:
    if not _REQUEST_FIELDS.fullmatch(section):
        raise BadMessage("malformed header line")
    return _sort_out(section)


def _read_response_fields(section: bytes) -> Fields:
    if b"\r\n " in section or b"\r\n\t" in section:
        section = _FOLD.sub(b" ", section)
    if not _RESPONSE_FIELDS.fullmatch(section):
        raise BadMessage("malformed header line")
    return _sort_out(section)


_recall_request_fields = lru_cache(_REMEMBERED)(_read_request_fields)
_recall_response_fields = lru_cache(_REMEMBERED)(_read_response_fields)


def _sort_out(section: bytes) -> Fields:
    lines: list[bytes] = []
    headers: list[Header] = []
    coding = None
    place = 0
    length = None
    options: frozenset[bytes] = frozenset()
    expects_continue = False
    hosts = 0
    for line in section.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b":")
        value = value.strip(b" \t")
        key = name.lower()
        if key in _SPECIAL:
            if key in HOP_BY_HOP:
                if key == b"connection":
                    options |= _members(value)
                continue
            if key == b"transfer-encoding":
                if value.lower() != b"chunked":
                    raise UnknownCoding("unknown transfer coding")
                if coding is not None:
                    raise BadMessage("more than one Transfer-Encoding")
                coding, place = line, len(lines)
                continue
            if key == b"content-length":
                if not value.isdigit() or len(value) > 18:
                    raise BadMessage("malformed Content-Length")
                if length is not None:
                    raise BadMessage("more than one Content-Length")
                length = int(value)
            elif key in _DISGUISED:
                raise BadMessage("a header that may be taken for the framing")
            elif key == b"host":
                hosts += 1
            else:
                expects_continue |= value.lower() == b"100-continue"
        lines.append(line)
        headers.append((name, value))
    if coding is not None and length is not None:
        raise BadMessage("both Transfer-Encoding and Content-Length")
    if dropped := options - HOP_BY_HOP - _FRAMING - {b"close"}:
        kept = [index for index, (name, _) in enumerate(headers) if name.lower() not in dropped]
        place = sum(index < place for index in kept)
        lines = [lines[index] for index in kept]
        headers = [headers[index] for index in kept]
    return Fields(tuple(lines), tuple(headers), coding, place, length, options, expects_continue, hosts)


def _members(value: bytes) -> frozenset[bytes]:
    return frozenset(member.strip(b" \t") for member in value.lower().split(b",")) - {b""}

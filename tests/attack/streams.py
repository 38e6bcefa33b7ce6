"""Byte streams that two servers might cut into different requests, put together by chance."""

from collections.abc import Sequence
from random import Random

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: b\r\n\r\n"

METHODS = (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"FOO", b"PRI")
TARGETS = (
    *(b"/lone", b"/lone?a=eq.1", b"//lone", b"/a/../lone", b"/%2e%2e/lone", b"/%2flone", b"/lone;x=1", b"*"),
    *(
        b"http://b/lone",
        b"HTTP://b:1/lone",
        b"b:443",
        b"lone",
        b"/lone#x",
        b"/%0d%0aHost:%20b",
        b"/\xff",
        b"?",
    ),
    *(b"/lone\\", b"/a b", b"/a\tb", b"/a\x00b", b"/a\rb", b"http://", b"http:///lone", b"//b/lone"),
)
VERSIONS = (
    *(b" HTTP/1.1", b" HTTP/1.1", b" HTTP/1.1", b" HTTP/1.0", b" HTTP/2.0", b" HTTP/0.9", b" HTTP/1.9"),
    *(b"", b" http/1.1", b"  HTTP/1.1", b" HTTP/1.1 ", b" HTTP/01.1", b" HTTP/1.1\t", b"\tHTTP/1.1"),
)
LENGTH_NAMES = (
    *(b"Content-Length", b"content-length", b"Content_Length", b"Content-Length ", b" Content-Length"),
    *(b"Content-Length\t", b"\x0bContent-Length", b"X: 1\nContent-Length", b"X: 1\rContent-Length"),
)
LENGTH_VALUES = (
    *(
        b" %d",
        b"%d",
        b" +%d",
        b" -%d",
        b" 0x%x",
        b" %d, %d",
        b" %d,%d",
        b"\t%d",
        b" %d ",
        b" 0%d",
        b" %d\x00",
    ),
    *(b" %d;x", b" %d.0", b" \xb2%d", b" 99999999999999999999", b""),
)
CODINGS = (
    *(b"Transfer-Encoding: chunked", b"transfer-encoding:chunked", b"Transfer-Encoding:  CHUNKED "),
    *(
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding: identity",
    ),
    *(b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding : chunked", b" Transfer-Encoding: chunked"),
    *(b"Transfer-Encoding:\x0bchunked", b"Transfer-Encoding: chunked\x00", b'Transfer-Encoding: "chunked"'),
    *(
        b"Transfer_Encoding: chunked",
        b"X: 1\nTransfer-Encoding: chunked",
        b"X: 1\rTransfer-Encoding: chunked",
    ),
    *(
        b"Transfer-Encoding:\r\n chunked",
        b"Transfer-Encoding: chunked;q=1",
        b"Transfer-Encoding: ch\xc3\xbcnked",
    ),
)
OTHERS = (
    *(b"Connection: close", b"Connection: keep-alive", b"Connection: Content-Length", b"Connection: Host"),
    *(b"Connection: Transfer-Encoding", b"Connection: X-A, close", b"Keep-Alive: 5", b"Upgrade: h2c"),
    *(
        b"Connection: Upgrade, HTTP2-Settings",
        b"HTTP2-Settings: AAMAAABkAAQAAP__",
        b"TE: trailers",
        b"X-A: 1",
    ),
    *(
        b"Trailer: Content-Length",
        b"Expect: 100-continue",
        b"Expect: 200-ok",
        b"Host: a",
        b"Host:b",
        b"host: c",
    ),
    *(b"X-A: 1\r\n folded", b"X-A:1\n", b"X-A: \x00", b"X-A", b": 1", b"X A: 1", b"X-A: \r", b"X-\xff: 1"),
    *(b"X-A: " + SMUGGLED.replace(b"\r\n", b"\n"), b"Proxy-Connection: keep-alive", b"Max-Forwards: 0"),
)
CHUNKS = (
    *(
        b"%x\r\n%b\r\n",
        b"%X\r\n%b\r\n",
        b"0%x\r\n%b\r\n",
        b"%x;a=b\r\n%b\r\n",
        b'%x;a="\r\n%b\r\n',
        b"%x \r\n%b\r\n",
    ),
    *(
        b"%x\n%b\n",
        b"%x\r\n%b",
        b"%x\r\n%b\n",
        b"0x%x\r\n%b\r\n",
        b"+%x\r\n%b\r\n",
        b"%x\r%b\r\n",
        b"%x\n\r%b\r\n",
    ),
    *(
        b" %x\r\n%b\r\n",
        b"%x\x00\r\n%b\r\n",
        b"%x;\n\r\n%b\r\n",
        b"%x;\r\r\n%b\r\n",
        b"-%x\r\n%b\r\n",
        b"1%015x\r\n%b\r\n",
    ),
)
ENDS = (
    *(
        b"0\r\n\r\n",
        b"0\r\n\r\n",
        b"00\r\n\r\n",
        b"0\r\nX: 1\r\n\r\n",
        b"0\r\nContent-Length: 5\r\n\r\n",
        b"0\n\n",
    ),
    *(
        b"0;x\r\n\r\n",
        b"0\r\n",
        b"0\r\n\r",
        b"",
        b"0\r\nX\r\r\n\r\n",
        b"0\r\n \r\n\r\n",
        b"0\r\n\n\r\n",
        b"-0\r\n\r\n",
    ),
)


def make_stream(dice: Random) -> bytes:
    """One to three requests, each of which may be broken in several ways; most are whole."""
    return b"".join(_make_request(dice) for _ in range(dice.randint(1, 3)))


def _pick(dice: Random, choices: Sequence[bytes]) -> bytes:
    """One of ``choices``, half of the time the first."""
    return choices[0] if dice.random() < 0.5 else dice.choice(choices)


def _make_request(dice: Random) -> bytes:
    body = b"" if dice.random() < 0.3 else dice.choice((b"abc", SMUGGLED, b"0\r\n\r\n" + SMUGGLED, b"\r\n"))
    line = dice.choice(METHODS) + b" " + _pick(dice, TARGETS) + _pick(dice, VERSIONS)
    fields = [b"Host: a"] * (dice.random() < 0.95)
    framed = body
    kind = dice.random()
    if kind < 0.5:
        size = dice.choice((len(body), len(body), len(body), 0, len(body) + 1, 4))
        value = _pick(dice, LENGTH_VALUES)
        wanted = value.count(b"%d") + value.count(b"%x")
        fields.append(_pick(dice, LENGTH_NAMES) + b":" + value % ((size,) * wanted))
    if kind > 0.35:
        fields.append(_pick(dice, CODINGS))
        if dice.random() < 0.8:
            framed = (_pick(dice, CHUNKS) % (len(body), body) if body else b"") + _pick(dice, ENDS)
    fields += [dice.choice(OTHERS) for _ in range(dice.choice((0, 0, 1, 2)))]
    dice.shuffle(fields)
    ends = (b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r") if dice.random() < 0.2 else (b"\r\n",)
    head = b"".join(part + dice.choice(ends) for part in (line, *fields, b""))
    return head + framed

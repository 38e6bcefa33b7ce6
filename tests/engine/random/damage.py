"""Requests that no well-meaning client sends: a drawn one, spoilt."""

from hypothesis import strategies as st

from proxy.messages import Request

_CRUMBS = (
    *(
        b"%00",
        b"%FF",
        b"%C3%28",
        b"%ED%A0%80",
        b"%",
        b"%zz",
        b"%e2%80%a8",
        b"+",
        b"\xff",
        b"\xc3\xa9",
        b"%0d%0a",
    ),
    *(
        b"(",
        b")",
        b",",
        b".",
        b'"',
        b"!",
        b"::",
        b"->",
        b"->>",
        b"*",
        b"&",
        b";",
        b"=",
        b"...",
        b"{",
        b"}",
        b"\\",
    ),
    *(b"not.", b"null", b"$1", b"$$", b"%27--", b"%(x)s", b":x", b"count()", b"#", b"?", b"/", b"//", b"-- "),
)
_PARTS = (
    b"or=" + b"(and" * 60 + b"(a.eq.1" + b")" * 61,
    b"or=" + b"(and" * 60,
    b"select=" + b"a(" * 60 + b")" * 60,
    b"id=in.(" + b"90210," * 500 + b"90210)",
    b"id=not.not.eq.90210",
    b"select=,",
    b"select=*,*,*",
    b"order=id.asc.desc",
    b"limit=99999999999999999999&offset=99999999999999999999",
    b"a.b.c.d.limit=1",
    b"columns=x&on_conflict=y",
    b"&&&=&==",
    b"select=id&select=*",
    b"doc->" + b"a->" * 200 + b"b=eq.90210",
    b"%00=eq.%00",
    b"id=eq." + b"zqv" * 5000,
    b"order=" + b"id," * 300 + b"id",
)
_METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PATCH", "DELETE", "PUT", "TRACE", "BREW")
_BODIES = (b"", b"{", b"[]", b"{}", b'[{"a":1}]', b"\x00", b"\xff\xfe", b"null", b'{"a":' * 3000)
_HEADERS = (
    (b"Accept", b"\xff\xfe"),
    (b"Accept", b'application/vnd.pgrst.plan; for="nonsense"; options=analyze|nope'),
    (b"Accept", b"text/csv;q=zqv,;;,"),
    (b"Prefer", b"count=exact,count=planned;;=,"),
    (b"Prefer", b"\xc3\x28"),
    (b"Range", b"0-0,2-3"),
    (b"Accept-Profile", b"no_such\x80"),
    (b"Authorization", b"Bearer zqv"),
    (b"Authorization", b"Bearer a.b.c"),
    (b"Authorization", b"Bearer \xff"),
    (b"Content-Type", b"nonsense/\xff"),
    (b"Cookie", b"a=\xff; =;;b"),
)


@st.composite
def damaged(draw: st.DrawFn, request: Request) -> Request:
    """``request`` with a few things wrong."""
    target, separator = request.target, b"&" if b"?" in request.target else b"?"
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.integers(0, 5))
        at = draw(st.integers(1, len(target)))
        if kind <= 1:
            target = target[:at] + draw(st.sampled_from(_CRUMBS)) + target[at:]
        elif kind == 2:
            target = target[:at] + target[at + draw(st.integers(1, 8)) :]
        elif kind == 3:
            target = target[:at] + target[at - draw(st.integers(0, min(at, 12))) :]
        elif kind == 4:
            target += separator + draw(st.sampled_from(_PARTS))
        else:
            request = request._replace(headers=(*request.headers, draw(st.sampled_from(_HEADERS))))
    if draw(st.integers(0, 9)) == 0:
        request = request._replace(
            method=draw(st.sampled_from(_METHODS)), body=draw(st.sampled_from(_BODIES))
        )
    return request._replace(target=target)

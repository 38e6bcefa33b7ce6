"""A request as a curl line that can be pasted into a shell."""

import re
import shlex

from proxy.messages import Request
from proxy.shadow.scrub import HIDDEN

_OWN = frozenset({b"host", b"content-length", b"connection", b"transfer-encoding", b"accept-encoding"})
"""Headers that curl makes itself, or that are about the connection."""


def render_curl(request: Request, url: str) -> str:
    """``request``, asked of the server at ``url``.

    What was hidden in a header is a variable of the shell, ``$TOKEN`` for the token.
    """
    words = ["curl", "--silent", "--include", "--globoff", "--path-as-is"]
    if request.method == "HEAD":
        words.append("--head")
    elif request.method != "GET":
        words += ["--request", shlex.quote(request.method)]
    for name, value in request.headers:
        if name.lower() not in _OWN:
            words += ["--header", _render_header(_text(name), _text(value))]
    if request.body:
        words += ["--data-binary", shlex.quote(_text(request.body))]
    target = _text(request.target)
    return " ".join(
        [*words, f'"{url}"' + shlex.quote(target) if url.startswith("$") else shlex.quote(url + target)]
    )


def _render_header(name: str, value: str) -> str:
    if HIDDEN not in value:
        return shlex.quote(f"{name}: {value}")
    variable = re.sub(r"\W", "_", name.upper())
    shown = "Bearer $TOKEN" if name.lower() == "authorization" else f"${variable}"
    return f'"{name}: {shown}"'


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape").encode("utf-8", "backslashreplace").decode()

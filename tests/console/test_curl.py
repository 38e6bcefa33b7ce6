"""curl lines: what a shell makes of them is the request that was kept."""

import shlex

from proxy.console.curl import render_curl
from proxy.messages import Request

START = ["curl", "--silent", "--include", "--globoff", "--path-as-is"]


def test_a_shell_reads_back_target_and_headers() -> None:
    headers = (
        (b"Host", b"h"),
        (b"Accept", b"text/csv"),
        (b"X-Odd", b"it's $HOME"),
        (b"Content-Length", b"3"),
    )
    request = Request("GET", b"/t?a=eq.it's&b=in.(1,2)&c=$(rm)", headers)
    assert shlex.split(render_curl(request, "http://a:1/x")) == [
        *START,
        *("--header", "Accept: text/csv", "--header", "X-Odd: it's $HOME"),
        "http://a:1/x/t?a=eq.it's&b=in.(1,2)&c=$(rm)",
    ]


def test_methods_and_bodies_are_told() -> None:
    assert "--head" in render_curl(Request("HEAD", b"/t"), "http://a")
    line = shlex.split(render_curl(Request("POST", b"/rpc/f", (), b'{"a":1}'), "http://a"))
    assert line == [*START, "--request", "POST", "--data-binary", '{"a":1}', "http://a/rpc/f"]


def test_what_was_hidden_is_a_variable_of_the_shell() -> None:
    headers = ((b"Authorization", b"***"), (b"x-api-key", b"***"), (b"Cookie", b"***"))
    line = render_curl(Request("GET", b"/t?a=(b)", headers), "$UPSTREAM")
    assert '--header "Authorization: Bearer $TOKEN"' in line
    assert '--header "x-api-key: $X_API_KEY"' in line
    assert '--header "Cookie: $COOKIE"' in line
    assert line.endswith("\"$UPSTREAM\"'/t?a=(b)'")

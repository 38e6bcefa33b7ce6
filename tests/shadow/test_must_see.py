"""Shapes that must be seen: out of access logs, and found among those that were."""

import pytest

from proxy.shadow.must_see import find_never_seen, find_table, read_access_log

LOG = """\
10.0.0.1 - - [10/Oct/2026:13:55:36 +0000] "GET /data_item?uid=eq.1&select=uid HTTP/1.1" 200 12 "-" "curl/8"
10.0.0.1 - web_anon [10/Oct/2026:13:55:37 +0000] "GET /data_item?select=uid&uid=eq.2 HTTP/1.1" 200 12 "" ""
10.0.0.1 - - [10/Oct/2026:13:55:38 +0000] "POST /data_item HTTP/1.1" 201 0 "-" "curl/8"
GET /rpc/latest?n=5
HEAD /storage HTTP/2.0

not a request "GET" at all
"""


def test_reads_are_found_in_access_logs_and_counted_by_shape() -> None:
    assert read_access_log(LOG.splitlines(keepends=True)) == {
        "GET data_item?select=uid&uid=eq.*": 2,
        "GET rpc/latest?n=*": 1,
        "HEAD storage": 1,
    }


def test_behind_a_gateway_the_paths_have_a_prefix() -> None:
    log = ['"GET /api/storage?id=eq.1 HTTP/1.1"', '"GET /health HTTP/1.1"', '"GET /apistorage HTTP/1.1"']
    assert read_access_log(log, "/api") == {"GET storage?id=eq.*": 1}


def test_a_pinned_shape_is_seen_with_whatever_headers_it_came() -> None:
    assert find_never_seen(["GET a?x=eq.*"], {"GET a?x=eq.*"}) == ()
    assert find_never_seen(["GET a?x=eq.*"], {"GET a?x=eq.* accept=text/csv prefer=count=exact"}) == ()
    assert find_never_seen(["GET a accept=text/csv"], {"GET a accept=text/csv prefer=count=exact"}) == ()
    assert find_never_seen(["GET a", "GET a"], {"GET a b", "GET ab", "GET a?x=eq.*"}) == ("GET a",)
    assert find_never_seen(["GET a accept=text/csv"], {"GET a"}) == ("GET a accept=text/csv",)


@pytest.mark.parametrize(
    ("shape", "table"),
    [
        ("GET data_item?id=eq.*", "data_item"),
        ("HEAD data_item prefer=count=exact", "data_item"),
        ("GET rpc/latest?n=*", "rpc/latest"),
        ("GET data_item?id=eq.* profile=dlm", "data_item"),
        ("GET data_item profile=old accept=text/csv", "old.data_item"),
        ("GET rpc/latest profile=old", "rpc/old.latest"),
        ("GET /", None),
        ("GET *", None),
        ("GET a/b", None),
        ("data_item", None),
    ],
)
def test_a_shape_says_which_table_it_asks_for(shape: str, table: str | None) -> None:
    assert find_table(shape, ("dlm", "old")) == table

"""Shapes that must be seen: out of access logs, and found among those that were."""

from proxy.shadow.must_see import is_shape_seen, read_access_log

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


def test_a_pinned_shape_is_seen_with_whatever_headers_it_came() -> None:
    assert is_shape_seen("GET a?x=eq.*", {"GET a?x=eq.*"})
    assert is_shape_seen("GET a?x=eq.*", {"GET a?x=eq.* accept=text/csv prefer=count=exact"})
    assert not is_shape_seen("GET a", {"GET a b", "GET ab", "GET a?x=eq.*"})
    assert not is_shape_seen("GET a accept=text/csv", {"GET a"})

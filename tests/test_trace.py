"""W3C Trace Context: what a ``traceparent`` says, and which ones say nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.trace import TraceParent, read_traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def read(*values: str) -> TraceParent | None:
    return read_traceparent([(b"Host", b"a"), *((b"TraceParent", value.encode()) for value in values)])


def test_trace_span_and_flag_are_read() -> None:
    assert read(f"00-{TRACE}-{SPAN}-01") == TraceParent(TRACE, SPAN, True)
    assert read(f"00-{TRACE}-{SPAN}-02") == TraceParent(TRACE, SPAN, False)


def test_a_version_to_come_is_read_as_far_as_this_one_goes() -> None:
    assert read(f"01-{TRACE}-{SPAN}-01-what-comes-then") == TraceParent(TRACE, SPAN, True)
    assert read(f"cc-{TRACE}-{SPAN}-00") == TraceParent(TRACE, SPAN, False)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01-",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-1",
        f"0-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}g-{SPAN}-01",
        f"01-{TRACE}-{SPAN}-01.more",
        f" 00-{TRACE}-{SPAN}-01",
    ],
)
def test_what_is_malformed_says_nothing(value: str) -> None:
    assert read(value) is None


def test_none_and_two_say_nothing() -> None:
    assert read() is None
    assert read(f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01") is None


@given(st.binary(max_size=80))
def test_no_bytes_are_too_strange(value: bytes) -> None:
    found = read_traceparent([(b"traceparent", value)])
    assert found is None or f"{found.trace_id}-{found.span_id}".encode() in value

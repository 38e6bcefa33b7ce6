"""Durations, sizes, percentages, addresses and the like: text to value and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config import Address
from proxy.config.kinds import (
    DURATION,
    FACTOR,
    FRACTION,
    PERCENTAGE,
    PERIOD,
    SIZE,
    OutOfRange,
    choice,
    integer,
    read_duration,
    read_size,
    show_duration,
    show_size,
)
from proxy.config.places import (
    ADDRESS,
    UPSTREAM_URL,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2s", 2),
        ("500ms", 0.5),
        ("10m", 600),
        ("1.5h", 5400),
        ("1d", 86400),
        ("30", 30),
        ("0.25", 0.25),
        ("2 s", 2),
    ],
)
def test_a_duration_is_seconds_by_its_unit(text: str, seconds: float) -> None:
    assert DURATION.read(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s",
        "2 seconds",
        "2S",
        "-1s",
        "0",
        "0s",
        "1e3",
        "1_000",
        "inf",
        "nan",
        "25h",
        "9" * 5000,
        "٣s",
        "2s\n",
    ],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        DURATION.read(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64MiB", 64 * 1024**2),
        ("1MB", 1_000_000),
        ("512 KiB", 524_288),
        ("1.5GiB", 1_610_612_736),
        ("10kB", 10_000),
        ("10KB", 10_000),
        ("2GB", 2_000_000_000),
        ("7B", 7),
        ("1000", 1000),
        ("1.9", 1),
    ],
)
def test_a_size_is_bytes_by_its_unit(text: str, size: int) -> None:
    assert SIZE.read(text) == size


@pytest.mark.parametrize(
    "text",
    ["", "MiB", "64mib", "64Mb", "64M", "-1", "0", "0.5", "0MiB", "1e6", "9" * 30, "9" * 5000, "1 000"],
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        SIZE.read(text)


@given(st.floats(min_value=0.0001, max_value=86400))
def test_every_duration_is_read_back_as_it_is_shown(seconds: float) -> None:
    assert read_duration(show_duration(seconds)) == seconds


@given(st.integers(1, 10**9), st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_a_duration_grows_with_its_number_or_is_out_of_range(count: int, unit: str) -> None:
    smallest = read_duration(f"1{unit}")
    try:
        assert read_duration(f"{count}{unit}") == pytest.approx(count * smallest)
    except OutOfRange:
        assert count * smallest > 86400


@given(st.integers(1, 2**62))
def test_every_size_is_read_back_as_it_is_shown(size: int) -> None:
    assert read_size(show_size(size)) == size


@given(st.text())
def test_no_text_makes_a_kind_fail_otherwise_than_by_refusing_it(text: str) -> None:
    for kind in (DURATION, PERIOD, SIZE, PERCENTAGE, FRACTION, FACTOR, ADDRESS, UPSTREAM_URL, integer(0)):
        try:
            value = kind.read(text)
        except ValueError:
            continue
        assert kind.read(kind.show(value)) == value


@pytest.mark.parametrize(("text", "share"), [("0", 0), ("100", 100), ("2.5", 2.5), ("25%", 25), ("25 %", 25)])
def test_a_percentage_lies_between_0_and_100(text: str, share: float) -> None:
    assert PERCENTAGE.read(text) == share


@pytest.mark.parametrize("text", ["-1", "100.1", "many", "", "%"])
def test_what_is_no_percentage_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        PERCENTAGE.read(text)


@pytest.mark.parametrize(("text", "share"), [("0.001", 0.001), ("0.95", 0.95), ("0.00001", 0.00001)])
def test_a_fraction_lies_between_0_and_1_and_is_neither(text: str, share: float) -> None:
    assert FRACTION.read(text) == share
    assert FRACTION.show(share) == text


@pytest.mark.parametrize("text", ["0", "1", "1.5", "-0.1", "5%", "1e-3", "", "many"])
def test_what_is_no_fraction_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        FRACTION.read(text)


def test_a_period_may_be_long_or_none() -> None:
    assert PERIOD.read("14d") == 14 * 86400
    assert PERIOD.read("0") == 0
    with pytest.raises(OutOfRange):
        PERIOD.read("367d")


@pytest.mark.parametrize("text", ["0", "1001", "-1", "twice"])
def test_what_is_no_factor_is_refused(text: str) -> None:
    assert FACTOR.read("1.2") == 1.2
    with pytest.raises(ValueError, match=r"^$"):
        FACTOR.read(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0.0.0.0:3000", Address("0.0.0.0", 3000)),
        ("localhost:0", Address("localhost", 0)),
        ("[::1]:3000", Address("::1", 3000)),
        ("[2001:DB8::1]:80", Address("2001:db8::1", 80)),
    ],
)
def test_an_address_is_host_and_port(text: str, address: Address) -> None:
    assert ADDRESS.read(text) == address
    assert ADDRESS.read(ADDRESS.show(address)) == address


@pytest.mark.parametrize(
    "text", ["3000", ":3000", "host", "host:", "host:65536", "::1:3000", "[::1]", "[zz]:1", "a b:1"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - ipaddress words its own
        ADDRESS.read(text)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://postgrest:3000", "http://postgrest:3000"),
        ("http://postgrest:3000/", "http://postgrest:3000"),
        ("https://api.example.org", "https://api.example.org"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("http://gateway/rest/v1/", "http://gateway/rest/v1"),
    ],
)
def test_the_upstream_is_scheme_host_port_and_perhaps_a_path(text: str, url: str) -> None:
    assert UPSTREAM_URL.read(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "postgrest:3000",
        "ftp://postgrest",
        "http://",
        "http://user:word@postgrest",
        "http://postgrest/a?b",
        "http://postgrest?a=b",
        "http://postgrest?",
        "http://postgrest#a",
        "http://postgrest:0",
        "http://postgrest:99999",
        "http://post grest",
        "http://[::1",
    ],
)
def test_an_upstream_with_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - urllib words its own
        UPSTREAM_URL.read(text)


def test_a_choice_says_what_can_be_chosen() -> None:
    kind = choice("one", "two")
    assert kind.read("one") == "one"
    assert kind.allowed == "one, two"
    with pytest.raises(ValueError, match=r"^$"):
        kind.read("three")


def test_a_whole_number_out_of_range_is_told_from_what_is_none() -> None:
    kind = integer(1, 10)
    assert kind.read(" 10 ") == 10
    with pytest.raises(OutOfRange):
        kind.read("11")
    with pytest.raises(ValueError, match=r"^$") as caught:
        kind.read("ten")
    assert not isinstance(caught.value, OutOfRange)

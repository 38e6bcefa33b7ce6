"""Who is the same client, and that a share is a share."""

import json
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.messages import Request
from proxy.shadow.canary import identify_client, is_chosen


def bearer(**claims: object) -> tuple[bytes, bytes]:
    payload = urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=")
    return b"Authorization", b"Bearer e30." + payload + b".c2ln"


def identify(*headers: tuple[bytes, bytes], peer: str = "10.0.0.1") -> bytes:
    return identify_client(Request("GET", b"/a", headers), peer)


def test_a_new_token_of_the_same_client_changes_nothing() -> None:
    first = identify(bearer(role="reader", sub="anna", exp=1, iat=0, jti="x"))
    assert identify(bearer(sub="anna", role="reader", exp=900, iat=899)) == first
    assert identify(bearer(sub="anna", role="reader"), peer="10.0.0.2") == first
    assert identify(bearer(sub="bert", role="reader")) != first


@pytest.mark.parametrize("value", [b"Bearer opaque", b"Basic YTpi", b"Bearer a.%%.c", b"Bearer a.W10.c", b""])
def test_what_is_no_token_with_claims_counts_as_it_stands(value: bytes) -> None:
    assert identify((b"Authorization", value)) == value


def test_clients_without_a_token_are_told_apart_by_where_they_come_from() -> None:
    assert identify() == b"10.0.0.1"
    assert identify((b"X-Forwarded-For", b"192.0.2.7, 10.0.0.9")) == b"192.0.2.7"


@given(st.binary(max_size=60))
def test_any_header_identifies_someone(value: bytes) -> None:
    assert isinstance(identify((b"Authorization", value)), bytes)


def test_a_share_of_clients_is_chosen_for_each_shape() -> None:
    clients = [str(number).encode() for number in range(4000)]
    for target in (b"/a?x=eq.1", b"/a?y=eq.1"):
        chosen = sum(is_chosen(Request("GET", target), client, 25) for client in clients)
        assert 900 < chosen < 1100
    assert {is_chosen(Request("GET", b"/a?x=eq.%d" % value), b"anna", 50) for value in range(50)} in (
        {True},
        {False},
    )

"""What a recording leaves out of a request is put back, in the order in which it was sent."""

import base64
import hashlib
import hmac
import json

import pytest

from proxy.tape.format import RecordedRequest, TapeError
from proxy.tape.request import RequestSettings, build_request, sign

SETTINGS = RequestSettings(b"archive.example", token_secret=b"throw-away")


def test_host_comes_first_then_the_recorded_headers_then_token_and_length() -> None:
    recorded = RecordedRequest("POST", b"/t", ((b"Prefer", b"a"), (b"prefer", b"b")), b"[]", '{"role":"x"}')
    request = build_request(recorded, SETTINGS)
    assert [name for name, _ in request.headers] == [
        b"Host",
        b"Prefer",
        b"prefer",
        b"Authorization",
        b"Content-Length",
    ]
    assert request.header(b"host") == b"archive.example"
    assert request.header(b"content-length") == b"2"
    assert request.body == b"[]"


def test_a_request_without_a_body_announces_no_length() -> None:
    assert build_request(RecordedRequest("POST", b"/t"), SETTINGS).headers == ((b"Host", b"archive.example"),)


def test_an_empty_body_announces_length_zero() -> None:
    assert build_request(RecordedRequest("POST", b"/t", body=b""), SETTINGS).header(b"content-length") == b"0"


def test_the_target_is_left_as_it_is() -> None:
    target = "http://x/ü?%zz#".encode()
    assert build_request(RecordedRequest("get", target), SETTINGS).target == target


def test_a_token_carries_the_claims_and_is_signed_with_the_secret() -> None:
    header, payload, signature = sign('{"role":"ü"}', SETTINGS).split(b".")
    assert json.loads(_decode(header)) == {"alg": "HS256", "typ": "JWT"}
    assert _decode(payload) == '{"role":"ü"}'.encode()
    expected = hmac.new(b"throw-away", header + b"." + payload, hashlib.sha256).digest()
    assert _decode(signature) == expected
    assert b"=" not in signature


def test_claims_without_a_secret_are_refused() -> None:
    with pytest.raises(TapeError, match="no secret"):
        build_request(RecordedRequest("GET", b"/", claims="{}"), RequestSettings(b"h"))


def _decode(text: bytes) -> bytes:
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))

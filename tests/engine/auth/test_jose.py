"""Tokens as PostgREST 12 read them."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import pytest

from proxy.config import Compat, EngineConfig
from proxy.engine.auth.claims import Identity, identify
from proxy.errors import ApiError
from proxy.messages import Request

SECRET = "a secret of exactly 48 bytes, enough for HS384..".ljust(48, ".")
NOW = 1_700_000_000.0
OPTIONS = EngineConfig(db_anon_role="anon", jwt_secret=SECRET, compat="12")


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def sign(payload: bytes, header: dict[str, Any] | None = None, secret: str = SECRET) -> str:
    header = {"alg": "HS256"} if header is None else header
    bits = header["alg"][2:] if str(header.get("alg")).startswith("HS") else "256"
    text = f"{encode(json.dumps(header).encode())}.{encode(payload)}"
    digest = hmac.digest(secret.encode(), text.encode(), getattr(hashlib, f"sha{bits}"))
    return f"{text}.{encode(digest)}"


def ask(token: str, options: EngineConfig = OPTIONS) -> Identity:
    headers = ((b"Authorization", f"Bearer {token}".encode()),)
    return identify(Request("GET", b"/", headers), options, NOW)


def refusal(token: str, options: EngineConfig = OPTIONS) -> str:
    with pytest.raises(ApiError) as caught:
        ask(token, options)
    assert (caught.value.status, caught.value.code) == (401, "PGRST301")
    return caught.value.message


def claims(**values: object) -> bytes:
    return json.dumps({"role": "author", **values}).encode()


@pytest.mark.parametrize("algorithm", ["HS256", "HS384"])
def test_a_secret_serves_every_hash_that_is_no_longer_than_itself(algorithm: str) -> None:
    assert ask(sign(claims(), {"alg": algorithm})).role == "author"
    with pytest.raises(ApiError):
        ask(sign(claims(), {"alg": "HS384"}), replace(OPTIONS, compat="14"))


@pytest.mark.parametrize(("algorithm", "secret"), [("HS512", SECRET), ("HS256", "short")])
def test_a_secret_shorter_than_the_hash_verifies_nothing(algorithm: str, secret: str) -> None:
    token = sign(claims(), {"alg": algorithm}, secret)
    assert refusal(token, replace(OPTIONS, jwt_secret=secret)) == "JWSError JWSInvalidSignature"


def test_a_key_is_not_held_to_the_name_or_the_algorithm_it_gives_itself() -> None:
    entry = {"kty": "oct", "k": encode(SECRET.encode()), "kid": "one", "alg": "HS256"}
    options = replace(OPTIONS, jwt_secret=json.dumps({"keys": [entry]}))
    assert ask(sign(claims(), {"alg": "HS384", "kid": "other"}), options).role == "author"


def test_without_any_key_none_is_usable() -> None:
    options = replace(OPTIONS, jwt_secret='{"keys": []}')
    assert refusal(sign(claims()), options) == "JWSError NoUsableKeys"


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ({"alg": "none"}, "JWSError JWSNoSignatures"),
        ({}, 'JWSError (JSONDecodeError "missing required header \\"alg\\"")'),
        ({"alg": "HS256", "crit": ["x"]}, 'JWSError (JSONDecodeError "crit key is not understood")'),
    ],
)
def test_what_is_wrong_with_a_header_is_told_in_the_librarys_words(header: dict[str, Any], why: str) -> None:
    assert refusal(sign(claims(), header)) == why


def test_bits_that_are_left_over_make_no_base64url() -> None:
    token = sign(claims())
    last = token[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    changed = token[:-1] + alphabet[alphabet.index(last) + 1]
    assert refusal(changed) == 'JWSError (JSONDecodeError "Not valid base64url")'


def test_the_challenge_quotes_the_message_as_haskell_shows_it() -> None:
    with pytest.raises(ApiError) as caught:
        ask("x.y.z")
    assert caught.value.headers == (
        (
            b"WWW-Authenticate",
            b'Bearer error="invalid_token", '
            b'error_description="JWSError (JSONDecodeError \\"Not valid base64url\\")"',
        ),
    )


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"", "not enough input"),
        (b"nothing", "string at 'nothing'"),
        (b'{"a": 1,', "not enough input"),
        (b'{"a": 1} "b\\c"/d', "endOfInput at 'bcd'"),
        (b"? more", "Failed reading: not a valid json value at '?more'"),
        (b"null", "parsing JWT Claims Set failed, expected Object, but encountered Null"),
        (b"5", "parsing JWT Claims Set failed, expected Object, but encountered Number"),
    ],
)
def test_claims_that_are_no_object_are_told_in_the_parsers_words(payload: bytes, why: str) -> None:
    assert refusal(sign(payload)) == f'JWTClaimsSetDecodeError "Error in $: {why}"'


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (
            {"sub": 1, "aud": 5, "exp": "x"},
            "$.sub: parsing StringOrURI failed, expected String, but encountered Number",
        ),
        (
            {"aud": ["a", 1], "exp": "x"},
            "$.aud: parsing StringOrURI failed, expected String, but encountered Array",
        ),
        ({"nbf": False}, "$.nbf: parsing NumericDate failed, expected Number, but encountered Boolean"),
        ({"jti": {}}, "$.jti: parsing Text failed, expected String, but encountered Object"),
    ],
)
def test_the_first_claim_of_a_wrong_type_is_named(values: dict[str, object], why: str) -> None:
    assert refusal(sign(claims(**values))) == f'JWTClaimsSetDecodeError "Error in {why}"'


@pytest.mark.parametrize("header", [{"alg": "HS256"}, {"alg": "RS256"}, {"alg": "none"}])
def test_claims_of_a_wrong_type_are_told_before_a_signature_that_is_none(header: dict[str, Any]) -> None:
    found = "parsing NumericDate failed, expected Number, but encountered String"
    assert refusal(sign(claims(exp="x"), header, "another secret")) == (
        f'JWTClaimsSetDecodeError "Error in $.exp: {found}"'
    )


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"exp": NOW - 30, "iat": NOW + 31, "aud": "x"}, "JWT expired"),
        ({"iat": NOW + 30.5, "nbf": NOW + 31}, "JWTIssuedAtFuture"),
        ({"nbf": NOW + 30.5, "aud": "x"}, "JWTNotYetValid"),
        ({"aud": ["x", "y"]}, "JWTNotInAudience"),
        ({"aud": []}, "JWTNotInAudience"),
    ],
)
def test_times_and_audience_are_checked_in_this_order(values: dict[str, object], why: str) -> None:
    assert refusal(sign(claims(**values)), replace(OPTIONS, jwt_aud="here")) == why


def test_fractions_of_seconds_count_and_nulls_do_not() -> None:
    token = sign(claims(exp=NOW - 29.5, nbf=NOW + 30, iat=NOW + 30, aud=None))
    assert ask(token, replace(OPTIONS, jwt_aud="here")).claims == {
        "role": "author",
        "exp": NOW - 29.5,
        "nbf": NOW + 30,
        "iat": NOW + 30,
    }


@pytest.mark.parametrize(("compat", "code"), [("12", None), ("13", "PGRST301"), ("14", "PGRST300")])
def test_a_token_without_text_means_something_else_in_every_version(compat: Compat, code: str | None) -> None:
    options = replace(OPTIONS, jwt_secret=None, compat=compat)
    if code is None:
        assert ask("", options).role == "anon"
    else:
        with pytest.raises(ApiError, match=code):
            ask("", options)


@pytest.mark.parametrize(("compat", "fits"), [("12", True), ("13", False), ("14", True)])
def test_only_13_takes_a_null_time_for_a_wrong_one(compat: Compat, fits: bool) -> None:
    options = replace(OPTIONS, compat=compat)
    if fits:
        assert ask(sign(claims(exp=None)), options).role == "author"
    else:
        with pytest.raises(ApiError, match="The JWT 'exp' claim must be a number"):
            ask(sign(claims(exp=None)), options)

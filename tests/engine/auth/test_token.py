"""Tokens whose signature is good and whose content is not."""

import pytest

from proxy.engine.auth.keys import read_keys
from proxy.engine.auth.token import read_token
from proxy.errors import ApiError
from proxy.tape.request import RequestSettings, sign

SECRET = "a-secret-of-thirty-two-bytes-or-more"
SETTINGS = RequestSettings(b"somewhere", token_secret=SECRET.encode())


@pytest.mark.parametrize("claims", [r'{"role":"\ud800"}', r'{"\udfff":1}', r'{"a":["\ud83d"]}'])
def test_half_a_surrogate_pair_makes_claims_unreadable(claims: str) -> None:
    with pytest.raises(ApiError) as refused:
        read_token(sign(claims, SETTINGS), read_keys(SECRET, False))
    assert (refused.value.status, refused.value.code) == (401, "PGRST303")
    assert refused.value.message == "Parsing claims failed"


def test_a_whole_surrogate_pair_is_one_character() -> None:
    token = sign(r'{"role":"\ud83d\ude00"}', SETTINGS)
    assert read_token(token, read_keys(SECRET, False)) == {"role": "\U0001f600"}

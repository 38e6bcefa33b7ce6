"""The last net for secrets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.shadow.scrub import scrub


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://user:pw@db:5432/x", "postgresql://***@db:5432/x"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer ***"),
        ("token eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoieCJ9.sig_-1 refused", "token *** refused"),
        ("host=db password=hunter2 user=a", "host=db password=*** user=a"),
        ('{"secret": "a b c"}', '{"secret": ***}'),
        ("api_key='x y'", "api_key=***"),
        ("http://postgrest:3000/t?select=id", "http://postgrest:3000/t?select=id"),
        ("found 5; allowed: 1 to 3", "found 5; allowed: 1 to 3"),
    ],
)
def test_secrets_are_hidden_and_the_rest_stays(text: str, expected: str) -> None:
    assert scrub(text) == expected


@given(st.text(alphabet="abcxyz0123456789_", min_size=6, max_size=20))
def test_no_password_of_a_uri_survives(password: str) -> None:
    assert password not in scrub(f"cannot reach postgresql://role:{password}@host/db").replace("role", "")


@given(st.text())
def test_any_text_can_be_scrubbed(text: str) -> None:
    scrub(text)

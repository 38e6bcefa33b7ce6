"""Faults in PostgREST's words, with the place where they stand."""

import pytest

from proxy.config.complaints import explain
from proxy.config.engine import read_standalone
from proxy.config.postgrest import read_postgrest_conf
from proxy.errors import ConfigError


def complaint(environ: dict[str, str], conf: str = "") -> str:
    with pytest.raises(ConfigError) as caught:
        read_standalone(read_postgrest_conf(conf, "p.conf"), environ)
    return explain(caught.value)


@pytest.mark.parametrize(
    ("variable", "text", "words"),
    [
        ("LOG_LEVEL", "loud", "Invalid logging level. Check your configuration."),
        ("OPENAPI_MODE", "x", "Invalid openapi-mode. Check your configuration."),
        ("DB_TX_END", "x", "Invalid transaction termination. Check your configuration."),
        (
            "OPENAPI_SERVER_PROXY_URI",
            "htp:/@@x",
            "Malformed proxy uri, a correct example: https://example.com:8443/basePath",
        ),
        ("JWT_AUD", "foo://%%$$^^.com", "jwt-aud should be a string or a valid URI"),
        ("JWT_ROLE_CLAIM_KEY", "role.other", "failed to parse role-claim-key value (role.other)"),
        ("ROLE_CLAIM_KEY", "role.other", "failed to parse role-claim-key value (role.other)"),
        ("JWT_SECRET", "short", "The JWT secret must be at least 32 characters long."),
        (
            "SERVER_UNIX_SOCKET_MODE",
            "599",
            "Invalid server-unix-socket-mode: needs to be between 600 and 777",
        ),
    ],
)
def test_postgrests_sentence_comes_first_and_then_the_place(variable: str, text: str, words: str) -> None:
    first, second = complaint({f"PGRST_{variable}": text}).splitlines()
    assert first == words
    assert second.startswith(f"environment: PGRST_{variable}: found ")


def test_in_a_file_the_line_is_named() -> None:
    assert complaint({}, '\nlog-level = "loud"\n').splitlines()[1].startswith("p.conf:2: log-level: found ")


def test_equal_ports_are_told_in_postgrests_words_and_a_port_out_of_range_is_not() -> None:
    equal = complaint({"PGRST_SERVER_PORT": "80", "PGRST_ADMIN_SERVER_PORT": "80"})
    assert equal.startswith("admin-server-port cannot be the same as server-port\n")
    assert "cannot be the same" not in complaint({"PGRST_ADMIN_SERVER_PORT": "-1"})

"""Options as lines of a file: what is dumped is read back to the same."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config import EngineConfig
from proxy.config.dump import dump_config, example_config
from proxy.config.engine import read_standalone
from proxy.config.options import COMPAT, OPTIONS, REPLICA
from proxy.config.postgrest import read_postgrest_conf

TEXTS = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=20).map(str.strip).filter(bool)
NAMES = st.lists(TEXTS.filter(lambda text: "," not in text), min_size=1, max_size=3).map(tuple)


def reread(text: str) -> EngineConfig:
    return read_standalone(read_postgrest_conf(text, "dumped"), {})


@given(
    st.builds(
        EngineConfig,
        db_schemas=NAMES,
        db_extra_search_path=st.one_of(st.just(()), NAMES),
        db_anon_role=st.one_of(st.none(), TEXTS),
        db_max_rows=st.one_of(st.none(), st.integers(0, 2**31 - 1)),
        db_pool=st.integers(1, 100),
        db_pool_max_idletime=st.integers(0, 100).map(float),
        db_tx_end=st.sampled_from(["commit", "rollback-allow-override"]),
        log_query=st.booleans(),
        server_cors_allowed_origins=st.one_of(st.none(), NAMES),
        server_unix_socket_mode=st.integers(0o600, 0o777),
        admin_server_port=st.one_of(st.none(), st.integers(1, 2999)),
        app_settings=st.dictionaries(
            st.from_regex(r"app\.settings\.[a-z][a-z0-9_-]{0,5}", fullmatch=True), TEXTS, max_size=2
        ).map(lambda settings: tuple(sorted(settings.items()))),
    )
)
def test_a_dump_is_read_back_to_the_same_options(options: EngineConfig) -> None:
    expected = dataclasses.replace(
        options, jwt_role_claim_key='."role"', admin_server_host=options.server_host
    )
    assert reread(dump_config(options)) == expected


@pytest.mark.parametrize(
    ("path", "dumped"),
    [
        (".role", r".\"role\""),
        ('.a."b.c"[0].d', r".\"a\".\"b.c\"[0].\"d\""),
        ('.roles[?(@ ^== ".x")]', r".\"roles\"[?(@ ^== \".x\")]"),
    ],
)
def test_a_role_path_is_dumped_with_its_keys_in_quotes(path: str, dumped: str) -> None:
    line = f'jwt-role-claim-key = "{dumped}"\n'
    assert line in dump_config(EngineConfig(jwt_role_claim_key=path))


def test_a_secret_in_base64_is_dumped_in_its_usual_alphabet() -> None:
    options = EngineConfig(
        jwt_secret="c2VjdXJpdHl0aHJvdWdob2JzY3VyaXR5aW5iYX_-NjQ.", jwt_secret_is_base64=True
    )
    assert 'jwt-secret = "c2VjdXJpdHl0aHJvdWdob2JzY3VyaXR5aW5iYX/+NjQ="\n' in dump_config(options)


def test_every_option_of_postgrests_is_dumped_once() -> None:
    dumped = [line.partition(" = ")[0] for line in dump_config(EngineConfig()).splitlines()]
    assert sorted(dumped) == sorted(key.name for key in OPTIONS if key not in (COMPAT, *REPLICA))


def test_the_example_means_the_defaults() -> None:
    options = dataclasses.replace(
        EngineConfig(), jwt_role_claim_key='."role"', admin_server_host=EngineConfig().server_host
    )
    assert reread(example_config()) == options

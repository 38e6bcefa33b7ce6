"""The ``Prefer`` header (reference 8.1)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.engine.parse.preferences import Preferences, parse_preferences

KNOWN = [
    ("resolution=merge-duplicates", Preferences(resolution="merge-duplicates")),
    ("resolution=ignore-duplicates", Preferences(resolution="ignore-duplicates")),
    ("return=representation", Preferences(returning="representation")),
    ("return=headers-only", Preferences(returning="headers-only")),
    ("return=minimal", Preferences(returning="minimal")),
    ("count=exact", Preferences(count="exact")),
    ("count=planned", Preferences(count="planned")),
    ("count=estimated", Preferences(count="estimated")),
    ("tx=commit", Preferences(transaction="commit")),
    ("tx=rollback", Preferences(transaction="rollback")),
    ("missing=default", Preferences(missing="default")),
    ("missing=null", Preferences(missing="null")),
    ("handling=strict", Preferences(handling="strict")),
    ("handling=lenient", Preferences(handling="lenient")),
    (
        "timezone=Africa/Johannesburg",
        Preferences(timezone="Africa/Johannesburg", doubtful=("timezone=Africa/Johannesburg",)),
    ),
    ("max-affected=10", Preferences(max_affected=10)),
]


@pytest.mark.parametrize(("token", "preferences"), KNOWN)
def test_known_tokens(token: str, preferences: Preferences) -> None:
    assert parse_preferences([token.encode()]) == preferences


@pytest.mark.parametrize(
    "token",
    [
        "count=none",
        "return=none",
        "Count=exact",
        "count=EXACT",
        "count = exact",
        "count=exact;q=1",
        "count",
        'count="exact"',
        "count=exact=1",
        "respond-async",
        "=exact",
        "resolution=merge",
        "params=single-object",
        "Timezone=UTC",
        "max-affected",
        "timezone",
        "tx=",
        "handling=Strict",
    ],
)
def test_anything_else_is_unknown_and_kept_as_it_stands(token: str) -> None:
    assert parse_preferences([token.encode()]) == Preferences(doubtful=(token,))


def test_no_header_is_no_preference() -> None:
    assert parse_preferences([]) == Preferences()
    assert not Preferences().strict


def test_tokens_are_separated_by_commas_and_stripped() -> None:
    wishes = parse_preferences(
        [b"count=exact,    tx=commit   ,return=representation\t, handling=strict, more"]
    )
    assert wishes == Preferences(
        returning="representation", count="exact", transaction="commit", handling="strict", doubtful=("more",)
    )
    assert wishes.strict


def test_all_headers_count_in_order() -> None:
    wishes = parse_preferences([b"first, count=exact", b"second", b"tx=rollback, third"])
    assert wishes == Preferences(count="exact", transaction="rollback", doubtful=("first", "second", "third"))


def test_the_first_valid_token_of_each_preference_wins_across_headers() -> None:
    wishes = parse_preferences([b"tx=commit, tx=rollback, count=none", b"count=planned", b"count=exact"])
    assert wishes == Preferences(transaction="commit", count="planned", doubtful=("count=none",))


def test_a_stray_comma_is_an_empty_unknown_token() -> None:
    assert parse_preferences([b"count=exact,"]).doubtful == ("",)
    assert parse_preferences([b",,"]).doubtful == ("", "", "")
    assert parse_preferences([b" "]).doubtful == ("",)


def test_an_empty_header_holds_no_token_at_all() -> None:
    assert parse_preferences([b"", b"count=exact", b""]) == Preferences(count="exact")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-1", -1),
        ("0x10", 16),
        ("(5)", 5),
        ("", None),
        ("five", None),
        ("1.5", None),
        ("1e3", None),
    ],
)
def test_max_affected_is_known_whatever_it_holds(text: str, value: int | None) -> None:
    assert parse_preferences([b"max-affected=" + text.encode()]) == Preferences(max_affected=value)


def test_the_first_max_affected_counts_even_if_it_is_no_number() -> None:
    assert parse_preferences([b"max-affected=x, max-affected=5"]).max_affected is None


@pytest.mark.parametrize("name", ["UTC", "", "Nowhere/Land", "a=b", "Etc/GMT+2"])
def test_a_time_zone_is_taken_as_sent_because_only_the_database_knows_them(name: str) -> None:
    token = f"timezone={name}"
    assert parse_preferences([token.encode()]) == Preferences(timezone=name, doubtful=(token,))


def test_known_tokens_are_known_on_every_method() -> None:
    everything = ", ".join(token for token, _ in KNOWN)
    assert parse_preferences([everything.encode()]).doubtful == ("timezone=Africa/Johannesburg",)


@given(st.lists(st.binary(max_size=20), max_size=4))
@settings(deadline=None)
def test_any_bytes_are_preferences(values: list[bytes]) -> None:
    wishes = parse_preferences(values)
    assert len(wishes.doubtful) <= sum(value.count(b",") + 1 for value in values)


@given(st.permutations([token for token, _ in KNOWN[::2]]))
@settings(deadline=None)
def test_the_order_of_different_preferences_does_not_matter(tokens: list[str]) -> None:
    together = parse_preferences([", ".join(tokens).encode()])
    one_by_one = parse_preferences([token.encode() for token in tokens])
    reverse = parse_preferences([", ".join(reversed(tokens)).encode()])
    assert together == one_by_one
    if len({token.partition("=")[0] for token in tokens}) == len(tokens):
        assert together == reverse

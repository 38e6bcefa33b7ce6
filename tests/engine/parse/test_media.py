"""Media types as ``Accept`` and ``Content-Type`` name them (reference 5.1 and 5.2)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.engine.parse.media import ANY, JSON, OPENAPI, Kind, MediaType, parse_accept, parse_media_type

OBJECT = MediaType("object", "application/vnd.pgrst.object+json")
STRIPPED_OBJECT = MediaType("object", "application/vnd.pgrst.object+json;nulls=stripped", stripped=True)
STRIPPED_ARRAY = MediaType("array", "application/vnd.pgrst.array+json;nulls=stripped", stripped=True)


def other(text: str) -> MediaType:
    return MediaType("other", text)


def names(value: bytes) -> list[str]:
    return [media.name for media in parse_accept(value)]


# One media type


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("application/json", "json"),
        ("application/geo+json", "geojson"),
        ("text/csv", "csv"),
        ("text/plain", "text"),
        ("text/xml", "xml"),
        ("application/openapi+json", "openapi"),
        ("application/x-www-form-urlencoded", "form"),
        ("application/octet-stream", "octets"),
        ("*/*", "any"),
    ],
)
def test_built_in_types_are_known_in_any_case_and_with_any_parameters(text: str, kind: Kind) -> None:
    for spelling in (text, text.upper(), f"{text};charset=utf-8", f"{text} ; version=1", f"{text};"):
        assert parse_media_type(spelling) == MediaType(kind, text)


@pytest.mark.parametrize(
    ("text", "media"),
    [
        ("application/vnd.pgrst.object+json", OBJECT),
        ("application/vnd.pgrst.object", OBJECT),
        ("ApplicatIon/vnd.PgRsT.object+json", OBJECT),
        ("application/vnd.pgrst.object+json;nulls=stripped", STRIPPED_OBJECT),
        ("application/vnd.pgrst.object;nulls=stripped", STRIPPED_OBJECT),
        ('application/vnd.pgrst.object ; NULLS = "stripped"', STRIPPED_OBJECT),
        ("application/vnd.pgrst.object;nulls=Stripped", OBJECT),
        ("application/vnd.pgrst.object;nulls=kept", OBJECT),
        ("application/vnd.pgrst.object;a=b;nulls=stripped", STRIPPED_OBJECT),
        ("application/vnd.pgrst.object;nulls=kept;nulls=stripped", STRIPPED_OBJECT),
        ("application/vnd.pgrst.object;nulls=stripped;nulls=kept", OBJECT),
        ("application/vnd.pgrst.object;!;nulls=stripped", OBJECT),
        ("application/vnd.pgrst.array+json;nulls=stripped", STRIPPED_ARRAY),
        ("application/vnd.pgrst.array;nulls=stripped", STRIPPED_ARRAY),
        ("application/vnd.pgrst.array+json", JSON),
        ("application/vnd.pgrst.array", JSON),
    ],
)
def test_objects_and_arrays_with_or_without_nulls(text: str, media: MediaType) -> None:
    assert parse_media_type(text) == media


@pytest.mark.parametrize(
    "text",
    [
        "undefined",
        "",
        "json",
        "application",
        "application/",
        "/json",
        "text/html",
        "application/vnd.twkb",
        "application/*",
        "text/*",
        "image/png",
        "a b/c",
        "application/vnd.pgrst.other+json",
        "tëxt-x/csv",
        "text_/csv",
        "application/vnd.pgrst.object+xml",
        "application/vnd.pgrst.plan+xml",
        "text/html;level=1",
        "Text/HTML",
    ],
)
def test_all_else_is_an_unknown_type_with_its_literal_text(text: str) -> None:
    assert parse_media_type(text) == other(text)


def test_what_follows_a_known_type_is_not_looked_at() -> None:
    assert parse_media_type("text/csv garbage") == MediaType("csv", "text/csv")
    assert parse_media_type("application/json,text/csv") == JSON


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("application/vnd.pgrst.plan", 'application/vnd.pgrst.plan+text; for="application/json"'),
        ("application/vnd.pgrst.plan;", 'application/vnd.pgrst.plan+text; for="application/json"'),
        ("application/vnd.pgrst.plan+text", 'application/vnd.pgrst.plan+text; for="application/json"'),
        ("application/vnd.pgrst.plan+json", 'application/vnd.pgrst.plan+json; for="application/json"'),
        ('application/vnd.pgrst.plan+json;for="text/csv"', 'application/vnd.pgrst.plan+json; for="text/csv"'),
        (
            'application/vnd.pgrst.plan ; for="text/xml" ; options=analyze',
            'application/vnd.pgrst.plan+text; for="text/xml"; options=analyze',
        ),
        (
            "application/vnd.pgrst.plan;options=wal|buffers|settings|verbose|analyze",
            'application/vnd.pgrst.plan+text; for="application/json"; '
            "options=analyze|verbose|settings|buffers|wal",
        ),
        (
            "application/vnd.pgrst.plan;options=analyze|nonsense|analyze",
            'application/vnd.pgrst.plan+text; for="application/json"; options=analyze',
        ),
        (
            'application/vnd.pgrst.plan;for="application/vnd.pgrst.object"',
            'application/vnd.pgrst.plan+text; for="application/vnd.pgrst.object+json"',
        ),
        ('application/vnd.pgrst.plan;for="nonsense"', 'application/vnd.pgrst.plan+text; for="nonsense"'),
    ],
)
def test_plans_name_what_they_are_for_and_their_options_in_a_fixed_order(text: str, name: str) -> None:
    media = parse_media_type(text)
    assert (media.kind, media.name) == ("plan", name)
    assert media.plan_json == name.startswith("application/vnd.pgrst.plan+json")


def test_a_plan_knows_its_parts() -> None:
    media = parse_media_type(
        'application/vnd.pgrst.plan+json;for="application/vnd.pgrst.object;nulls=stripped";options=verbose|wal'
    )
    assert media.plan_of == STRIPPED_OBJECT
    assert media.plan_options == ("verbose", "wal")
    assert media.plan_json


# Labels of answers


@pytest.mark.parametrize(
    ("media", "content_type"),
    [
        (JSON, "application/json; charset=utf-8"),
        (ANY, "*/*; charset=utf-8"),
        (OPENAPI, "application/openapi+json; charset=utf-8"),
        (OBJECT, "application/vnd.pgrst.object+json; charset=utf-8"),
        (STRIPPED_OBJECT, "application/vnd.pgrst.object+json;nulls=stripped; charset=utf-8"),
        (STRIPPED_ARRAY, "application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8"),
        (MediaType("csv", "text/csv"), "text/csv; charset=utf-8"),
        (MediaType("octets", "application/octet-stream"), "application/octet-stream"),
        (other("image/png"), "image/png"),
    ],
)
def test_known_types_but_octets_are_sent_with_a_charset(media: MediaType, content_type: str) -> None:
    assert media.content_type == content_type


# The Accept header


def test_no_header_accepts_anything_and_an_empty_one_nothing() -> None:
    assert parse_accept(None) == (ANY,)
    assert parse_accept(b"") == ()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"text/csv", ["text/csv"]),
        (b"text/csv,application/json", ["text/csv", "application/json"]),
        (b"text/csv;q=0.5,application/json", ["application/json", "text/csv"]),
        (b"text/csv;q=0.5, application/json;q=0.8", ["application/json", "text/csv"]),
        (b"text/csv; q=0.5, application/json; q = 0.8", ["application/json", "text/csv"]),
        (b"text/csv;q=0, application/json;q=0.1", ["application/json", "text/csv"]),
        (b"text/csv;q=0", ["text/csv"]),
        (b"text/csv;q=, application/json;q=0.9", ["text/csv", "application/json"]),
        (b"text/csv;q=high, application/json;q=0.9", ["text/csv", "application/json"]),
        (b"text/csv;q=0.5x, application/json;q=0.9", ["application/json", "text/csv"]),
        (b"text/csv;q=.5, application/json;q=0.9", ["text/csv", "application/json"]),
        (b"text/csv;q=5e-1, application/json;q=0.9", ["application/json", "text/csv"]),
        (b"text/csv;q=2, application/json", ["text/csv", "application/json"]),
        (b"text/csv;Q=0.5, application/json;q=0.9", ["text/csv", "application/json"]),
        (b"text/csv;q=0.5;x=1, application/json;q=0.9", ["application/json", "text/csv"]),
    ],
)
def test_the_best_quality_comes_first(value: bytes, expected: list[str]) -> None:
    assert names(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"*/*, text/csv", ["text/csv", "*/*"]),
        (b"text/*, text/csv, */*", ["text/csv", "text/*", "*/*"]),
        (b"text/csv, text/html;level=1", ["text/html;level=1", "text/csv"]),
        (b"text/csv, application/json;a=1;b=2, text/xml;c=3", ["application/json", "text/xml", "text/csv"]),
        (b"*/*;a=1, text/csv", ["text/csv", "*/*"]),
    ],
)
def test_then_the_most_parameters_and_the_fewest_stars(value: bytes, expected: list[str]) -> None:
    assert names(value) == expected


def test_equals_keep_their_order() -> None:
    assert names(b"a/a, b/b, c/c;q=1.0, d/d;q=1") == ["a/a", "b/b", "c/c", "d/d"]


def test_all_spaces_are_removed_but_no_other_white_space() -> None:
    assert names(b" text / csv , a / b ; c = d e ") == ["a/b;c=de", "text/csv"]
    assert names(b"\ttext/html") == ["\ttext/html"]


def test_parameters_before_the_quality_belong_to_the_type_and_those_after_it_are_lost() -> None:
    assert names(b"a/b;v=1;q=0.5;w=2") == ["a/b;v=1"]
    assert parse_accept(b"application/vnd.pgrst.object;nulls=stripped;q=0.5") == (STRIPPED_OBJECT,)
    assert parse_accept(b"application/vnd.pgrst.object;q=0.5;nulls=stripped") == (OBJECT,)


def test_empty_entries_are_types_without_a_name() -> None:
    assert names(b",") == ["", ""]
    assert names(b"text/csv,") == ["text/csv", ""]


def test_a_comma_separates_even_inside_quotes() -> None:
    assert names(b'a/b;c="d,e"') == ['a/b;c="d', 'e"']


def test_bytes_beyond_ascii_are_latin_1() -> None:
    assert names(b"text/\xe9") == ["text/é"]


@given(st.binary(max_size=60))
@settings(deadline=None)
def test_any_bytes_are_a_list_of_media_types(value: bytes) -> None:
    medias = parse_accept(value)
    assert len(medias) == (value.count(b",") + 1 if value else 0)


@given(st.text(max_size=40))
@settings(deadline=None)
def test_any_text_is_a_media_type_and_reading_its_name_gives_it_again(text: str) -> None:
    media = parse_media_type(text)
    assert parse_media_type(media.name) == media

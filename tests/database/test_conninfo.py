"""Connection strings, read as libpq reads them."""

import inspect
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.database.conninfo import BadConnectionString, make_arguments, parse_conninfo


def arguments(text: str, **environ: str) -> dict[str, Any]:
    return make_arguments(text, environ, fallback_name="us")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://", {}),
        ("postgres://localhost", {"host": "localhost"}),
        ("postgresql://localhost:5433", {"host": "localhost", "port": "5433"}),
        ("postgresql://localhost/mydb", {"host": "localhost", "dbname": "mydb"}),
        ("postgresql://user@localhost", {"user": "user", "host": "localhost"}),
        ("postgresql://user:secret@localhost", {"user": "user", "password": "secret", "host": "localhost"}),
        ("postgresql://:secret@localhost", {"password": "secret", "host": "localhost"}),
        (
            "postgresql://other@localhost/otherdb?connect_timeout=10&application_name=myapp",
            {
                "user": "other",
                "host": "localhost",
                "dbname": "otherdb",
                "connect_timeout": "10",
                "application_name": "myapp",
            },
        ),
        (
            "postgresql://host1:123,host2:456/somedb?target_session_attrs=any",
            {"host": "host1,host2", "port": "123,456", "dbname": "somedb", "target_session_attrs": "any"},
        ),
        (
            "postgresql:///mydb?host=localhost&port=5433",
            {"host": "localhost", "port": "5433", "dbname": "mydb"},
        ),
        (
            "postgresql://[2001:db8::1234]:5/database",
            {"host": "2001:db8::1234", "port": "5", "dbname": "database"},
        ),
        (
            "postgresql://%2Fvar%2Flib%2Fpostgresql/dbname",
            {"host": "/var/lib/postgresql", "dbname": "dbname"},
        ),
        (
            "postgresql://a%40b:p%3A%2Fw@h/d%20b",
            {"user": "a@b", "password": "p:/w", "host": "h", "dbname": "d b"},
        ),
        (
            "postgresql://me:?pass?special?@h/x",
            {"user": "me", "password": "?pass?special?", "host": "h", "dbname": "x"},
        ),
        ("postgresql:///x?user=u&password=a%26b", {"dbname": "x", "user": "u", "password": "a&b"}),
        ("postgresql://h/x?ssl=true", {"host": "h", "dbname": "x", "sslmode": "require"}),
        ("postgresql://h?", {"host": "h"}),
        ("", {}),
        ("host=localhost port=5432 dbname=mydb", {"host": "localhost", "port": "5432", "dbname": "mydb"}),
        ("  host = localhost\n port=5  ", {"host": "localhost", "port": "5"}),
        (r"password='it\'s \\ so' user='' host=a\ b", {"password": r"it's \ so", "host": "a b"}),
        ("host=first host=second", {"host": "second"}),
    ],
)
def test_both_forms_are_read(text: str, expected: dict[str, str]) -> None:
    assert parse_conninfo(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "tmp_db",
        "host=a b",
        "host='unfinished",
        "nonsense=1",
        "postgresql://h/x?nonsense=1",
        "postgresql://h/x?sslmode",
        "postgresql://h/x?a=b=c",
        "postgresql://h%zz/x",
        "postgresql://h%00/x",
        "postgresql://[::1/x",
    ],
)
def test_what_is_neither_form_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(BadConnectionString) as caught:
        parse_conninfo(text)
    assert text not in str(caught.value)


def test_a_mistyped_scheme_does_not_make_a_password_an_options_name() -> None:
    with pytest.raises(BadConnectionString) as caught:
        parse_conninfo("postgesql://user:s3cret@host/db?sslmode=require")
    assert str(caught.value) == "invalid connection option"


@given(
    st.dictionaries(
        st.sampled_from(["user", "password", "dbname", "host", "application_name"]),
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
    )
)
def test_whatever_is_put_in_quotes_comes_out_as_it_was(keywords: dict[str, str]) -> None:
    pairs = (
        "{}='{}'".format(key, value.replace("\\", "\\\\").replace("'", "\\'"))
        for key, value in keywords.items()
    )
    assert parse_conninfo(" ".join(pairs)) == keywords


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for prefix in ("", "postgresql://"):
        try:
            make_arguments(prefix + text, {}, fallback_name="us")
        except BadConnectionString:
            continue


def test_asyncpg_is_called_as_it_can_be_called() -> None:
    made = arguments(
        "host=a,b port=1,2 user=u password=p dbname=d passfile=f service=s target_session_attrs=read-write "
        "krbsrvname=k gsslib=gssapi connect_timeout=7 sslmode=require sslrootcert=/c keepalives=1 "
        "channel_binding=prefer options='-c geqo=off'"
    )
    assert made == {
        "host": ["a", "b"],
        "port": [1, 2],
        "user": "u",
        "password": "p",
        "database": "d",
        "passfile": "f",
        "service": "s",
        "target_session_attrs": "read-write",
        "krbsrvname": "k",
        "gsslib": "gssapi",
        "timeout": 7.0,
        "dsn": "postgresql://?sslmode=require&sslrootcert=%2Fc",
        "server_settings": {"options": "-c geqo=off", "application_name": "us"},
    }
    inspect.signature(asyncpg.connect).bind(**made)


@pytest.mark.parametrize(
    ("text", "environ", "name"),
    [
        ("", {}, "us"),
        ("", {"PGAPPNAME": "them"}, "them"),
        ("fallback_application_name=f", {}, "f"),
        ("fallback_application_name=f", {"PGAPPNAME": "them"}, "them"),
        ("application_name=a", {"PGAPPNAME": "them"}, "a"),
    ],
)
def test_the_application_has_the_name_that_libpq_would_give_it(
    text: str, environ: dict[str, str], name: str
) -> None:
    assert arguments(text, **environ)["server_settings"]["application_name"] == name


def test_variables_that_asyncpg_does_not_read_are_read() -> None:
    made = arguments(
        "", PGOPTIONS="-c x=1", PGTZ="UTC", PGDATESTYLE="ISO", PGCONNECT_TIMEOUT="9", PGHOSTADDR="127.0.0.1"
    )
    assert made["server_settings"] == {
        "options": "-c x=1",
        "TimeZone": "UTC",
        "DateStyle": "ISO",
        "application_name": "us",
    }
    assert (made["timeout"], made["host"]) == (9.0, ["127.0.0.1"])
    assert arguments("options='-c y=2'", PGOPTIONS="-c x=1")["server_settings"]["options"] == "-c y=2"


@pytest.mark.parametrize(
    ("given_", "seconds"), [("1", 2.0), ("2", 2.0), ("60", 60.0), ("0", None), ("-1", None)]
)
def test_a_connection_may_take_two_seconds_at_least_or_for_ever(given_: str, seconds: float | None) -> None:
    assert arguments(f"connect_timeout={given_}")["timeout"] == seconds


@pytest.mark.parametrize("text", ["port=x", "port=0", "port=65536", "port=1,x", "connect_timeout=soon"])
def test_numbers_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(BadConnectionString):
        arguments(text)

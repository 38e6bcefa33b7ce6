"""The lines of a ``postgrest.conf``."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.postgrest import read_postgrest_conf
from proxy.errors import ConfigError


def texts(conf: str) -> dict[str, str]:
    return {name: setting.text for name, setting in read_postgrest_conf(conf, "postgrest.conf").items()}


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ('key = "text"', "text"),
        ('key="text"', "text"),
        ('  key = "text"  # why', "text"),
        (r'key = "a \"quoted\" \\ text"', 'a "quoted" \\ text'),
        (r'key = "tab\tnew\nline \u00e9"', "tab\tnew\nline é"),
        ('key = "# no comment"', "# no comment"),
        ("key = 10", "10"),
        ("key = 10.0", "10"),
        ("key = -1.5", "-1.5"),
        ("key = true", "true"),
        ("key = off # why", "false"),
        ('key = ""', ""),
        ('key = "text"\r', "text"),
    ],
)
def test_a_line_holds_a_key_and_a_value(line: str, value: str) -> None:
    assert texts(line) == {"key": value}


def test_comments_and_empty_lines_hold_nothing() -> None:
    assert texts("\n# a = 1\n   \n\t# more") == {}


def test_a_later_line_overrules_an_earlier_one() -> None:
    assert texts('db-uri = "a"\napp.settings.x = 1\ndb-uri = "b"') == {"db-uri": "b", "app.settings.x": "1"}


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("db-uri = postgresql://me:secret@db", "db-uri"),
        ('db-uri = "postgresql://secret', "db-uri"),
        ("db-uri =", "db-uri"),
        ("db-uri", "(file)"),
        ('"db-uri" = "a"', "(file)"),
        ('db-uri = "a" secret', "db-uri"),
        (r'db-uri = "\secret"', "db-uri"),
        ("db-uri = [1]", "db-uri"),
    ],
)
def test_a_line_of_another_form_is_refused_without_its_value(line: str, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_postgrest_conf(f"# first\n{line}\n", "postgrest.conf")
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.key) == ("postgrest.conf", 2, key)
    assert "secret" not in str(problem)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ConfigError):
        settings = read_postgrest_conf(text, "postgrest.conf")
        assert all(setting.place.line >= 1 for setting in settings.values())

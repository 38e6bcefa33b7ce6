"""Faults of the YAML itself, and that no fault tells a secret."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.document import dotted, quoted
from proxy.config.reader import read_config
from proxy.errors import ConfigError

SECRET = "correct-horse-battery"


def problem_of(text: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        read_config(text, "f", environ or {})
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "",
            "f:1: (file): found an empty file; allowed: at least one key; see the documentation of the file",
        ),
        (
            "# nothing\n",
            "f:1: (file): found an empty file; allowed: at least one key; see the documentation of the file",
        ),
        (
            "a: 1\nb: [1\n",
            "f:3: (file): found '<stream end>'; allowed: ',' or ']'",
        ),
        ("a:\n\t- b", r"f:2: (file): found character '\t' that cannot start any token; allowed: valid YAML"),
        (
            "a: 1\n---\nb: 2\n",
            "f:2: (file): found another document; allowed: a single document in the stream",
        ),
        ("a: *bc\n", "f:1: (file): found undefined alias ...; allowed: valid YAML"),
        ("a: &b 1\nc: &b 1\n", "f:2: (file): found the same anchor a second time; allowed: valid YAML"),
        ("a: 1\nb: \x07\n", "f:2: (file): found the character U+0007; allowed: printable text"),
        (
            "[" * 20_000,
            "f:1: (file): found lists or mappings within each other too deeply; allowed: valid YAML",
        ),
    ],
)
def test_faulty_yaml_is_told_with_its_line(text: str, problem: str) -> None:
    assert problem_of(text) == problem


@pytest.mark.parametrize("text", ["- a\n- b\n", "just text\n"])
def test_the_file_must_be_a_mapping(text: str) -> None:
    assert "allowed: a mapping of listen, admin, workers" in problem_of(text)


@pytest.mark.parametrize(
    "text",
    [
        f"engine: {{jwt-secret: {SECRET}}}",
        f"engine: {{jwt-secret: {SECRET}, jwt-secret-is-base64: true}}",
        f"engine: {{jwt-secret:{SECRET}}}",
        f"engine:\n  jwt-secret:{SECRET}\n  db-schemas: dlm\n",
        f"engine:\n  jwt-secret:{SECRET}\n",
        f"engine: {{jwt-secret: *{SECRET}}}",
        f"engine: {{jwt-secret: &{SECRET} &{SECRET} a}}",
        f"engine: {{jwt-secret: &{SECRET} a, db-uri: &{SECRET} b, c: *{SECRET}}}",
        f"engine: {{jwt-secret: !{SECRET} a}}",
        f"engine: {{jwt-secret: !{SECRET}!a b}}",
        f"engine: {{jwt-secret: '@{SECRET}'}}",
        f"engine: {{jwt-secret: [{SECRET}]}}",
        f"engine: {{jwt-secret: '${{NAME:-{SECRET}'}}",
        f"engine: {{jwt-secret: '${{NAME:?{SECRET}}}'}}",
        f'engine: {{jwt-secret: "{SECRET}\n',
        f"engine:\n  jwt-secret: |9 {SECRET}\n",
        f"%{SECRET}\nengine: 1",
        f"engine: {{jwt-secret: %{SECRET}}}",
        f"engine: {{jwt-secret:{SECRET}, jwt-secret:{SECRET}}}",
        f"engine: {{db-uri: '@{SECRET}'}}",
        f"engine: {{db-uri: [{SECRET}]}}",
        f"upstream: {{url: 'ftp://me:{SECRET}@host'}}",
        f"upstream: {{url: 'http://me:{SECRET}/x@host'}}",
        "engine: {jwt-secret: '${NAME}'}",
        "engine: {db-tx-end: '${NAME}'}",
        "workers: ${NAME}",
    ],
)
def test_no_problem_tells_a_secret(text: str) -> None:
    assert SECRET not in problem_of(text, {"NAME": SECRET})


def test_a_value_from_a_variable_is_shown_as_it_is_written() -> None:
    assert "found '${NAME}' (its value is not shown)" in problem_of("workers: ${NAME}", {"NAME": SECRET})


def test_no_problem_in_the_environment_tells_a_secret() -> None:
    assert SECRET not in problem_of("workers: 1", {"PGRST_JWT_SECRET": SECRET})


@pytest.mark.parametrize(
    ("path", "shown"),
    [((), "(file)"), (("tables", "a"), "tables.a"), (("tables", "a.b c", "reads"), "tables.'a.b c'.reads")],
)
def test_keys_are_shown_with_dots_between_them(path: tuple[str, ...], shown: str) -> None:
    assert dotted(path) == shown


@given(st.text())
def test_what_is_shown_is_short_and_on_one_line(text: str) -> None:
    shown = quoted(text)
    assert shown.isprintable()
    assert len(shown.splitlines()) == 1
    assert len(quoted("x" * 1000)) < 70

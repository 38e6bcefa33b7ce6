"""``${VAR}`` in values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.substitution import SubstitutionError, substitute

ENVIRON = {"HOST": "db", "PORT": "5432", "EMPTY": "", "ODD": "a}b${HOST}"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("${HOST}", "db"),
        ("postgresql://${HOST}:${PORT}/app", "postgresql://db:5432/app"),
        ("${EMPTY}", ""),
        ("${HOST:-other}", "db"),
        ("${NONE:-other}", "other"),
        ("${EMPTY:-other}", "other"),
        ("${NONE:-}", ""),
        ("${NONE:-${HOST}:${PORT}}", "db:5432"),
        ("${HOST:-${NONE}}", "db"),
        ("${NONE:-a b:-c}", "a b:-c"),
        ("$${HOST}", "${HOST}"),
        ("${NONE:-$${HOST}", "${HOST"),
        ("pa$$word$", "pa$$word$"),
        ("$HOST", "$HOST"),
        ("}", "}"),
        ("${ODD}", "a}b${HOST}"),
    ],
)
def test_variables_are_replaced_as_in_a_shell(text: str, value: str) -> None:
    assert substitute(text, ENVIRON) == value


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("${NONE}", "${NONE}, a variable that is not set"),
        ("${NONE:-${MORE}}", "${MORE}, a variable that is not set"),
        ("${}", "a ${ without the name of a variable"),
        ("${ HOST }", "a ${ without the name of a variable"),
        ("${HOST", "${HOST followed by neither } nor :-"),
        ("${HOST-other}", "${HOST followed by neither } nor :-"),
        ("${HOST:?secret}", "${HOST followed by neither } nor :-"),
        ("${NONE:-secret", "a ${ without its closing }"),
        ("${A:-" * 20 + "}" * 20, "more than 10 ${ within each other"),
    ],
)
def test_what_cannot_be_replaced_is_told_without_values(text: str, found: str) -> None:
    with pytest.raises(SubstitutionError) as caught:
        substitute(text, ENVIRON)
    assert str(caught.value) == found


@given(st.text(alphabet="${}:-AB?"))
def test_any_text_is_replaced_or_refused(text: str) -> None:
    try:
        value = substitute(text, {"A": "1"})
    except SubstitutionError:
        return
    if "${" not in text:
        assert value == text

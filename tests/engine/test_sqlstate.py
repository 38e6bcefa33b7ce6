"""What a client is told when PostgreSQL refuses (reference 9.3 to 9.5)."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.engine.sqlstate import make_database_error
from proxy.errors import ApiError, render_error
from proxy.tape.format import RecordedExchange
from tests.engine.parse.recorded import error_of, every_exchange, options_of


def refuse(
    code: str,
    message: str = "message",
    detail: str | None = None,
    hint: str | None = None,
    *,
    authenticated: bool = True,
) -> ApiError:
    return make_database_error(code, message, detail, hint, authenticated=authenticated)


# Statuses, reference 9.3

CLASSES = {
    "08": 503,
    "09": 500,
    "0L": 403,
    "0P": 403,
    "25": 500,
    "28": 403,
    "2D": 500,
    "38": 500,
    "39": 500,
    "3B": 500,
    "40": 500,
    "53": 503,
    "54": 500,
    "55": 500,
    "57": 500,
    "58": 500,
    "F0": 500,
    "HV": 500,
    "P0": 500,
    "XX": 500,
}
CODES = {
    "23503": 409,
    "23505": 409,
    "25006": 405,
    "21000": 500,
    "22023": 400,
    "53400": 500,
    "57P01": 503,
    "57014": 500,
    "P0001": 400,
    "P0004": 500,
    "42883": 404,
    "42P01": 404,
    "42P17": 500,
    "42501": 403,
    "40001": 500,
    "40P01": 500,
    "22P02": 400,
    "22003": 400,
    "23502": 400,
    "23514": 400,
    "23P01": 400,
    "42703": 400,
    "42601": 400,
    "42P10": 400,
    "0A000": 400,
    "01000": 400,
    "44000": 400,
    "ABCDE": 400,
    "": 400,
}


@pytest.mark.parametrize(("group", "status"), CLASSES.items())
@pytest.mark.parametrize("rest", ["000", "002", "P99", "ZZZ"])
def test_classes_of_sqlstates_have_a_status(group: str, status: int, rest: str) -> None:
    assert refuse(group + rest).status == status


@pytest.mark.parametrize(("code", "status"), CODES.items())
def test_single_sqlstates_have_a_status_of_their_own_or_none(code: str, status: int) -> None:
    assert refuse(code).status == status


@pytest.mark.parametrize(
    ("code", "message", "status"),
    [
        ("21000", "more than one row returned by a subquery used as an expression", 500),
        ("21000", "UPDATE requires a WHERE clause", 400),
        ("21000", "a WHERE clause", 500),
        ("21000", "UPDATE requires a WHERE clause, or so", 500),
        ("22023", 'role "nobody" does not exist', 401),
        ("22023", 'a role "nobody" does not exist', 400),
        ("22023", 'role "nobody" does not exist here', 400),
        ("22023", "invalid parameter value", 400),
        ("42883", "function xmlagg(text) does not exist", 406),
        ("42883", "function dlm.xmlagg(text) does not exist", 404),
        ("42883", "function st_asgeojson(dlm.location) does not exist", 404),
    ],
)
def test_some_statuses_depend_on_the_message(code: str, message: str, status: int) -> None:
    assert refuse(code, message).status == status


def test_a_missing_privilege_depends_on_who_asks() -> None:
    assert refuse("42501", authenticated=True).status == 403
    assert refuse("42501", authenticated=False).status == 401


@pytest.mark.parametrize("code", [*CODES, *(group + "000" for group in CLASSES)])
def test_nothing_else_depends_on_who_asks(code: str) -> None:
    if code != "42501":
        assert refuse(code, authenticated=False).status == refuse(code, authenticated=True).status


# Bodies and headers


def test_the_four_fields_are_postgresqls_own() -> None:
    error = refuse("23505", "duplicate key", "Key (id)=(1) already exists.", "Try another.")
    assert (error.code, error.message) == ("23505", "duplicate key")
    assert (error.details, error.hint) == ("Key (id)=(1) already exists.", "Try another.")
    assert (error.headers, error.reason) == ((), "")


def test_what_postgresql_does_not_say_is_null() -> None:
    error = refuse("22P02")
    assert (error.details, error.hint) == (None, None)


@pytest.mark.parametrize(
    ("code", "message", "challenged"),
    [
        ("42501", "permission denied for table t", True),
        ("22023", 'role "nobody" does not exist', True),
        ("PT401", "who are you", True),
        ("PT403", "not you", False),
        ("22023", "other", False),
    ],
)
def test_status_401_comes_with_a_challenge(code: str, message: str, challenged: bool) -> None:
    headers = refuse(code, message, authenticated=False).headers
    assert headers == (((b"WWW-Authenticate", b"Bearer"),) if challenged else ())


# PTxyz, reference 9.4


@pytest.mark.parametrize(
    ("code", "status"), [("PT402", 402), ("PT418", 418), ("PT999", 999), ("PT000", 0), ("PT007", 7)]
)
def test_pt_and_digits_are_a_status_with_the_message_as_its_reason(code: str, status: int) -> None:
    error = refuse(code, "Payment Required", "Quota exceeded", "Upgrade")
    assert (error.status, error.reason) == (status, "Payment Required")
    assert (error.code, error.message) == (code, "Payment Required")
    assert (error.details, error.hint) == ("Quota exceeded", "Upgrade")


@pytest.mark.parametrize("code", ["PTXYZ", "PT", "PT4O4", "PT40X", "PT-01"])
def test_pt_and_anything_else_is_an_error_of_the_server(code: str) -> None:
    error = refuse(code, "What?")
    assert (error.status, error.reason, error.code, error.message) == (500, "", code, "What?")


# SQLSTATE PGRST, reference 9.5

MESSAGE = {"code": "OBS42", "message": "Window closed", "details": "Opens at dawn", "hint": "Wait"}
DETAIL = {"status": 423, "headers": {"X-Window": "closed", "Retry-After": "3600"}, "status_text": "Shut"}


def raised(message: Any = MESSAGE, detail: Any = DETAIL) -> ApiError:
    """What is made of ``RAISE SQLSTATE 'PGRST'``; values that are not text yet are sent as JSON."""
    texts = [
        value if value is None or isinstance(value, str) else json.dumps(value) for value in (message, detail)
    ]
    return refuse("PGRST", texts[0] or "", texts[1], "ignored", authenticated=False)


def without(value: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: held for name, held in value.items() if name != key}


def test_a_raise_may_set_everything() -> None:
    error = raised()
    assert (error.code, error.message, error.details, error.hint) == tuple(MESSAGE.values())
    assert (error.status, error.reason) == (423, "Shut")
    assert error.headers == ((b"Retry-After", b"3600"), (b"X-Window", b"closed"))


def test_details_hint_and_reason_are_optional_or_null() -> None:
    for message in (
        {"code": "A", "message": "b"},
        {"code": "A", "message": "b", "details": None, "hint": None},
    ):
        for detail in ({"status": 400, "headers": {}}, {"status": 400, "headers": {}, "status_text": None}):
            error = raised(message, detail)
            assert (error.code, error.message, error.details, error.hint) == ("A", "b", None, None)
            assert (error.status, error.reason, error.headers) == (400, "", ())


def test_more_keys_are_ignored() -> None:
    error = raised({**MESSAGE, "more": [1]}, {**DETAIL, "more": None})
    assert (error.code, error.status) == ("OBS42", 423)


def test_such_an_error_is_not_challenged_by_itself() -> None:
    assert raised(MESSAGE, {"status": 401, "headers": {}}).headers == ()


def test_its_headers_follow_the_standard_ones_even_if_they_repeat_them() -> None:
    error = raised(MESSAGE, {"status": 400, "headers": {"content-type": "text/plain", "Ä": "é"}})
    assert render_error(error).headers[-2:] == (
        (b"content-type", b"text/plain"),
        ("Ä".encode(), "é".encode()),
    )


MESSAGE_HINT = (
    "MESSAGE must be a JSON object with obligatory keys: 'code', 'message' "
    "and optional keys: 'details', 'hint'."
)
DETAIL_HINT = (
    "DETAIL must be a JSON object with obligatory keys: 'status', 'headers' and optional key: 'status_text'."
)


ANY_BUT_TEXT: tuple[Any, ...] = (5, ["x"], {}, True)
NO_STATUS: tuple[Any, ...] = ("423", None, True, 4.5, [423])
NO_HEADERS: tuple[Any, ...] = (None, [], "X: y", {"X": 1}, {"X": None}, {"X": ["y"]})
NO_REASON: tuple[Any, ...] = (5, False, [])


def assert_unreadable(error: ApiError, details: str, hint: str) -> None:
    assert (error.status, error.code) == (500, "PGRST121")
    assert error.message == "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error"
    assert (error.details, error.hint, error.headers) == (details, hint, ())


@pytest.mark.parametrize(
    "message",
    ["", "not json", "{", "[]", "null", '"text"', "5", json.dumps([MESSAGE]), json.dumps(MESSAGE) + "x"]
    + [
        json.dumps(without(MESSAGE, "code")),
        json.dumps(without(MESSAGE, "message")),
        '{"code":"A","message":"b\n"}',
    ]
    + [json.dumps({**MESSAGE, key: value}) for key in MESSAGE for value in ANY_BUT_TEXT]
    + [json.dumps({**MESSAGE, key: None}) for key in ("code", "message")],
)
@pytest.mark.parametrize("detail", [json.dumps(DETAIL), None, "not json"])
def test_a_message_that_is_not_such_an_object_is_told_first(message: str, detail: str | None) -> None:
    assert_unreadable(raised(message, detail), f"Invalid JSON value for MESSAGE: '{message}'", MESSAGE_HINT)


def test_a_missing_detail() -> None:
    assert_unreadable(raised(MESSAGE, None), "DETAIL is missing in the RAISE statement", DETAIL_HINT)


@pytest.mark.parametrize(
    "detail",
    [
        "",
        "not json",
        "[]",
        "null",
        json.dumps(without(DETAIL, "status")),
        json.dumps(without(DETAIL, "headers")),
    ]
    + [json.dumps({**DETAIL, "status": value}) for value in NO_STATUS]
    + [json.dumps({**DETAIL, "headers": value}) for value in NO_HEADERS]
    + [json.dumps({**DETAIL, "status_text": value}) for value in NO_REASON],
)
def test_a_detail_that_is_not_such_an_object(detail: str) -> None:
    assert_unreadable(raised(MESSAGE, detail), f"Invalid JSON value for DETAIL: '{detail}'", DETAIL_HINT)


@pytest.mark.parametrize("status", ["423.0", "4.23e2"])
def test_a_whole_number_in_another_spelling_is_a_status(status: str) -> None:
    assert raised(MESSAGE, f'{{"status":{status},"headers":{{}}}}').status == 423


@pytest.mark.parametrize("key", ["code", "message", "details", "hint"])
def test_half_a_surrogate_pair_is_no_json_text(key: str) -> None:
    message = json.dumps({**MESSAGE, key: "\ud800"})
    assert_unreadable(raised(message), f"Invalid JSON value for MESSAGE: '{message}'", MESSAGE_HINT)


@pytest.mark.parametrize("detail", [{"X": "\udfff"}, {"\ud800": "y"}])
def test_half_a_surrogate_pair_is_no_header_either(detail: dict[str, str]) -> None:
    text = json.dumps({**DETAIL, "headers": detail})
    assert_unreadable(raised(MESSAGE, text), f"Invalid JSON value for DETAIL: '{text}'", DETAIL_HINT)


# Anything

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
_MESSAGES = st.text(max_size=10) | st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("code", "message", "details", "hint"), _JSON)
).map(json.dumps)
_DETAILS = (
    st.none()
    | st.text(max_size=10)
    | st.fixed_dictionaries({}, optional=dict.fromkeys(("status", "headers", "status_text"), _JSON)).map(
        json.dumps
    )
)


@given(st.text(max_size=5) | st.sampled_from(["PGRST", *CODES]), _MESSAGES, _DETAILS, st.booleans())
@settings(deadline=None)
def test_whatever_the_database_says_becomes_an_answer(
    code: str, message: str, detail: str | None, authenticated: bool
) -> None:
    error = refuse(code, message, detail, authenticated=authenticated)
    told = json.loads(render_error(error).body)
    assert told.keys() == ({"code", "details", "hint", "message"} if error.code else set())


@given(_JSON, _JSON)
@settings(deadline=None)
def test_whatever_is_raised_becomes_an_answer(message: Any, detail: Any) -> None:
    error = raised({**MESSAGE, "details": message}, {**DETAIL, "headers": {"X": detail}})
    assert error.code in ("OBS42", "PGRST121")


# The oracle


def _is_authenticated(exchange: RecordedExchange) -> bool:
    """Whether the recorded request's role was another than the anonymous one; the token names it."""
    claims = json.loads(exchange.request.claims or "{}")
    anonymous = options_of(exchange.variant).db_anon_role
    return bool(claims.get("role", anonymous) != anonymous)


def test_every_recorded_error_of_the_database_has_its_status_body_and_challenge() -> None:
    compared, differing = set(), {}
    for exchange in every_exchange():
        body, answer = error_of(exchange.answer), exchange.answer
        # Codes that a function of the recorded database invents in a raise of its own say nothing here.
        if body is None or len(body["code"]) != 5 or body["code"].startswith("OBS"):
            continue
        error = make_database_error(
            body["code"],
            body["message"],
            body["details"],
            body["hint"],
            authenticated=_is_authenticated(exchange),
        )
        ours = render_error(error)
        compared.add(exchange.id)
        if (
            ours.status != answer.status
            or ours.body != answer.body
            or (ours.reason and ours.reason != answer.reason)
            or any(
                ours.header(name) != answer.header(name) for name in (b"www-authenticate", b"proxy-status")
            )
        ):
            differing[exchange.id] = (answer, ours)
    assert differing == {}
    assert len(compared) > 700

"""Parsing against the oracle: every request recorded with PostgREST 14.17, and what it said to it.

Whatever our parsing refuses must have been refused with the same answer, and whatever PostgREST refused
in its own parsing must be refused here; all else must be understood.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias
from urllib.parse import unquote_to_bytes

import pytest

from proxy.engine.parse.query import canonical_query
from proxy.engine.parse.request import ApiRequest, parse_request
from proxy.errors import ApiError, render_error
from proxy.messages import Answer
from proxy.tape.format import RecordedExchange
from tests.engine.parse.recorded import error_of, every_exchange, options_of, request_of

# The codes of reference 0.3, steps 5 to 9. Bodies are read after that, and are not judged here.
PARSING = frozenset({f"PGRST{number}" for number in (100, 101, 103, 106, 114, 117, 125, 126)})
# A token is judged before the request is looked at (reference 0.2), so these hide what parsing says.
EARLIER = frozenset({f"PGRST{number}" for number in (300, 301, 302, 303)})
BODY = "PGRST102"
# Deeper than Python's default recursion limit; what is told then is decided above the parser.

Result: TypeAlias = ApiRequest | ApiError | RecursionError
Results: TypeAlias = dict[str, Result]

CONTENT_RANGE = re.compile(rb"(\d+)-(\d+)/.*")


def _parse(exchange: RecordedExchange) -> Result:
    try:
        return parse_request(request_of(exchange), options_of(exchange.variant))
    except (ApiError, RecursionError) as error:
        return error


@pytest.fixture(scope="module")
def parsed() -> Results:
    """What parsing makes of every exchange, on a fresh stack, so that depth does not depend on the runner."""
    with ThreadPoolExecutor(1) as fresh:
        return dict(
            fresh.submit(lambda: [(exchange.id, _parse(exchange)) for exchange in every_exchange()]).result()
        )


def _recorded_code(answer: Answer) -> str | None:
    """The error code that was recorded; of an answer to HEAD, which has no body, it stands in a header."""
    status = answer.header(b"proxy-status")
    return None if status is None else status.decode().rpartition("error=")[2]


def _is_from_parsing(answer: Answer) -> bool:
    error = error_of(answer)
    counted = error is not None and str(error["details"]).startswith("An offset of ")
    return _recorded_code(answer) in PARSING and not counted


def _agree(error: ApiError, exchange: RecordedExchange) -> bool:
    ours, theirs = render_error(error), exchange.answer
    same_body = exchange.request.method == "HEAD" or ours.body == theirs.body
    return (
        same_body
        and ours.status == theirs.status
        and all(
            ours.header(name) == theirs.header(name)
            for name in (b"content-type", b"content-length", b"proxy-status")
        )
    )


def test_the_recording_holds_enough_to_judge_by() -> None:
    refused = [exchange for exchange in every_exchange() if _is_from_parsing(exchange.answer)]
    reads = [exchange for exchange in refused if _recorded_code(exchange.answer) == "PGRST100"]
    assert len(every_exchange()) > 6000
    assert len(refused) >= 500
    assert len([exchange for exchange in reads if exchange.request.method == "GET"]) >= 400


def test_everything_postgrest_refused_in_parsing_is_refused_with_the_same_bytes(parsed: Results) -> None:
    differing = {}
    for exchange in every_exchange():
        result = parsed[exchange.id]
        if _is_from_parsing(exchange.answer) and not (
            isinstance(result, ApiError) and _agree(result, exchange)
        ):
            differing[exchange.id] = (exchange.answer.body, result)
    assert differing == {}


def test_nothing_else_is_refused_but_what_was_refused_for_its_token(parsed: Results) -> None:
    refused = {
        exchange.id: (exchange.answer.status, result)
        for exchange in every_exchange()
        if isinstance(result := parsed[exchange.id], ApiError)
        and result.code != BODY
        and not _is_from_parsing(exchange.answer)
        and _recorded_code(exchange.answer) not in EARLIER
    }
    assert refused == {}


def test_no_recorded_request_is_too_deep(parsed: Results) -> None:
    assert {id_ for id_, result in parsed.items() if isinstance(result, RecursionError)} == set()


def test_every_recorded_content_location_is_the_canonical_form_of_its_request() -> None:
    compared, differing = 0, {}
    for exchange in every_exchange():
        recorded = exchange.answer.header(b"content-location")
        if recorded is None:
            continue
        request = request_of(exchange)
        query = canonical_query(request.query).encode()
        ours = b"/" + unquote_to_bytes(request.path[1:]) + (b"?" + query if query else b"")
        compared += 1
        if ours != recorded:
            differing[exchange.id] = (ours, recorded)
    assert differing == {}
    assert compared > 2500


def test_every_recorded_content_range_lies_in_the_rows_that_were_asked_for(parsed: Results) -> None:
    compared, outside = 0, {}
    for exchange in every_exchange():
        match = CONTENT_RANGE.fullmatch(exchange.answer.header(b"content-range") or b"")
        result = parsed[exchange.id]
        # A function may send a Content-Range of its own making (reference 8.4).
        if match is None or not isinstance(result, ApiRequest) or result.resource != "relation":
            continue
        if result.action != "read":
            continue
        first, last = int(match[1]), int(match[2])
        compared += 1
        if first != result.rows.first or (result.rows.last is not None and last > result.rows.last):
            outside[exchange.id] = (match[0], result.rows)
    assert outside == {}
    assert compared > 2000


def test_media_types_are_listed_as_postgrest_listed_them(parsed: Results) -> None:
    compared = 0
    for exchange in every_exchange():
        error, result = error_of(exchange.answer), parsed[exchange.id]
        if error is None or error["code"] != "PGRST107":
            continue
        assert isinstance(result, ApiRequest), exchange.id
        names = ", ".join(media.name for media in result.accept)
        assert error["message"] == f"None of these media types are available: {names}", exchange.id
        compared += 1
    assert compared >= 50


def test_preferences_are_rejected_as_postgrest_rejected_them(parsed: Results) -> None:
    compared = 0
    for exchange in every_exchange():
        error, result = error_of(exchange.answer), parsed[exchange.id]
        if error is None or error["code"] != "PGRST122":
            continue
        assert isinstance(result, ApiRequest), exchange.id
        wishes = result.preferences
        assert wishes.strict, exchange.id
        # Whether a time zone exists is known to the database only; the recorded unknown ones say so.
        zoned = "timezone=" in error["details"]
        unknown = [token for token in wishes.doubtful if zoned or not token.startswith("timezone=")]
        assert error["details"] == f"Invalid preferences: {', '.join(unknown)}", exchange.id
        compared += 1
    assert compared >= 20


def test_the_schema_of_an_answer_is_the_one_that_was_chosen(parsed: Results) -> None:
    compared = 0
    for exchange in every_exchange():
        named, result = exchange.answer.header(b"content-profile"), parsed[exchange.id]
        if named is None or not isinstance(result, ApiRequest):
            continue
        assert (result.profile, result.schema.encode()) == (True, named), exchange.id
        compared += 1
    assert compared > 2500


def test_the_arguments_a_missing_function_was_called_with_are_those_we_find(parsed: Results) -> None:
    compared = 0
    for exchange in every_exchange():
        error, result = error_of(exchange.answer), parsed[exchange.id]
        if error is None or error["code"] != "PGRST202" or not isinstance(result, ApiRequest):
            continue
        if result.action != "read":
            continue
        names = sorted({name for name, _ in result.parameters.arguments})
        called = f"({', '.join(names)})" if names else " without parameters"
        assert error["message"] == (
            f"Could not find the function {result.schema}.{result.name}{called} in the schema cache"
        ), exchange.id
        compared += 1
    assert compared >= 15


def test_the_recorded_names_of_unknown_tables_are_the_names_we_route_to(parsed: Results) -> None:
    compared = 0
    for exchange in every_exchange():
        error, result = error_of(exchange.answer), parsed[exchange.id]
        if error is None or error["code"] != "PGRST205":
            continue
        assert isinstance(result, ApiRequest), exchange.id
        wanted = f"Could not find the table '{result.schema}.{result.name}' in the schema cache"
        assert error["message"] == wanted, exchange.id
        compared += 1
    assert compared >= 50

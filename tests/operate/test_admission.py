"""Who may ask the admin port for what."""

from base64 import b64encode
from collections.abc import Mapping
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from proxy.config import Operator
from proxy.operate.admission import CLOSED, OPEN, Admission, Admitted, Asked, Denied, admit, is_loopback

ADA, BOB = Operator("ada", "a-secret-of-ada-1"), Operator("bob", "a-secret-of-bob-2")
OPERATORS = (ADA, Operator("ada", "a-former-secret-3"), BOB)


def basic(name: str, password: str) -> str:
    return "Basic " + b64encode(f"{name}:{password}".encode()).decode()


def ask(
    path: str = "/status",
    method: str = "GET",
    headers: Mapping[str, str] = MappingProxyType({}),
    *,
    operators: tuple[Operator, ...] = (),
    loopback: bool = True,
) -> Admission:
    asked = Asked(method, path, CIMultiDict({"Host": "127.0.0.1:3001", **headers}))
    return admit(asked, operators, loopback=loopback)


@pytest.mark.parametrize("path", sorted(OPEN))
@pytest.mark.parametrize("operators", [(), OPERATORS])
def test_probes_and_metrics_are_open_to_all(path: str, operators: tuple[Operator, ...]) -> None:
    assert ask(path, headers={"Host": "10.0.0.7:3001"}, operators=operators, loopback=False) == Admitted()
    assert isinstance(ask(path, "POST", operators=operators, loopback=False), Denied)


@pytest.mark.parametrize(
    "path", ["/", "/status", "/metrics/", "/live/x", "/console", "/engine/live", "/tape"]
)
def test_where_others_can_reach_it_and_nobody_is_named_all_else_is_closed(path: str) -> None:
    assert ask(path, loopback=False) == Denied(403, CLOSED)


@pytest.mark.parametrize(
    ("header", "value", "operator"),
    [
        ("Authorization", "Bearer a-secret-of-ada-1", "ada"),
        ("Authorization", "bearer a-former-secret-3", "ada"),
        ("Authorization", basic("bob", "a-secret-of-bob-2"), "bob"),
        ("Authorization", basic("ada", "a-former-secret-3"), "ada"),
        ("X-Operator-Secret", "a-secret-of-bob-2", "bob"),
    ],
)
@pytest.mark.parametrize("loopback", [True, False])
def test_an_operator_is_known_by_the_secret(header: str, value: str, operator: str, loopback: bool) -> None:
    named = {header: value, "Host": "console.example.org"}
    assert ask(headers=named, operators=OPERATORS, loopback=loopback) == Admitted(operator, header)


@pytest.mark.parametrize(
    "value",
    [
        *("", "Bearer", "Bearer ", "Bearer wrong", "Basic", "Basic %%%", "Basic YWRh", "Digest x"),
        *("Bearer a-secret-of-ada-1x", "a-secret-of-ada-1", basic("ada", ""), basic("", "")),
        # Another's name, another's secret.
        *(basic("ada", "a-secret-of-bob-2"), basic("mallory", "a-secret-of-ada-1"), "Bearer \udcff"),
        "Basic " + b64encode(b"\xff:\xff").decode(),
    ],
)
def test_nobody_else_is_an_operator_not_even_on_loopback(value: str) -> None:
    denied = ask(headers={"Authorization": value}, operators=OPERATORS)
    assert isinstance(denied, Denied)
    assert denied.status == 401


@given(st.text(), st.text())
def test_what_is_sent_never_raises(value: str, host: str) -> None:
    assert isinstance(
        ask(headers={"Authorization": value, "Host": host, "Origin": value}, operators=OPERATORS), Denied
    )
    ask(headers={"Host": host, "Origin": value, "Sec-Fetch-Site": value})


@pytest.mark.parametrize(
    "host", ["127.0.0.1:3001", "localhost:3001", "LOCALHOST", "[::1]:3001", "127.0.0.53"]
)
def test_on_loopback_it_is_asked_by_a_name_of_this_machine(host: str) -> None:
    assert ask(headers={"Host": host}) == Admitted()


@pytest.mark.parametrize(
    "host", ["evil.example:3001", "127.0.0.1.evil.example", "", "10.0.0.1", "localhost.evil", "[::1", "a b"]
)
def test_a_name_that_somebody_has_pointed_here_is_refused(host: str) -> None:
    denied = ask(headers={"Host": host})
    assert isinstance(denied, Denied)
    assert denied.status == 421


FOREIGN = (
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:9999"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Origin": "http://127.0.0.1:3001"},
)


@pytest.mark.parametrize("marks", FOREIGN)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("path", ["/tape", "/pause", "/console/rearm"])
def test_another_sites_page_is_refused_whoever_reads_it(
    marks: dict[str, str], method: str, path: str
) -> None:
    for operators, value in (((), ""), (OPERATORS, basic("ada", ADA.secret))):
        denied = ask(path, method, {"Authorization": value, **marks}, operators=operators)
        assert denied == Denied(403, "another site's page has sent this")


def test_a_link_from_elsewhere_may_be_followed_but_not_sent_as_a_form() -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert ask("/console", headers=link) == Admitted()
    assert isinstance(ask("/console/rearm", "POST", link), Denied)


OWN = (
    {"Origin": "http://127.0.0.1:3001"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Origin": "https://127.0.0.1:3001"},
)


@pytest.mark.parametrize("marks", OWN)
def test_of_our_own_pages_only_the_forms_of_the_console_change_something(marks: dict[str, str]) -> None:
    assert ask("/console/rearm", "POST", marks) == Admitted()
    assert ask("/console/tables", "GET", marks) == Admitted()
    for path in ("/holds/storage/rearm", "/pause", "/consolex", "/"):
        assert ask(path, "POST", marks) == Denied(403, "no page may send this")


def test_a_program_may_change_something() -> None:
    assert ask("/pause", "POST") == Admitted()
    assert ask("/pause", "POST", {"Authorization": f"Bearer {BOB.secret}"}, operators=OPERATORS) == Admitted(
        "bob", "Authorization"
    )


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *(("127.0.0.1", True), ("::1", True), ("localhost", True), ("127.1.2.3", True), ("localhost.", True)),
        *(("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("example.org", False), ("", False)),
    ],
)
def test_loopback_is_this_machine_alone(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback

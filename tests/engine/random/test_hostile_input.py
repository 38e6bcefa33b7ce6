"""Requests made to hurt: the work they cause grows no faster than they do, and they get a clear answer."""

import cProfile
import json
from collections.abc import Callable

import pytest

from proxy.messages import Answer, Request
from tests.engine.random.world import World, encode

PLAN = "application/vnd.pgrst.plan"

HOSTILE: dict[str, tuple[Callable[[int], str], int, set[int]]] = {
    "nested logic": (lambda n: "or=" + "(and" * n + "(id.eq.1)" + ")" * n, 500, {200, 400}),
    "unclosed logic": (lambda n: "or=" + "(not.and" * n, 500, {400}),
    "many filters": (lambda n: "&".join(["id=gt.0"] * n), 1000, {200, 400}),
    "many logic members": (lambda n: "or=(" + ",".join(["id.eq.1"] * n) + ")", 2000, {200, 400}),
    "a long list": (lambda n: "id=in.(" + ",".join(map(str, range(n))) + ")", 10_000, {200}),
    "a long unclosed list": (lambda n: "id=in.(" + ",".join(map(str, range(n))), 10_000, {400}),
    "a long value": (lambda n: "label=eq." + "x" * n, 60_000, {200}),
    "a long name": (lambda n: "x" * n + "=eq.1", 60_000, {400}),
    "a long select": (lambda n: "select=" + ",".join(["id"] * n), 1500, {200, 400, 500}),
    "nested embeds": (lambda n: "select=" + "lone(" * n + "id" + ")" * n, 500, {400}),
    "unclosed embeds": (lambda n: "select=" + "lone(" * n, 2000, {400}),
    "a long order": (lambda n: "order=" + ",".join(["id"] * n), 1500, {200, 400}),
    "a long JSON path": (lambda n: "label" + "->a" * n + "=eq.1", 1500, {200, 400, 404}),
    "many quotes": (lambda n: "label=in.(" + '"' * n + ")", 20_000, {400, 200}),
    "many backslashes": (lambda n: 'label=in.("' + "\\" * n + '")', 20_000, {200, 400}),
    "many dots": (lambda n: "a." * n + "b=eq.1", 5000, {400}),
    "many ampersands": (lambda n: "&" * n, 60_000, {200, 400}),
    "many nots": (lambda n: "id=" + "not." * n + "eq.1", 10_000, {400}),
    "many spaces": (lambda n: "select=" + "%20" * n + "id", 20_000, {200, 400}),
    "many unknown parameters": (lambda n: "&".join(f"p{m}=eq.1" for m in range(n)), 1000, {400}),
    "many embeds": (lambda n: "select=" + ",".join(f"e{m}:lone(id)" for m in range(n)), 2000, {400}),
    "many limits": (lambda n: "&".join(f"a{m}.limit=1" for m in range(n)), 2000, {400}),
}


def ask(world: World, query: str) -> Answer:
    return world.send(Request("GET", f"/lone?{query}".encode()))


def count_calls(world: World, query: str) -> int:
    """How many calls, of Python's functions and of C's, the answer takes with nothing remembered."""
    world.forget()
    profile = cProfile.Profile()
    profile.runcall(ask, world, query)
    return sum(entry.callcount for entry in profile.getstats())


@pytest.mark.parametrize("kind", HOSTILE)
def test_twice_the_input_takes_no_more_than_about_twice_the_work(observatory: World, kind: str) -> None:
    make, size, _ = HOSTILE[kind]
    ask(observatory, make(3))
    half, whole = count_calls(observatory, make(size // 2)), count_calls(observatory, make(size))
    assert whole < 3 * half
    assert whole < 6_000_000


@pytest.mark.parametrize("kind", HOSTILE)
def test_the_answer_is_clear(observatory: World, kind: str) -> None:
    make, size, statuses = HOSTILE[kind]
    answered = ask(observatory, make(size))
    assert answered.status in statuses, answered
    if answered.status >= 300:
        assert json.loads(answered.body).keys() == {"code", "details", "hint", "message"}


@pytest.mark.parametrize(
    "target",
    [
        b"/lone?id=eq.%00",
        b"/lone?label=eq.a%00b",
        b"/lone?%00=eq.1",
        b"/lone?select=%00",
        b"/lone?select=a%00b:id",
        b"/lone?select=id::%00",
        b"/lone?order=%00",
        b"/lo%00ne",
        b"/lone?label=in.(%00,a)",
        b"/lone?or=(label.eq.%00)",
        b"/lone?label->%00=eq.1",
        b"/rpc/greet?name=%00",
        b"/rpc/%00?name=a",
        b"/lone?label=fts(%00).a",
        b"/lone?label=like.%00*",
    ],
)
def test_a_nul_is_answered_with_a_clear_4xx_or_as_if_the_text_ended_there(
    observatory: World, target: bytes
) -> None:
    answered = observatory.get(target)
    assert answered.status == 200 or 400 <= answered.status < 500


@pytest.mark.parametrize("path", ["/{}", "/rpc/{}"])
def test_a_name_longer_than_any_is_compared_with_none(observatory: World, path: str) -> None:
    def count(size: int) -> int:
        profile = cProfile.Profile()
        profile.runcall(observatory.get, path.format("storage_" * size))
        return sum(entry.callcount for entry in profile.getstats())

    observatory.get(path.format("x"))
    half, whole = count(1000), count(2000)
    assert whole < 3 * half


def test_more_resources_than_can_be_joined_are_refused_and_as_many_as_can_are_not(harbour: World) -> None:
    def ask(count: int) -> Answer:
        embeds = ",".join(f"p{number}:port(title)" for number in range(count))
        return harbour.get(f"/vessel?select=vessel_id,{embeds}&vessel_id=eq.1", ("Accept", PLAN))

    assert ask(100).status == 200
    refused = ask(257)
    assert (refused.status, json.loads(refused.body)["code"]) == (400, "PGRST100")
    assert json.loads(refused.body)["message"] == "The request embeds more than 256 resources"


@pytest.mark.parametrize("body", [b"who=\xff", b"who=%ff", b"wh%fo=x&\xff=1"])
def test_a_form_that_is_no_utf_8_is_the_clients_error(harbour: World, body: bytes) -> None:
    headers = encode(("Content-Type", "application/x-www-form-urlencoded"))
    answered = harbour.send(Request("POST", b"/rpc/hello", headers, body))
    assert (answered.status, json.loads(answered.body)["code"]) == (400, "PGRST102")


@pytest.mark.parametrize("crumb", [b"%FF", b"%C3%28", b"%ED%A0%80", b"%F4%90%80%80", b"%C0%80", b"\xff"])
@pytest.mark.parametrize(
    "target", [b"/lone?label=eq.@", b"/lone?@=eq.1", b"/lone?select=@", b"/@", b"/rpc/greet?name=@"]
)
def test_invalid_utf_8_is_the_clients_error(observatory: World, target: bytes, crumb: bytes) -> None:
    answered = observatory.get(target.replace(b"@", crumb))
    assert 400 <= answered.status < 500
    assert json.loads(answered.body)["code"].startswith("PGRST")

"""Text that a client may put anywhere stays text, and a role stays what its token says."""

import asyncio
import base64
import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from proxy.config import EngineConfig
from proxy.database.answer import answer
from proxy.database.snapshot import EngineSnapshot
from proxy.engine.auth.claims import identify
from proxy.errors import ApiError
from proxy.messages import Answer, Headers, Request
from tests.attack.conftest import Vault
from tests.engine.random.world import World, open_world

SECRET = "the secret of the vault, of more than 64 bytes so that it will do for every hash"
MARK = "zqmark"
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_CAST = re.compile(r" AS \w+(?=\))")
HIDDEN = (b"TOPSECRET", b"GOLDBARS", b"CLERKSNOTE")

OUT = "zqout"
"""What stands in a statement outside of names as soon as an injection has got out of its place."""

INJECTIONS = (
    f"{MARK}' OR {OUT} '1'='1",
    f'{MARK}" OR {OUT} "1"="1',
    f"{MARK}'; DROP TABLE {OUT}; --",
    f"{MARK}\\'; DROP TABLE {OUT}; --",
    f'{MARK}"; DROP TABLE {OUT}; --',
    f"{MARK}$$; DROP TABLE {OUT}; $$",
    f"{MARK}') UNION SELECT code FROM {OUT} --",
    f"{MARK}*/ DROP TABLE {OUT} /*",
    f"{MARK}::text) FROM {OUT} --",
    f"{MARK}\u02bc OR {OUT}=1",
    f"{MARK}\\{OUT}",
    f"{MARK}%s $1 :name {{0}} {OUT}",
    f"{MARK}\n; SELECT {OUT}",
    f"{MARK}\x00'; DROP TABLE {OUT}",
)
POSITIONS = (
    *("/@", "/rpc/@", "/item?@=eq.1", "/item?select=@", "/item?select=@:label", "/item?select=label::@"),
    *(
        "/item?select=attributes->@",
        "/item?select=attributes->>@",
        "/item?select=secret(@)",
        "/item?select=@(id)",
    ),
    *("/item?select=secret!@(id)", "/item?select=label.@()", '/item?select="@"', "/item?select=...@(id)"),
    *(
        "/item?label=eq.@",
        "/item?label=@.1",
        "/item?label=in.(@)",
        '/item?label=in.("@")',
        "/item?label=like.@",
    ),
    *("/item?label=fts(@).a", "/item?label=fts.@", "/item?label=is.@", "/item?label=like(any).{@}"),
    *("/item?attributes=cs.@", "/item?attributes->@=eq.1", "/item?attributes->>colour=eq.@", "/item?id=eq.@"),
    *("/item?or=(label.eq.@,id.eq.1)", "/item?or=(@.eq.1)", "/item?and=(id.@.1)", "/item?not.or=(a.in.(@))"),
    *("/item?order=@", "/item?order=label.@", "/item?order=attributes->@", "/item?order=secret(@)"),
    *("/item?limit=@", "/item?offset=@", "/item?secret.limit=@", "/item?@.order=id", "/item?columns=@"),
    *("/rpc/echo?given=@", "/rpc/echo?@=1", "/rpc/echo?given=a&select=@", "/rpc/echo?given=a&order=@"),
)
HEADER_POSITIONS: tuple[Headers, ...] = (
    ((b"Prefer", b"timezone=@"),),
    ((b"Prefer", b"count=@"),),
    ((b"Range", b"@"),),
    ((b"Accept", b"@"),),
    ((b"Accept", b'application/vnd.pgrst.plan; for="@"; options=@'),),
    ((b"Accept-Profile", b"@"),),
    ((b"Cookie", b"@=@; a=@"),),
    ((b"@", b"a"),),
    ((b"X-Any", b"@"),),
    ((b"Authorization", b"Bearer @"),),
    ((b"Authorization", b"@"),),
)
BODIES = (
    ("POST", "/item", "application/json", '{"id":1000,"label":%s}'),
    ("POST", "/item", "application/json", '[{"id":1001,%s:1}]'),
    ("POST", "/item?columns=id,label", "application/json", '[{"id":1002,"label":%s}]'),
    ("POST", "/item?on_conflict=@", "application/json", '{"id":1003}'),
    ("POST", "/item?columns=@", "application/json", '{"id":1004}'),
    ("POST", "/item", "text/csv", "id,label\n1005,@\n"),
    ("POST", "/item", "text/csv", "id,@\n1006,a\n"),
    ("POST", "/item", "application/x-www-form-urlencoded", "id=1007&label=@"),
    ("PATCH", "/item?label=eq.@", "application/json", '{"label":%s}'),
    (
        "PUT",
        "/item?id=eq.1008",
        "application/json",
        '{"id":1008,"label":%s,"attributes":{},"made":null,"owner_id":1}',
    ),
    ("DELETE", "/item?label=eq.@", "application/json", ""),
    ("POST", "/rpc/echo", "application/json", '{"given":%s}'),
    ("POST", "/rpc/echo", "application/json", '{"given":"a",%s:1}'),
    ("POST", "/rpc/echo", "application/x-www-form-urlencoded", "given=@"),
    ("POST", "/rpc/echo", "text/plain", "@"),
)


@pytest.fixture(scope="module")
def world(vault: Vault) -> Iterator[World]:
    options = EngineConfig(
        db_uri=vault.login,
        db_schemas=("vault",),
        db_anon_role="vault_guest",
        db_plan_enabled=True,
        db_aggregates_enabled=True,
        jwt_secret=SECRET,
        db_tx_end="rollback",
    )
    with open_world("vault", options, read_only=False) as world:
        yield world


def sign(role: str, **claims: Any) -> Headers:
    token = jwt.encode({"role": role, **claims}, SECRET, algorithm="HS256")
    return ((b"Authorization", b"Bearer " + token.encode()),)


def assert_harmless(world: World, answered: Answer, injected: str) -> None:
    """No value in any SQL, no SQL in the answer, nothing hidden in it.

    Names that the client chose are there as quoted identifiers, and a type to cast to is a bare word.
    """
    for sql in world.texts:
        bare = _CAST.sub("", _QUOTED.sub("", sql))
        assert OUT not in bare, (injected, sql)
        assert MARK not in bare, (injected, sql)
    assert answered.status < 500 or json.loads(answered.body)["code"] in ("PGRST121", "PGRST003"), answered
    assert not any(word in answered.body for word in (b"WITH pgrst_", b"SELECT pgrst", b"set_config(")), (
        answered
    )
    assert not any(secret in answered.body for secret in HIDDEN), answered
    world.texts.clear()


@pytest.mark.parametrize("position", POSITIONS)
def test_what_stands_in_a_target_is_never_sql(world: World, position: str) -> None:
    world.texts.clear()
    for injected in INJECTIONS:
        answered = world.get(position.replace("@", quote(injected, safe="")))
        assert_harmless(world, answered, injected)
    assert world.rows("/item?select=label") == [{"label": "lamp"}]


def test_what_stands_in_headers_is_never_sql(world: World) -> None:
    for headers in HEADER_POSITIONS:
        for injected in INJECTIONS:
            raw = injected.encode()
            sent = tuple((name.replace(b"@", raw), value.replace(b"@", raw)) for name, value in headers)
            world.texts.clear()
            assert_harmless(world, world.send(Request("GET", b"/item", sent)), injected)


def test_what_stands_in_claims_is_never_sql(world: World) -> None:
    for injected in INJECTIONS:
        world.texts.clear()
        clerk = world.send(Request("GET", b"/item", sign("vault_clerk", **{injected: injected})))
        assert clerk.status == (200 if "\0" not in injected else clerk.status), clerk
        assert_harmless(world, clerk, injected)
        answered = world.send(Request("GET", b"/item", sign(injected)))
        assert answered.status in (400, 401, 403), answered
        assert_harmless(world, answered, injected)


@pytest.mark.parametrize(("method", "target", "kind", "body"), BODIES)
def test_what_stands_in_a_body_is_never_sql(
    world: World, method: str, target: str, kind: str, body: str
) -> None:
    for injected in INJECTIONS:
        text = injected
        if kind == "text/csv":
            text = '"' + injected.replace('"', '""') + '"'
        elif "form" in kind:
            text = quote(injected, safe="")
        content = body.replace("%s", json.dumps(injected)).replace("@", text)
        headers = ((b"Content-Type", kind.encode()), (b"Prefer", b"return=representation"))
        world.texts.clear()
        sent = target.replace("@", quote(injected, safe="")).encode()
        assert_harmless(world, world.send(Request(method, sent, headers, content.encode())), injected)
    assert world.rows("/item?select=label") == [{"label": "lamp"}]


# Roles


def whoami(world: World, headers: Headers = (), path: bytes = b"/rpc/whoami") -> dict[str, Any]:
    answered = world.send(Request("GET", path, headers))
    assert answered.status == 200, answered
    found: dict[str, Any] = json.loads(answered.body)
    return found


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def unsigned(header: dict[str, Any], claims: dict[str, Any], signature: str = "") -> bytes:
    return f"{segment(header)}.{segment(claims)}.{signature}".encode()


def test_a_token_that_nobody_signed_gives_no_role(world: World) -> None:
    claims = {"role": "vault_clerk"}
    good = jwt.encode(claims, SECRET, algorithm="HS256").encode()
    head, payload, signature = good.split(b".")
    forged = [
        *(
            unsigned({"alg": alg, "typ": "JWT"}, claims)
            for alg in ("none", "None", "NONE", "nOnE", "", "HS256", None)
        ),
        unsigned({"alg": "HS256", "kid": "../../../dev/null"}, claims, "AAAA"),
        unsigned({"alg": "HS256", "kid": "' OR 1=1 --"}, claims, "AAAA"),
        unsigned(
            {"alg": "HS256", "jku": "http://127.0.0.1/keys", "jwk": {"kty": "oct", "k": "AAAA"}},
            claims,
            "AAAA",
        ),
        *(
            jwt.encode(claims, key, algorithm="HS256").encode()
            for key in ("s" * 32, SECRET[:-1], SECRET + " ")
        ),
        *(jwt.encode(claims, SECRET, algorithm=alg).encode() for alg in ("HS384", "HS512")),
        *(
            head + b"." + segment({"role": "vault_owner"}).encode() + b"." + signature,
            head + b"." + payload + b".",
        ),
        *(good + b"x", good[:-2], good + b"." + signature, good.replace(b".", b"..", 1)),
        head + b"." + payload + b"." + signature[::-1],
        b"a" * 60_000,
        b"." * 60_000,
    ]
    for token in forged:
        answered = world.send(Request("GET", b"/rpc/whoami", ((b"Authorization", b"Bearer " + token),)))
        assert answered.status == 401, (token[:200], answered)
    assert whoami(world, sign("vault_clerk"))["user"] == "vault_clerk"


def test_a_public_key_is_no_secret() -> None:
    """Key confusion: a token signed by HMAC with the text of the public key that everybody knows."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key()))
    pem = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    claims = {"role": "admin"}
    good = jwt.encode(claims, private, algorithm="RS256").encode()
    key_texts = [pem, pem.strip(), json.dumps(jwk).encode(), jwk["n"].encode()]
    for compat in ("12", "13", "14"):
        for secret in (
            json.dumps(jwk),
            json.dumps({"keys": [jwk]}),
            json.dumps({"keys": [{**jwk, "alg": "RS256"}]}),
        ):
            options = EngineConfig(jwt_secret=secret, db_anon_role="anon", compat=compat)

            def ask(token: bytes, options: EngineConfig = options) -> str:
                sent = Request("GET", b"/", ((b"Authorization", b"Bearer " + token),))
                return identify(sent, options, time.time()).role

            assert ask(good) == "admin"
            for text in key_texts:
                for algorithm in ("HS256", "HS384", "HS512"):
                    head = segment({"alg": algorithm, "typ": "JWT"})
                    message = f"{head}.{segment(claims)}".encode()
                    digest = jwt.algorithms.HMACAlgorithm(
                        {
                            "HS256": jwt.algorithms.HMACAlgorithm.SHA256,
                            "HS384": jwt.algorithms.HMACAlgorithm.SHA384,
                        }.get(algorithm, jwt.algorithms.HMACAlgorithm.SHA512)
                    ).sign(message, text)
                    token = message + b"." + base64.urlsafe_b64encode(digest).rstrip(b"=")
                    with pytest.raises(ApiError):
                        ask(token)


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"exp": 1}, 401),
        ({"exp": 2**62}, 200),
        ({"nbf": 2**40}, 401),
        ({"iat": 2**40}, 401),
        ({"exp": "9999999999"}, 401),
        ({"exp": [9999999999]}, 401),
        ({"aud": "others"}, 401),
        ({"aud": ["others", "more"]}, 401),
        ({"aud": ["vault"]}, 200),
        ({"aud": {"vault": 1}}, 401),
    ],
)
def test_a_token_counts_when_and_where_it_says(world: World, claims: dict[str, Any], status: int) -> None:
    options = replace(world.options, jwt_aud="vault")
    there = replace(world, options=options)
    assert there.send(Request("GET", b"/rpc/whoami", sign("vault_clerk", **claims))).status == status


@pytest.mark.parametrize(
    "role",
    [
        "vault_owner",
        "vault_login ",
        "postgres",
        "pg_read_all_data",
        "",
        "vault_clerk, postgres",
        '"postgres"',
    ],
)
def test_a_role_that_was_not_granted_is_refused(world: World, role: str) -> None:
    assert world.send(Request("GET", b"/rpc/whoami", sign(role))).status in (400, 401, 403)


@pytest.mark.parametrize("role", [None, 1, True, ["vault_clerk"], {"role": "vault_clerk"}, ["postgres"]])
def test_a_role_that_is_no_text_is_never_one_of_its_parts(world: World, role: Any) -> None:
    answered = world.send(Request("GET", b"/rpc/whoami", sign(role)))
    assert answered.status in (400, 401, 403), answered


def test_a_role_is_read_where_it_is_configured_and_nowhere_else(world: World) -> None:
    options = replace(world.options, jwt_role_claim_key='.realm.roles[?(@ ^== "vault_")]')
    there = replace(world, options=options)
    assert whoami(there, sign("vault_clerk"))["user"] == "vault_guest"
    roles = {"realm": {"roles": ["x", "vault_clerk"], "role": "vault_owner"}}
    assert whoami(there, sign("vault_owner", **roles))["user"] == "vault_clerk"
    assert whoami(there, sign("x", realm={"roles": "vault_clerk"}))["user"] == "vault_guest"


def test_what_a_role_may_not_see_it_does_not_see_by_any_way(world: World) -> None:
    ways = [
        *(
            "/secret",
            "/secret_view",
            "/item?select=*,secret(*)",
            "/item?select=*,...secret(code)",
            "/treasure",
        ),
        *(
            "/item?select=*,treasure(*)",
            "/item?secret.code=eq.TOPSECRET&select=*,secret(id)",
            "/hidden.treasure",
        ),
        *("/item?select=secret(count)", "/item?order=secret(code)&select=*,secret(code)", "/mine?select=*"),
        *(
            "/my_view",
            "/mine?or=(owner.eq.vault_clerk,id.gt.0)",
            "/rpc/owners_only",
            "/pg_roles",
            "/pg_authid",
        ),
        *("/item?select=*,secret!inner(id)&secret.code=like.T*", "/rpc/pg_read_file?filename=PG_VERSION"),
        *("/item?select=secret(secret_code:code)", "/rpc/set_config?setting_name=role&new_value=postgres"),
    ]
    for way in ways:
        for headers in ((), ((b"Accept-Profile", b"hidden"),), ((b"Accept-Profile", b"pg_catalog"),)):
            answered = world.send(Request("GET", way.encode(), headers))
            assert not any(secret in answered.body for secret in HIDDEN), (way, answered)
            if "secret" in way:
                assert answered.status in (400, 401, 403, 404, 406), (way, answered)
    clerk = world.send(Request("GET", b"/item?select=secret(code)", sign("vault_clerk")))
    assert json.loads(clerk.body) == [{"secret": [{"code": "TOPSECRET"}]}]
    assert b"CLERKSNOTE" in world.send(Request("GET", b"/mine", sign("vault_clerk"))).body


def test_nothing_of_one_request_is_there_in_the_next_on_the_same_connection(world: World) -> None:
    """All requests of a world have one connection; ``plain`` is what an anonymous one finds on it."""
    plain = whoami(world)
    assert (plain["user"], plain["cookies"]) == ("vault_guest", "{}")
    told = sign("vault_clerk", mark=MARK)
    loud = (*told, (b"Cookie", b"a=zqmark"), (b"X-Mark", b"zqmark"), (b"Prefer", b"timezone=Asia/Tokyo"))
    assert "zqmark" in str(whoami(world, loud))
    assert whoami(world, loud)["timeout"] == "7s"
    assert whoami(world) == plain
    failing: list[Request] = [
        Request("GET", b"/rpc/whoami", sign("vault_owner")),
        Request("GET", b"/item?id=eq.zqmark", loud),
        Request("GET", b"/rpc/attempt?what=zqmark", loud),
        Request(
            "POST", b"/item", (*loud, (b"Content-Type", b"application/json")), b'{"id":1,"label":"zqmark"}'
        ),
        Request("POST", b"/rpc/attempt", loud, b'{"what":"commit"}'),
    ]
    for request in failing:
        assert world.send(request).status >= 400, request
        assert whoami(world) == plain, request
    state = "SELECT current_user::text, current_setting('request.jwt.claims', true)"
    found = world.runner.run(world.first.run(lambda connection: connection.fetchrow(state)))
    assert tuple(found) == ("vault_login", "")


def test_requests_at_the_same_time_keep_their_roles_apart(world: World) -> None:
    async def ask(number: int) -> tuple[str, str]:
        role = ("vault_guest", "vault_clerk")[number % 2]
        request = Request("GET", b"/rpc/whoami", sign(role, number=number))
        answered = await answer(request, EngineSnapshot(world.options, world.schema), world.first)
        found = json.loads(answered.body)
        return f"{role}/{number}", f"{found['user']}/{json.loads(found['claims'])['number']}"

    async def ask_all() -> list[tuple[str, str]]:
        return await asyncio.gather(*map(ask, range(60)))

    assert [got for wanted, got in world.runner.run(ask_all()) if got != wanted] == []

"""A secret that was planted anywhere in an exchange is nowhere in what is kept of it."""

import gzip
import json
import time
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config import RedactConfig
from proxy.difference import Difference
from proxy.messages import Answer, Headers, Request
from proxy.shadow.compare import compare
from proxy.shadow.redaction.exchange import Redacted, redact_exchange
from proxy.shadow.redaction.secrets import Redaction, make_redaction

COLUMN = Redaction(frozenset({"config"}))
JSON = ((b"Content-Type", b"application/json; charset=utf-8"),)
CSV = ((b"Content-Type", b"text/csv; charset=utf-8"),)
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYWRtaW4ifQ.c2lnbmF0dXJl"

SECRETS = st.text(
    st.characters(codec="utf-8", exclude_characters='"\\', exclude_categories=("C", "Z")),
    min_size=6,
    max_size=30,
).map(lambda text: f"s{text}x")
"""Values without what their surroundings would spell otherwise; those are tested one by one."""


def ask(query: str = "", headers: Headers = (), body: bytes = b"") -> Request:
    return Request("GET", b"/storage_config" + (b"?" + query.encode() if query else b""), headers, body)


def told(redacted: Redacted) -> str:
    """Everything that is kept, in every spelling that a reader would see through."""
    return "\n".join(
        text
        for request in (redacted.request,)
        for text in (
            repr(request),
            request.target.decode("utf-8", "replace"),
            *(repr(answer) for answer in redacted.answers),
            *(answer.body.decode("utf-8", "replace") for answer in redacted.answers),
            *(_loaded(answer.body) for answer in redacted.answers),
            *(f"{one.path} {one.upstream} {one.engine}" for one in redacted.differences),
        )
    )


def _loaded(body: bytes) -> str:
    try:
        return repr(json.loads(body))
    except ValueError:
        return ""


@st.composite
def leaky_exchanges(draw: st.DrawFn) -> tuple[str, Request, list[Answer], list[Difference]]:
    """An exchange that holds one secret in one or several places, and what a comparison says of it."""
    secret = draw(SECRETS)
    coded = quote(secret, safe="")
    query = draw(
        st.sampled_from(
            [
                "select=*",
                "select=uid,c:config",
                'select="odd":config,uid',
                "select=uid,parts:storage_config(other:config->a)",
                f"config=eq.{coded}",
                f"storage_config.config=neq.{coded}&select=*,storage_config(*)",
                f"config->>key=like.*{coded}*",
                f"and=(uid.eq.1,config.eq.{coded})",
                f'or=(uid.eq.1,not.and(config.in.("{coded}",b),uid.gt.3))',
                f"config=in.(1,{coded})",
                f"apikey={coded}&limit=1",
                f"user_password={coded}",
            ]
        )
    )
    headers = draw(
        st.lists(
            st.sampled_from(
                [
                    (b"Authorization", f"Bearer {secret}".encode()),
                    (b"Cookie", f"session={secret}; theme=dark".encode()),
                    (b"apikey", secret.encode()),
                    (b"X-Api-Key", secret.encode()),
                    (b"Accept", b"application/json"),
                ]
            ),
            max_size=2,
        )
    )
    names = ["config", "c", "odd", "other", "a", "key", "password", "api_key"]
    hidden = draw(st.sampled_from(["config", "password", "api_key", "refresh_token"]))
    inner: Any = draw(
        st.sampled_from([secret, [secret], {"deep": {"deeper": secret}}, {"n": 1, "s": secret}])
    )
    rows = [
        {"uid": 1, hidden: inner},
        {"uid": 2, "nested": [{hidden: inner}], "note": f"uses {secret} twice"},
    ]
    wrong = draw(
        st.sampled_from(
            [
                [{"uid": 1, "other": inner}, *rows[1:]],
                [{"uid": 1, hidden: "short"}, *rows[1:]],
                rows[:1],
                [{"uid": 7, hidden: inner}, *rows[1:]],
            ]
        )
    )
    upstream, engine = (Answer(200, JSON, json.dumps(body).encode()) for body in (rows, wrong))
    if draw(st.booleans()):
        engine = Answer(200, JSON, json.dumps(wrong, ensure_ascii=False).encode())
    if draw(st.integers(0, 3)) == 0:
        kinds = st.sampled_from([(), ((b"Content-Type", b"text/plain"),), ((b"Content-Encoding", b"br"),)])
        upstream, engine = (answer._replace(headers=draw(kinds)) for answer in (upstream, engine))
    if draw(st.booleans()):
        upstream = upstream._replace(
            headers=(*upstream.headers, (b"Set-Cookie", f"id={secret}; Path=/".encode()))
        )
    if draw(st.booleans()):
        location = f"/storage_config?config=eq.{coded}".encode()
        engine = engine._replace(headers=(*engine.headers, (b"Content-Location", location)))
    request = ask(query, tuple(headers))
    del names
    return secret, request, [upstream, engine], list(compare(request, upstream, engine).differences)


@given(leaky_exchanges())
def test_a_planted_secret_never_appears(case: tuple[str, Request, list[Answer], list[Difference]]) -> None:
    secret, request, answers, differences = case
    kept = redact_exchange(COLUMN, request, answers, differences)
    assert secret not in told(kept)
    assert [answer.status for answer in kept.answers] == [answer.status for answer in answers]
    assert len(kept.differences) == len(differences)


@given(leaky_exchanges())
def test_redacting_twice_changes_nothing_more(
    case: tuple[str, Request, list[Answer], list[Difference]],
) -> None:
    _, request, answers, differences = case
    once = redact_exchange(COLUMN, request, answers, differences)
    twice = redact_exchange(COLUMN, once.request, once.answers, once.differences)
    assert (twice.request, twice.answers, twice.differences) == (
        once.request,
        once.answers,
        once.differences,
    )


@given(
    st.binary(max_size=200),
    st.binary(max_size=200),
    st.sampled_from([JSON, CSV, (), ((b"Content-Type", b"text/plain"), (b"Content-Encoding", b"gzip"))]),
    st.sampled_from([200, 400]),
)
def test_anything_can_be_redacted(target: bytes, body: bytes, headers: Headers, status: int) -> None:
    request = Request("GET", b"/a?" + target, headers, body)
    redact_exchange(COLUMN, request, [Answer(status, headers, body)], [Difference("body", "@1", "a", "b")])


PLAIN = (
    Answer(200, JSON, b'[{"uid":1.10,"uri":"x", "uid":2}, \n {"uid":null}]'),
    Answer(200, CSV, b'uid,uri\n1,"a ""quoted"" text"\n'),
    Answer(404, JSON, b'{"code":"PGRST205","details":null,"hint":null,"message":"Could not find \\"x\\""}'),
    Answer(200, ((b"Content-Type", b"application/octet-stream"),), b"\x00\xff"),
)


@pytest.mark.parametrize("answer", PLAIN)
def test_what_holds_no_secret_keeps_its_bytes(answer: Answer) -> None:
    request = ask("uri=eq.abc%20def&select=uid,a:uri&order=uid&or=(a.eq.1,b.is.null)", ((b"Accept", b"*/*"),))
    difference = Difference("body", "$[0].uri", '"x…', '{"y":1}')
    kept = redact_exchange(COLUMN, request, [answer], [difference])
    assert (kept.request, kept.answers, kept.differences) == (request, (answer,), (difference,))
    assert (kept.askable, kept.whole) == (True, True)


@pytest.mark.parametrize("count", [3, 500])
def test_many_values_are_found_elsewhere_as_few_are(count: int) -> None:
    secrets = [f"s3cret-{number:04}" for number in range(count)]
    rows: list[Any] = [{"config": secret} for secret in secrets]
    rows += [{"note": f"about {secret} and more", "x": secret} for secret in secrets[::2]]
    body = json.dumps(rows).encode()
    kept = redact_exchange(COLUMN, ask(), [Answer(200, JSON, body), Answer(200, CSV, b"a\n" + body)])
    assert "s3cret" not in told(kept)


def test_a_name_that_is_spelt_with_escapes_is_hidden() -> None:
    body = b'[{"\\u0063onfig":"s3cret-value","pass\\u0077ord":"other-s3cret"}]'
    assert "s3cret" not in told(redact_exchange(COLUMN, ask(), [Answer(200, JSON, body)]))


def test_only_values_are_hidden_and_the_rest_stays_readable() -> None:
    body = b'[{"uid":1.10,"config":{"key":"s3cret"},"uri":"a"},{"uid":2,"config":null}]'
    request = ask(
        "uid=gt.0&config->>key=eq.s3cret&and=(config.cs.{abcd},uid.lt.9)&select=uid,config",
        ((b"Authorization", b"Bearer " + TOKEN.encode()), (b"Prefer", b"count=exact")),
    )
    kept = redact_exchange(COLUMN, request, [Answer(200, JSON, body)])
    expected = b"uid=gt.0&config->>key=eq.***&and=(config.cs.***,uid.lt.9)&select=uid,config"
    assert kept.request.query == expected
    assert kept.request.headers == ((b"Authorization", b"***"), (b"Prefer", b"count=exact"))
    assert kept.answers[0].body == b'[{"uid":1.10,"config":"***","uri":"a"},{"uid":2,"config":null}]'
    assert (kept.askable, kept.whole) == (False, False)


def test_credentials_alone_leave_the_question_askable() -> None:
    request = ask("uid=eq.1", ((b"Authorization", b"Bearer abcdefghijkl"), (b"Cookie", b"a=b")))
    kept = redact_exchange(COLUMN, request, [Answer(200, JSON, b"[]")])
    assert (kept.askable, kept.whole) == (True, True)


@pytest.mark.parametrize(
    ("query", "key"),
    [
        ("select=c:config", "c"),
        ("select=uid,c:config::text", "c"),
        ("select=config->a->>b", "b"),
        ("select=x:config->>a", "x"),
        ("select=storage_config(q:config,uid),uid", "q"),
        ("select=...storage_config(q:config)", "q"),
        ('select="my alias":config', "my alias"),
        ('select=n:"config"', "n"),
        ("select=config.max()", "max"),
        ("select=top:config.max()", "top"),
        ("select=p:meta->>password", "p"),
        ('select=q:"config"::text', "q"),
        ("select=r:parent!fk(s:config->a::int)", "s"),
        ("select=config::json->>w", "w"),
        ("select=meta->'config'->>v", "v"),
    ],
)
def test_an_alias_of_a_hidden_column_is_hidden(query: str, key: str) -> None:
    body = json.dumps([{key: "s3cret", "other": 1}, {"inner": {key: ["s3cret"]}}]).encode()
    kept = redact_exchange(COLUMN, ask(quote(query, safe="=&")), [Answer(200, JSON, body)])
    assert json.loads(kept.answers[0].body) == [{key: "***", "other": 1}, {"inner": {key: "***"}}]


def test_csv_columns_are_hidden_and_what_does_not_fit_is_left_out() -> None:
    body = b'uid,config,uri\n1,"s3cr, ""et""",a\n2,,"multi\nline"\n3,other,"say s3cr, ""et"" here"'
    kept = redact_exchange(COLUMN, ask(), [Answer(200, CSV, body)])
    assert kept.answers[0].body == b'uid,config,uri\n1,***,a\n2,,"multi\nline"\n3,***,"say s3cr, ""et"" here"'
    ragged = redact_exchange(COLUMN, ask(), [Answer(200, CSV, b"uid,config\n1,s3cret,2\n")])
    assert ragged.answers[0].body == b"***"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ({"code": "23505", "details": "Key (config)=(s3cret) already exists."}, None),
        ({"code": "23505", "details": 'Key (uid, "config")=(1, s3cret) already exists.'}, None),
        ({"code": "23514", "details": "Failing row contains (1, null, s3cret, (x))."}, None),
        (
            {"code": "22P02", "message": 'invalid input syntax for type integer: "s3cret"'},
            "invalid input syntax",
        ),
        ({"code": "P0001", "message": "bad config s3cret", "hint": "try s3cret"}, "***"),
        ({"code": "XX999", "message": "bad s3cret", "details": {"value": "s3cret"}}, "bad"),
        ({"code": "PGRST100", "message": '"failed to parse filter (s3cret)" (line 1, column 2)'}, None),
    ],
)
def test_error_texts_do_not_quote_what_is_hidden(error: dict[str, Any], message: str | None) -> None:
    body = {"details": None, "hint": None, "message": "", **error}
    answer = Answer(400, JSON, json.dumps(body).encode())
    kept = redact_exchange(COLUMN, ask("select=config&config=eq.s3cret"), [answer])
    assert "s3cret" not in told(kept)
    assert message is None or json.loads(kept.answers[0].body)["message"].startswith(message)
    assert json.loads(kept.answers[0].body)["code"] == error["code"]


def test_an_error_text_that_has_nothing_to_do_with_it_stays() -> None:
    text = b'{"code":"42501","details":null,"hint":null,"message":"permission denied for table storage"}'
    assert redact_exchange(COLUMN, ask("select=uid"), [Answer(403, JSON, text)]).answers[0].body == text
    kept = redact_exchange(COLUMN, ask("select=config"), [Answer(403, JSON, text)])
    assert kept.answers[0].body == text


@pytest.mark.parametrize("kind", [b"text/plain", b"application/octet-stream", b"application/xml"])
def test_the_bare_value_of_a_hidden_column_is_left_out(kind: bytes) -> None:
    answer = Answer(200, ((b"Content-Type", kind),), b"raw s3cret")
    assert redact_exchange(COLUMN, ask("select=config"), [answer]).answers[0].body == b"***"
    assert redact_exchange(COLUMN, ask("select=uid"), [answer]).answers[0].body == b"raw s3cret"


def test_a_body_is_looked_at_under_its_coding() -> None:
    body = gzip.compress(b'[{"config":"s3cret"}]')
    answer = Answer(200, (*JSON, (b"Content-Encoding", b"gzip"), (b"Content-Length", b"9")), body)
    kept = redact_exchange(COLUMN, ask(), [answer]).answers[0]
    assert (kept.headers, kept.body) == (JSON, b'[{"config":"***"}]')
    unknown = answer._replace(headers=(*JSON, (b"Content-Encoding", b"br")))
    assert redact_exchange(COLUMN, ask(), [unknown]).answers[0].body == b"***"


def test_a_large_body_is_left_out_and_many_values_too() -> None:
    large = Answer(200, JSON, json.dumps([{"uri": "x" * 300_000}]).encode())
    assert redact_exchange(COLUMN, ask(), [large]).answers[0].body == b"***"
    many = Answer(200, JSON, b'{"config":[%b]}' % b",".join(b'"v%05d"' % number for number in range(12_000)))
    kept = redact_exchange(COLUMN, ask(), [many], [Difference("body", "$[0]", "v00001", "v00002")])
    assert (kept.answers[0].body, kept.differences[0].upstream) == (b"***", "***")


@pytest.mark.parametrize(
    "text", [f"bearer of {TOKEN}", "postgresql://joe:hunter22@db/x", "password=hunter22 host=db"]
)
def test_what_looks_like_a_secret_is_hidden_anywhere(text: str) -> None:
    body = json.dumps({"note": text, "list": [text]}).encode()
    plain = Answer(200, ((b"Content-Type", b"text/plain"), (b"X-Note", text.encode())), text.encode())
    kept = redact_exchange(Redaction(), ask("note=eq." + quote(text)), [Answer(200, JSON, body), plain])
    assert "hunter22" not in told(kept)
    assert TOKEN not in told(kept)


def test_what_a_filter_hides_is_hidden_in_the_answer_too() -> None:
    request = ask("config=eq.s3cret-value&uid=in.(1,2)&and=(config.in.(other-s3cret,b),uid.gt.1)")
    body = b'[{"uid":1,"note":"s3cret-value"},{"uid":2,"note":"it is other-s3cret"}]'
    kept = redact_exchange(COLUMN, request, [Answer(200, JSON, body)])
    assert kept.answers[0].body == b'[{"uid":1,"note":"***"},{"uid":2,"note":"it is ***"}]'


@pytest.mark.parametrize(
    "text", ['"uses s3cret-val…', "…ret-value and more", '{"a":"s3cret-v', '["s3cret-value"]', "@12 s3cre"]
)
def test_an_excerpt_that_may_hold_a_part_of_a_hidden_value_is_hidden(text: str) -> None:
    body = b'[{"config":"s3cret-value","note":"uses s3cret-value and more"}]'
    path = "@12" if text.startswith("@") else "$[0].note"
    kept = redact_exchange(COLUMN, ask(), [Answer(200, JSON, body)], [Difference("body", path, text, '"b"')])
    assert kept.differences == (Difference("body", path, "***", "***"),)


def test_nothing_is_shown_of_bodies_that_were_hidden_whole() -> None:
    answer = Answer(200, ((b"Content-Type", b"text/plain"),), b"s3cret-value")
    difference = Difference("body", "$[0].note", '"s3cret-value"', '"b"')
    kept = redact_exchange(COLUMN, ask("select=config"), [answer, answer], [difference])
    assert kept.differences == (Difference("body", "$[0].note", "***", "***"),)


def test_form_bodies_and_json_arguments_are_redacted() -> None:
    form = ((b"Content-Type", b"application/x-www-form-urlencoded"),)
    kept = redact_exchange(COLUMN, ask(body=b"uid=1&config=s3cret&note=s3cret", headers=form)).request
    assert kept.body == b"uid=1&config=***&note=***"
    kept = redact_exchange(COLUMN, ask(body=b'{"uid":1,"config":"s3cret"}', headers=JSON)).request
    assert kept.body == b'{"uid":1,"config":"***"}'


@pytest.mark.parametrize(
    ("columns", "hidden", "shown"),
    [
        (("storage_config.config",), "config", "storage_config"),
        (("dlm.storage_config.config",), "config", "dlm"),
        (("t.odd.name",), "odd.name", "t"),
        ((), "passwd", "config"),
    ],
)
def test_configured_columns_are_hidden_by_their_name(
    columns: tuple[str, ...], hidden: str, shown: str
) -> None:
    redaction = make_redaction(RedactConfig(columns))
    assert redaction.hides(hidden)
    assert not redaction.hides(shown)


@pytest.mark.parametrize(
    "name", ["uid", "oid", "author", "passenger", "tokyo", "keyboard", "compass", "pinned"]
)
def test_ordinary_names_are_no_secrets(name: str) -> None:
    assert not Redaction().hides(name)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Authorization",
            "Cookie",
            "Set-Cookie",
            "apikey",
            "X-Api-Key",
            "api_key",
            "password",
            "user_passwd",
        ),
        *("client_secret", "refresh_token", "X-Auth-Token", "private_key", "db_pwd", "jwt"),
        "connection_string",
    ],
)
def test_credentials_are_secrets_by_their_name(name: str) -> None:
    assert Redaction().hides(name.lower())
    assert Redaction().hides(name)


@pytest.mark.parametrize("column", ["odd name", "a.b", "größe"])
def test_columns_with_odd_names_are_hidden_everywhere(column: str) -> None:
    redaction = Redaction(frozenset({column}))
    quoted = quote(f'"{column}"')
    body = json.dumps([{column: "s3cret-value", "z": "s3cret-value"}], ensure_ascii=False).encode()
    plain = Answer(200, ((b"Content-Type", b"text/plain"),), b"s3cret-value")
    request = ask(
        f"select={quoted},z:{quoted}&{quoted}=eq.s3cret-value&or=({quoted}.eq.s3cret-value,uid.eq.1)"
    )
    kept = redact_exchange(redaction, request, [Answer(200, JSON, body), plain])
    assert "s3cret" not in told(kept)


def test_a_value_is_found_with_all_that_delimits_elsewhere() -> None:
    secret = "a=b&c/d;e,(f)"
    target = f"/x%2Fy?config=eq.{quote(secret)}&note=eq.a=b%26c/d%3Be,(f)&uri=like.*a%3Db%26c%2Fd%3Be%2C(f)*"
    kept = redact_exchange(COLUMN, Request("GET", target.encode()))
    assert kept.request.target == b"/x%2Fy?config=eq.***&note=eq.***&uri=like.*****"


@given(st.text(st.sampled_from("ab:,()->!.\"\\ '"), max_size=300), st.sampled_from(["select", "or", "a"]))
def test_no_text_takes_long(text: str, key: str) -> None:
    started = time.process_time()
    redact_exchange(Redaction(frozenset({"a"})), ask(f"{key}={quote(text * 20)}"))
    assert time.process_time() - started < 2.0

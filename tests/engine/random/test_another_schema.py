"""The second schema: what the reference says must come of it, derived by hand from its rows."""

# ruff: noqa: E501 - what is asked and what comes of it are read best in one piece

import json

import pytest

from proxy.messages import Request
from proxy.tape.request import RequestSettings, sign
from tests.engine.random.conftest import SECRET
from tests.engine.random.world import World, encode

LONG = "a_table_whose_name_is_exactly_sixty_three_bytes_long_so_it_fits"
POINTING = "a_second_name_that_is_exactly_sixty_three_bytes_long_and_points"

READS = {
    # Relationships, reference 3.1 and 3.2
    "/vessel?select=title,owner:firm!vessel_owner(title),builder:firm!builder_id(title)&vessel_id=in.(1,3)&order=vessel_id": (
        '[{"title":"Anna","owner":{"title": "Aker"},"builder":{"title": "Damen"}}, \n'
        ' {"title":"Cato","owner":{"title": "Boskalis"},"builder":null}]'
    ),
    "/vessel?select=title,port(title,depth)&order=vessel_id&vessel_id=gt.2": (
        '[{"title":"Cato","port":{"depth": 14.25, "title": "Aarhus"}}, \n {"title":"Dora (new)","port":null}]'
    ),
    "/port?select=title,out:voyage!voyage_from(voyage_id)&order=title&limit=1": (
        '[{"title":"Aarhus","out":[{"voyage_id": 2}, {"voyage_id": 4}]}]'
    ),
    "/firm?select=title,firm(title),parent(title),allies(title)&firm_id=eq.3": (
        '[{"title":"Cargill","firm":[{"title": "Damen"}],"parent":{"title": "Aker"},"allies":[{"title": "Aker"}]}]'
    ),
    "/voyage?select=voyage_id,pilot(title)&voyage_id=in.(1,3)&order=voyage_id&pilot.order=title.desc": (
        '[{"voyage_id":1,"pilot":[{"title": "Piet"}, {"title": "Pia"}]}, \n {"voyage_id":3,"pilot":[]}]'
    ),
    "/vessel?select=vessel_id,passport(weight)&order=vessel_id&limit=3": (
        '[{"vessel_id":1,"passport":{"weight": 1.5}}, \n {"vessel_id":2,"passport":null}, \n'
        ' {"vessel_id":3,"passport":{"weight": "NaN"}}]'
    ),
    "/tide?select=height,port(title)&day=eq.2020-02-01&order=nation": (
        '[{"height":0.25,"port":{"title": "Aarhus"}}, \n {"height":0.25,"port":{"title": "Rotterdam"}}]'
    ),
    # Views over views keep keys under new names
    "/huge_vessel?select=huge_title,firm(title),voyage(voyage_id)&order=huge_id": (
        '[{"huge_title":"Cato","firm":{"title": "Boskalis"},"voyage":[{"voyage_id": 4}]}, \n'
        ' {"huge_title":"Dora (new)","firm":null,"voyage":[]}]'
    ),
    "/safe?select=safe_id,firm(title)&order=safe_id": (
        '[{"safe_id":1,"firm":{"title": "Aker"}}, \n {"safe_id":2,"firm":{"title": "Cargill"}}]'
    ),
    "/port_traffic?select=departures,vessel(title)&nation=eq.DK": '[{"departures":2,"vessel":[{"title": "Cato"}]}]',
    # Computed columns and relationships
    "/vessel?select=label,weight_class&order=label.desc&limit=2": (
        '[{"label":"Dora (new)/odd kind","weight_class":12}, \n {"label":"Cato/?","weight_class":15}]'
    ),
    "/vessel?select=title,last_voyage(voyage_id)&weight_class=lt.2&order=vessel_id": (
        '[{"title":"Anna","last_voyage":{"voyage_id": 2}}, \n'
        ' {"title":"Björk, \\"the\\" swan","last_voyage":{"voyage_id": 3}}]'
    ),
    "/port?select=title,neighbours(title)&nation=eq.NL&order=title": (
        '[{"title":"Delfzijl","neighbours":[{"title": "Rotterdam"}]}, \n'
        ' {"title":"Rotterdam","neighbours":[{"title": "Delfzijl"}]}]'
    ),
    # Spreads, aggregates, null filters, related order
    "/voyage?select=voyage_id,...vessel(vname:title,...port(pname:title))&voyage_id=gte.4&order=voyage_id": (
        '[{"voyage_id":4,"vname":"Cato","pname":"Aarhus"}, \n {"voyage_id":5,"vname":null,"pname":null}]'
    ),
    "/pilot?select=title,...voyage(voyage_id)&order=pilot_id&voyage.order=voyage_id.desc": (
        '[{"title":"Piet","voyage_id":[2, 1]}, \n {"title":"Pia","voyage_id":[4, 1]}, \n'
        ' {"title":null,"voyage_id":[]}]'
    ),
    "/vessel?select=owner_id,tonnage.sum(),count()&order=owner_id": (
        '[{"owner_id":1,"sum":50,"count":1}, \n {"owner_id":2,"sum":1650,"count":2}, \n'
        ' {"owner_id":null,"sum":1200,"count":1}]'
    ),
    "/voyage?select=toll.sum(),...vessel(title)&order=vessel(title)": (
        '[{"sum":199.50,"title":"Anna"}, \n {"sum":null,"title":"Björk, \\"the\\" swan"}, \n'
        ' {"sum":1000.00,"title":"Cato"}, \n {"sum":0.01,"title":null}]'
    ),
    "/pilot?select=pilot_id,voyage()&voyage=is.null": '[{"pilot_id":3}]',
    "/voyage?select=voyage_id,vessel()&order=vessel(tonnage).desc.nullslast,voyage_id&limit=2": (
        '[{"voyage_id":4}, \n {"voyage_id":3}]'
    ),
    # Types
    "/vessel?select=half,number,slot,holds,hull,speed&vessel_id=eq.1": (
        '[{"half":25,"number":"IMO 9000001","slot":{"pier":"north","metre":4},"holds":["bulk","odd kind"],'
        '"hull":"\\\\x00ff","speed":9.5}]'
    ),
    "/vessel?number=in.(IMO 9000003,9000004)&select=vessel_id&order=vessel_id": '[{"vessel_id":3}, \n {"vessel_id":4}]',
    "/vessel?kind=eq.odd kind&select=vessel_id": '[{"vessel_id":4}]',
    "/vessel?holds=cs.{Liquid}&select=vessel_id": '[{"vessel_id":4}]',
    "/vessel?select=title,spec->deck->n,tag:spec->tags->>0,log&vessel_id=eq.1": (
        '[{"title":"Anna","n":1,"tag":"x","log":{"b" : 1, "a": 2}}]'
    ),
    "/vessel?slot->>metre=eq.12&select=vessel_id": '[{"vessel_id":4}]',
    "/voyage?sailing=ov.[2020-01-02,2020-01-04)&select=voyage_id": '[{"voyage_id":1}]',
    "/port?season=adj.[2020-06-01,2020-07-01)&select=title": '[{"title":"Rotterdam"}]',
    "/crate?speeds=ov.[1.5,9)&labels=ov.[b,d)&select=crate_id": '[{"crate_id":1}]',
    "/pilot?words=fts.ship&select=pilot_id": '[{"pilot_id":1}]',
    # Names
    '/Quay%20Side?"%25(x)s"=eq.%25(x)s&select="%25(x)s",":x","quo\\"te","a.b","ünï çødé","select","$1","?"': (
        '[{"%(x)s":"%(x)s",":x":":x","quo\\"te":"\\"","a.b":null,"ünï çødé":"ß","select":"select","$1":"$1","?":"?"}]'
    ),
    '/Quay%20Side?select="Key No",order(limit,group)&order="order".desc.nullslast&limit=1': (
        '[{"Key No":1,"order":[{"group": "g1", "limit": 1}, {"group": "g2", "limit": 2}]}]'
    ),
    '/%25(t)s:x?select=id,order(limit,"Quay Side"("Key No"))&order=id&limit=1': (
        '[{"id":1,"order":{"limit": 1, "Quay Side": {"Key No": 1}}}]'
    ),
    f"/{LONG}?select=note&up=eq.1": '[{"note":"leaf"}]',
    "/wide?select=id,c001,c200&limit=1&order=id": '[{"id":1,"c001":11,"c200":13}]',
    "/contraband?select=id": '[{"id":1}]',
    "/ledger?select=id,memo&order=id": '[{"id":1,"memo":"one"}, \n {"id":2,"memo":"two"}]',
    "/nothing": "[]",
    # Functions, reference 6
    "/rpc/pick?n=1&m=2": '"two integers"',
    "/rpc/preset?b=x": '"1x"',
    "/rpc/total?n=1&n=2": "3",
    "/rpc/split?n=42": '{"tens":4,"ones":2}',
    "/rpc/squares?select=Square&n=gt.1": '[{"Square":4}, \n {"Square":9}]',
    "/rpc/evens?top=6": "[2, 4, 6]",
    "/rpc/kinds": '["bulk", "Liquid", "odd kind"]',
    "/rpc/fleet?minimum=100&select=title,port(title)&order=title.desc&limit=1": '[{"title":"Dora (new)","port":null}]',
    "/rpc/flagship?select=title,owner:firm!vessel_owner(title)": '{"title":"Cato","owner":{"title": "Boskalis"}}',
    "/rpc/season_of?p=[2020-01-01,2020-02-01)&k=Liquid": '"2020-01-01 Liquid"',
    "/rpc/span?k=[1,3)": "2",
    # Composite types that the driver has no codec for
    "/rpc/pieces?l=(bulk,tea,7)": "7",
    '/rpc/all_pieces?l={"(bulk,tea,7)","(,,2)"}': "9",
    '/crate?lots=cs.{"(bulk,tea:1,5)"}&select=crate_id': '[{"crate_id":1}]',
    '/rpc/Loud%20%25(x)s?":x"=1': '"1s"',
}

FAILURES = {
    "/vessel?select=firm(title)": (300, "PGRST201"),
    "/vesel": (404, "PGRST205"),
    "/tide_early": (404, "PGRST205"),
    "/vessel?select=nation(title)": (400, "PGRST200"),
    "/vessel?nosuch=eq.1": (400, "42703"),
    "/ledger": (401, "42501"),
    "/rpc/clash?n=1": (300, "PGRST203"),
    "/rpc/hello": (404, "PGRST202"),
    "/rpc/guarded": (401, "42501"),
    "/rpc/writes_ledger?n=1": (405, "25006"),
    "/rpc/refuse?code=ABCDE": (400, "ABCDE"),
    "/rpc/refuse?code=57014": (500, "57014"),
    "/rpc/refuse?code=PT418": (418, "PT418"),
    "/vessel?order=voyage(toll)&select=voyage()": (400, "PGRST118"),
    "/vessel?voyage.toll=eq.1": (400, "PGRST108"),
    "/pilot?select=...voyage(toll.sum())": (400, "PGRST127"),
    # PostgREST makes aliases longer than 63 bytes, which PostgreSQL cuts to a name that is taken.
    f"/{POINTING}?select=id,up:{LONG}(note)": (400, "42712"),
    "/vessel?limit=1&offset=99&kind=eq.nokind": (400, "22P02"),
}


@pytest.mark.parametrize("target", READS)
def test_a_read_gives_what_the_reference_says(harbour: World, target: str) -> None:
    answered = harbour.get(target)
    assert (answered.status, answered.body.decode()) == (200, READS[target])


@pytest.mark.parametrize("target", FAILURES)
def test_a_fault_has_the_status_and_code_of_the_reference(harbour: World, target: str) -> None:
    answered = harbour.get(target)
    assert (answered.status, json.loads(answered.body)["code"]) == FAILURES[target]


@pytest.mark.parametrize(
    ("target", "accept", "body"),
    [
        ("/pilot?order=pilot_id", "application/vnd.quay+text", "1=Piet;2=Pia;3=?;"),
        ("/firm?order=firm_id&limit=2", "application/x-manifest", "<(1,Aker,)><(2,Boskalis,1)>"),
        ("/rpc/plain_note", "text/plain", "just text"),
        ("/vessel?select=title,sign&vessel_id=gt.2&order=vessel_id", "text/csv", 'title,sign\nCato,PC3\n"Dora (new)","PD\\\\4"'),
        ("/firm?firm_id=eq.0", "text/csv", "\n"),
        ("/firm?firm_id=eq.1&select=title", "application/x-binary", '\x01[{"title": "Aker"}]'),
        ("/firm?firm_id=eq.1", "application/vnd.pgrst.object+json;nulls=stripped", '{"firm_id":1,"title":"Aker"}'),
    ],
)  # fmt: skip
def test_a_body_comes_in_the_media_type_asked_for(
    harbour: World, target: str, accept: str, body: str
) -> None:
    assert harbour.get(target, ("Accept", accept)).body.decode() == body


def test_a_function_some_of_whose_parameters_have_no_name_is_known_with_an_empty_one(harbour: World) -> None:
    answered = harbour.get("/rpc/half_named?n=1")
    assert (
        json.loads(answered.body)["hint"] == "Perhaps you meant to call the function harbour.half_named(, n)"
    )


def test_another_schema_is_reached_by_its_profile_and_only_it(harbour: World) -> None:
    odd = ("Accept-Profile", "Odd Schema")
    assert harbour.rows("/vessel", odd) == [{"only_here": 7}]
    assert harbour.rows("/Thing?select=Id,maker(title),part(part_no)&order=Id&limit=1", odd) == [
        {"Id": 1, "maker": {"title": "Boskalis"}, "part": [{"part_no": 10}, {"part_no": 11}]}
    ]
    assert harbour.get("/Thing?select=firm(title)", odd).status == 400
    assert harbour.get("/Thing").status == 404


def test_row_level_security_and_rights_follow_the_token(harbour: World) -> None:
    settings = RequestSettings(b"harbour.example", token_secret=SECRET.encode())
    token = sign('{"role":"quay_captain","sub":"ahab"}', settings).decode()
    bearer = ("Authorization", f"Bearer {token}")
    assert harbour.rows("/contraband?select=id&order=id", bearer) == [{"id": 1}, {"id": 2}]
    assert harbour.rows("/rpc/whoami", bearer) == {"role": "quay_captain", "sub": "ahab"}
    assert harbour.rows("/rpc/guarded", bearer) == 1
    assert harbour.rows("/vessel?select=title,contraband(what)&vessel_id=eq.1", bearer) == [
        {"title": "Anna", "contraband": [{"what": "rum"}, {"what": "gold"}]}
    ]


@pytest.mark.parametrize(
    ("function", "content_type", "body", "expected"),
    [
        ("take_json", "application/json", b'{"a" : 1}', b'{"a" : 1}'),
        ("take_text", "text/plain", "häfen".encode(), b'"5"'),
        ("take_bytes", "application/octet-stream", b"\x00\xff", b"2"),
        ("hello", "application/json", b'{"who": "x"}', b'"Ahoy x"'),
        ("total", "application/json", b'{"n": [1, 2]}', b"3"),
    ],
)
def test_a_posted_body_reaches_the_function(
    harbour: World, function: str, content_type: str, body: bytes, expected: bytes
) -> None:
    headers = encode(("Content-Type", content_type))
    answered = harbour.send(Request("POST", f"/rpc/{function}".encode(), headers, body))
    assert (answered.status, answered.body) == (200, expected)


@pytest.mark.parametrize(
    ("target", "prefer", "status", "content_range"),
    [
        ("/vessel?limit=2", "count=exact", 206, b"0-1/4"),
        ("/vessel?limit=2&offset=9", "count=exact", 416, None),
        ("/vessel?vessel_id=eq.0", "count=exact", 200, b"*/0"),
        ("/vessel?select=firm!vessel_owner!inner()", "count=exact", 200, b"0-2/3"),
        ("/vessel", "", 200, b"0-3/*"),
    ],
)
def test_content_range_counts_what_matches(
    harbour: World, target: str, prefer: str, status: int, content_range: bytes | None
) -> None:
    answered = harbour.get(target, ("Prefer", prefer))
    assert answered.status == status
    if content_range is not None:
        assert answered.header(b"content-range") == content_range

"""The certificate: what it says, what speaks against it, and that a changed copy is told."""

import hashlib
import json
from dataclasses import replace

from proxy.config import ReadinessConfig
from proxy.console.certificate import render_json, render_markdown
from proxy.shadow.certificate import AliveRule, Certificate, CertifiedTable
from proxy.shadow.readiness import TableEvidence
from tests.shadow.test_readiness import NOW, READY, judge

LIMITS = ReadinessConfig()
TABLE = CertifiedTable(
    judge(READY),
    "engine",
    "engine",
    schema="a1b2c3d4",
    excluded={"not_sampled": 40_000, "too_large": 3, "queue": 0},
    undefined_paging={"GET data_item?limit=*": 12},
)
DONE = Certificate(
    NOW,
    {"understudy": "0.1.0", "upstream": "postgrest/14.17"},
    (TABLE,),
    (AliveRule("data_item", "last_access", "touched by readers", "2027-01-31", 812),),
)


def test_a_finished_cutover_has_nothing_against_it() -> None:
    assert DONE.objections == ()
    text = render_markdown(DONE, LIMITS)
    assert "Made at 1970-01-31 00:00:00 UTC. Every table is answered by the engine" in text
    assert (
        "| `data_item` | engine | engine | ready | 1970-01-29 | 1970-01-30 | 5,000 | 5,000 | 0 | 0.00068 "
        "| 2 | 0.0006 | 1.00 | - | 0 | 0 | a1b2c3d4 |"
    ) in text
    assert "- `data_item`: not_sampled, 40,000 reads\n- `data_item`: too_large, 3 reads\n" in text
    assert "- `data_item`: `GET data_item?limit=*`, 12 reads" in text
    assert "- `data_item: last_access`, 812 hits, until 2027-01-31: touched by readers" in text
    assert "## What the engine cannot answer\n\nNothing.\n" in text


def test_what_is_not_done_is_said_first() -> None:
    tables = (
        replace(TABLE, writes="rehearse", unsupported={"GET data_item?x=odd": 5}),
        CertifiedTable(judge(TableEvidence("storage")), "shadow", "upstream"),
        replace(TABLE, reads="shadow", held=True),
    )
    assert replace(DONE, tables=tables).objections == (
        "writes of data_item are in rehearse",
        "data_item: the engine cannot answer 1 shape (5 reads)",
        "reads of storage are in shadow",
        "writes of storage are in upstream",
        "storage: insufficient evidence",
        "data_item is held",
    )


def test_what_nobody_asked_for_is_listed_and_has_to_be_on_the_engine_too() -> None:
    idle = {f"t{number}": ("shadow", "upstream") for number in range(7)}
    certificate = replace(DONE, idle={"done": ("engine", "engine"), **idle}, gone=("old",))
    assert certificate.objections == (
        "7 tables that nobody asked for not on the engine: t0, t1, t2, t3, t4 and 2 more",
    )
    text = render_markdown(certificate, LIMITS)
    assert "- `done`: reads engine, writes engine\n- `t0`: reads shadow, writes upstream\n" in text
    assert "## What is not in the schema any more\n\n- `old`\n" in text


def test_the_digest_is_of_the_lines_above() -> None:
    text = render_markdown(DONE, LIMITS)
    body, _, last = text.rpartition("\nSHA-256 of the lines above: ")
    assert last == f"`{hashlib.sha256(body.encode()).hexdigest()}`\n"


def test_names_cannot_break_out_of_their_place() -> None:
    odd = replace(TABLE, undefined_paging={"GET a`b``c\n| d": 1})
    text = render_markdown(replace(DONE, tables=(odd,)), LIMITS)
    assert "- `data_item`: ``` GET a`b``c\\n| d ```, 1 read" in text


def test_json_says_the_same() -> None:
    document = json.loads(render_json(DONE, LIMITS))
    assert document["objections"] == []
    assert document["tables"][0]["readiness"]["agreed"] == 5000
    assert document["rules"][0]["hits"] == 812

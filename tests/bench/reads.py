"""The requests that are measured, against the conformance data and a table to write to."""

from dataclasses import dataclass

from proxy.messages import Header


@dataclass(frozen=True, slots=True)
class Read:
    """One request: a word for the tables, its raw target and the headers that matter, its status.

    ``CLIENT`` in target and body stands for the number of the client that sends it.
    """

    name: str
    target: str
    headers: tuple[Header, ...] = ()
    status: int = 200
    method: str = "GET"
    body: str = ""


CLIENT = "7777777"
"""Clients that write have a row each, so that none waits for another's lock."""


BY_KEY = Read("by key", "/data_item?select=*&uid=eq.d0000000-0000-4000-8000-000000000003")
"""The one read that is measured through the proxy: it is on the tape, so that a stand-in can answer it."""

MIX = (
    BY_KEY,
    Read("page of 25", "/sample?select=id,channel,value,label&channel=eq.3&order=id&limit=25"),
    Read(
        "100 with two embeds",
        "/observation?select=obs_id,target,ra_deg,dec_deg,observed_on,"
        "execution_block(eb_id,instrument,started),observation_weather(seeing,humidity_pct)"
        "&order=obs_id&limit=100",
    ),
    Read(
        "exact count",
        "/sample?select=id&channel=eq.3&limit=2&order=id",
        ((b"Prefer", b"count=exact"),),
        206,
    ),
    Read("RPC scalar", "/rpc/add_them?a=1&b=2"),
    Read("page of 1,000", "/sample?select=id,channel,value,label&order=id&limit=1000"),
)
"""What the engine is measured with."""

QUICK = MIX[:3]
"""The same, where there is little time."""

NOTES = f"""
CREATE SEQUENCE dlm.bench_note_id START 10000000;
CREATE TABLE dlm.bench_note (
  id bigint PRIMARY KEY DEFAULT nextval('dlm.bench_note_id'), text text NOT NULL, number integer,
  made timestamptz NOT NULL DEFAULT now()
);
INSERT INTO dlm.bench_note SELECT n, 'note ' || n, n FROM generate_series(0, 999) n;
INSERT INTO dlm.bench_note VALUES ({CLIENT}, 'note', 0);
GRANT SELECT, INSERT, UPDATE ON dlm.bench_note TO dlm_anon;
GRANT USAGE ON SEQUENCE dlm.bench_note_id TO dlm_anon;
"""
"""What is written to."""

_JSON = (b"Content-Type", b"application/json")
_NOTE = '{"text": "a note of some words", "number": 7}'

WRITES = (
    Read("insert", "/bench_note", (_JSON,), 201, "POST", _NOTE),
    Read("update by key", f"/bench_note?id=eq.{CLIENT}", (_JSON,), 204, "PATCH", _NOTE),
    Read(
        "upsert",
        "/bench_note",
        (_JSON, (b"Prefer", b"resolution=merge-duplicates")),
        200,
        "POST",
        f'{{"id": {CLIENT}, "text": "a note", "number": 8}}',
    ),
    Read("bulk of 100", "/bench_note", (_JSON,), 201, "POST", f"[{', '.join([_NOTE] * 100)}]"),
)

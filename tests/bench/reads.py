"""The reads that are measured, against the conformance data."""

from dataclasses import dataclass

from proxy.messages import Header


@dataclass(frozen=True, slots=True)
class Read:
    """One read: a word for the tables, its raw target and the headers that matter, its status."""

    name: str
    target: str
    headers: tuple[Header, ...] = ()
    status: int = 200


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
    Read(
        "csv",
        "/observation?select=obs_id,target,ra_deg,dec_deg,exposure_s,quality,flagged,observed_on,started_at"
        "&order=obs_id&limit=100",
        ((b"Accept", b"text/csv"),),
    ),
)
"""What the engine is measured with."""

QUICK = MIX[:3]
"""The same, where there is little time."""

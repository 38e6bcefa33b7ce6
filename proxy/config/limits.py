"""The keys of ``limits``: what the front door accepts, and how long it waits for a client."""

from proxy.config.kinds import DURATION, SIZE, Key, integer
from proxy.config.section import Section
from proxy.config.values import Limits

LIMITS = Section(
    "limits",
    "What the front door accepts, and how long it waits for a client; the defaults are no lower than "
    "PostgREST's own.",
    (
        Key("line", SIZE, "The longest request line.", restart=True),
        Key("headers", SIZE, "The longest head, all header lines together.", restart=True),
        Key("header_count", integer(1, 100_000), "The most header lines.", restart=True),
        Key(
            "body",
            SIZE,
            "The largest request body. Without it, any size is passed on, and what the engine has to "
            "hold in memory may have 64 MiB.",
        ),
        Key(
            "connections",
            integer(1, 1_000_000),
            "The most connections of clients; one more is told 503 and closed. Each takes a file descriptor.",
            restart=True,
        ),
        Key(
            "head_timeout",
            DURATION,
            "How long the head of a request may take from its first byte to its last; then 408.",
            restart=True,
        ),
        Key(
            "body_timeout",
            DURATION,
            "How long a client may be silent within a body; then 408. Who sends slowly for long uses it "
            "up too: each 512 bytes give back one second.",
        ),
        Key(
            "answer_timeout",
            DURATION,
            "How long a client may take nothing of its answer; then its connection is broken off.",
            restart=True,
        ),
        Key("idle_timeout", DURATION, "When a connection without a request is closed.", restart=True),
    ),
    Limits,
)

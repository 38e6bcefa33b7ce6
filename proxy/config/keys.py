"""The keys of ``understudy.yaml``: the one table behind the parser, the JSON Schema and the documentation.

A key's default is the default of the field of the same name in the values it is read into.
"""

import dataclasses
from types import MappingProxyType

from proxy.config.kinds import (
    DATE,
    DURATION,
    FACTOR,
    FRACTION,
    HEADER,
    MEMBER,
    OPERATOR,
    PERCENTAGE,
    PERIOD,
    REASON,
    SECRET,
    SIZE,
    TEXT,
    Key,
    choice,
    integer,
    number,
)
from proxy.config.limits import LIMITS
from proxy.config.log_keys import LOG
from proxy.config.options import NAMES, OPTIONS, PROXY_OPTIONS
from proxy.config.places import (
    ADDRESS,
    LEDGER_URL,
    UPSTREAM_URL,
)
from proxy.config.section import Section
from proxy.config.values import (
    CompareConfig,
    ConsoleConfig,
    EngineConfig,
    GuardConfig,
    IgnoreRule,
    Operator,
    ReadinessConfig,
    RedactConfig,
    RehearsalConfig,
    Rule,
    ShadowConfig,
    UpstreamConfig,
)

COLUMNS = dataclasses.replace(NAMES, allowed="names such as table.column, separated by commas or as a list")


TOP_KEYS = (
    Key("listen", ADDRESS, "Where clients connect: the address that was PostgREST's.", restart=True),
    Key(
        "admin",
        ADDRESS,
        "Where operators connect: metrics and health. Never reachable through `listen`.",
        restart=True,
    ),
    Key(
        "workers",
        integer(1, 64),
        "Processes that share `listen`. Each is a replica with an admin port of its own: `admin` and those "
        "that follow. One that ends is replaced; where there are several, SIGUSR2 replaces them all, one "
        "after the other, and no request is lost.",
        restart=True,
    ),
    Key(
        "ledger",
        LEDGER_URL,
        "Where evidence is kept: a file of this process alone, or a PostgreSQL database that all replicas "
        "share.",
        restart=True,
    ),
)

RULE_KEYS = (
    Key(
        "reads",
        choice("upstream", "shadow", "canary", "engine"),
        "What answers GET, HEAD and read-only function calls: `upstream` alone; the upstream, with a second "
        "opinion from the engine (`shadow`); the engine for the `share` of it, with a second opinion from "
        "the other side on everything (`canary`); or the `engine`, with the upstream for what it cannot "
        "answer.",
    ),
    Key(
        "writes",
        choice("upstream", "rehearse", "engine"),
        "What answers everything that writes (POST, PATCH, PUT, DELETE, calls of functions that may "
        "write): the `upstream` alone; the upstream after a rehearsal on the engine (`rehearse`); or the "
        "`engine`, which the upstream stands in for only where the engine has done nothing at all. **A "
        "rehearsal does the write in a transaction that is rolled back, and only then sends it to the "
        "upstream. What it costs: sequences advance, so that ids have gaps; its locks are held until it is "
        "rolled back; it leaves dead rows to be vacuumed; every write waits for it, up to "
        "`rehearsal.timeout`; triggers and defaults run twice. A client that leaves meanwhile withdraws "
        "its write.** Refused, and treated as `upstream`, where a rollback does not undo all that triggers "
        "do; `understudy check` says why.",
    ),
    Key(
        "sample",
        PERCENTAGE,
        "The share of reads that is mirrored while `reads` is `shadow`; in other modes it waits.",
    ),
    Key(
        "share",
        PERCENTAGE,
        "The share of reads that the engine answers while `reads` is `canary`; in other modes it waits. It "
        "is chosen by client and shape of the request, so that one client sees one side, and a larger share "
        "keeps whom a smaller one had.",
    ),
    Key(
        "verify",
        PERCENTAGE,
        "The share of the engine's answers that is checked against the upstream while `reads` is `engine`; "
        "in other modes it waits.",
    ),
)

SECTIONS = (
    Section(
        "upstream",
        "The real PostgREST. Leave the section out when it is gone: the engine then serves alone, and the "
        "default of `reads` and `writes` is `engine`. It may go, change and come back while the proxy runs; "
        "a file without it is refused as long as the engine has no schema cache.",
        (
            Key(
                "url",
                UPSTREAM_URL,
                "Where PostgREST listens. A path is put before that of every request.",
            ),
            Key(
                "connect_timeout",
                DURATION,
                "How long a connection may take to be made; then 503.",
            ),
            Key("timeout", DURATION, "How long the upstream may be silent; then 504."),
            Key("connections", integer(1, 65536), "The most connections to the upstream."),
            Key(
                "idle_timeout",
                DURATION,
                "When an unused connection is closed. Keep it shorter than PostgREST's own 30 s.",
            ),
        ),
        UpstreamConfig,
    ),
    Section(
        "engine",
        "PostgREST's own options, by its own names, as in `postgrest.conf`. What is left out is taken from "
        "the `PGRST_*` variables by PostgREST's rules, then from its defaults; libpq's `PG*` variables "
        "complete `db-uri`. Lists are texts with commas, or YAML lists. An empty text means *not set* (for "
        "`db-extra-search-path`: no extra schemas). `app.settings.NAME` is passed on to SQL.",
        PROXY_OPTIONS,
        EngineConfig,
        refused=MappingProxyType(
            {
                **{
                    key.name: "an option of an engine without proxy (here: `listen`, `admin`)"
                    for key in OPTIONS
                    if key.alone
                },
                "admin-server-config-enabled": "an option of PostgREST 12 that the engine does not have",
                "jwt-cache-max-lifetime": "an option of PostgREST 12 and 13 that the engine does not have",
            }
        ),
    ),
    Section(
        "defaults",
        "What holds for every table and function that does not say otherwise.",
        RULE_KEYS,
        Rule,
    ),
    Section(
        "tables",
        "Tables and views by name, or `schema.name` where the name alone fits more than one. Names may hold "
        'dots and spaces: put them in quotes as YAML needs it (`"odd name"`). A key is compared with whole '
        "names, with and without their schema, and must fit exactly one.",
        RULE_KEYS,
        Rule,
        named="table",
    ),
    Section(
        "functions",
        "Functions (`/rpc/NAME`), in the same way.",
        RULE_KEYS,
        Rule,
        named="function",
    ),
    Section(
        "shadow",
        "What mirroring may cost. What does not fit is shed at once, and counted.",
        (
            Key("queue", integer(1, 1_000_000), "The most reads that wait for the engine."),
            Key("queue_bytes", SIZE, "The most memory that waiting reads may take."),
            Key(
                "concurrency",
                integer(1, 1000),
                "The most reads that the engine answers at once: one, as long as that keeps up.",
                restart=True,
            ),
            Key("timeout", DURATION, "How long the engine may take for one read."),
            Key("max_body", SIZE, "The largest answer that is compared."),
            Key(
                "budget",
                number(0, words="seconds of database time per second, more than 0"),
                "The most database time that mirroring may take, in seconds per second: with `0.5`, half a "
                "connection is busy on average. It counts what the engine takes for mirrored reads, and what "
                "both sides take for proofs, probes and shrinking. Without it, only `concurrency` limits "
                "that.",
            ),
            Key(
                "breaker",
                number(1, words="a number, more than 1"),
                "Mirroring stops while the upstream takes this many times as long as it usually does, or "
                "while clients wait for a connection of the engine's; it goes on when that is over.",
            ),
            Key(
                "process",
                choice("own", "same"),
                "Where mirrored reads are answered, compared and proven: in a process of their `own`, which "
                "takes no time from clients and some 100 MiB of memory, or in the `same` one.",
                restart=True,
            ),
        ),
        ShadowConfig,
    ),
    Section(
        "compare",
        "How the two answers are compared, and how that is checked.",
        (
            Key(
                "selftest",
                PERCENTAGE,
                "The share of comparisons that is repeated with an answer falsified on purpose, which has to "
                "be found. It never counts as a verdict.",
            ),
            Key(
                "probes",
                PERCENTAGE,
                "The share of reads after which the upstream is asked twice at one moment, once for each "
                "shape, to find what differs on every call. What is found is proposed as a rule, never "
                "ignored.",
            ),
        ),
        CompareConfig,
        lists=(
            Section(
                "ignore",
                "What is not compared, each with a reason and a last day. A rule that has expired is not "
                "applied any more; `/status` on the admin port says which have, and which were never hit.",
                (
                    Key("table", TEXT, "The table or view that is read, by the same names as in `tables`."),
                    Key("function", TEXT, "Or the function that is called."),
                    Key("shape", TEXT, "Only requests of this shape, as `/status` shows it."),
                    Key("path", MEMBER, "The member of its rows that is not compared, in JSON or CSV."),
                    Key("header", HEADER, "Or the header of its answers that is not compared."),
                    Key("reason", REASON, "Why it may differ."),
                    Key("owner", TEXT, "Who knows about it."),
                    Key("expires", DATE, "The last day on which it applies."),
                ),
                IgnoreRule,
                one_of=(("table", "function"), ("path", "header")),
            ),
        ),
    ),
    Section(
        "rehearsal",
        "What a rehearsed write may cost, where `writes` is `rehearse`. What does not fit is not "
        "rehearsed, and counted; the write itself goes on as always.",
        (
            Key(
                "concurrency",
                integer(1, 1000),
                "The most writes that are rehearsed at once, each with a connection of its own.",
                restart=True,
            ),
            Key("timeout", DURATION, "How long a write may wait for its rehearsal."),
            Key(
                "lock_timeout",
                DURATION,
                "How long a rehearsal may wait for a lock. Keep it well below PostgreSQL's "
                "`deadlock_timeout`, so that a rehearsal gives up before a real write could be chosen as "
                "the victim of a deadlock.",
            ),
            Key(
                "statement_timeout",
                DURATION,
                "How long one statement of a rehearsal may take. Keep it below `timeout`.",
            ),
            Key("max_body", SIZE, "The largest request and the largest answer of a rehearsed write."),
        ),
        RehearsalConfig,
    ),
    Section(
        "redact",
        "What is hidden wherever it would be kept: in the ledger, in tapes and in what is shown of them. "
        "Values of headers, parameters and fields that are credentials by their name, tokens and the "
        "passwords of URLs always are.",
        (
            Key(
                "columns",
                COLUMNS,
                "Columns that are hidden, in answers, filters and error texts, under whatever alias. "
                "Whatever else has the name of such a column is hidden with it.",
            ),
        ),
        RedactConfig,
    ),
    Section(
        "readiness",
        "When a table counts as ready to be promoted. The bound on mismatches holds at every look: the "
        "chance that a table which mismatches more often is ever called ready is at most 1 - `confidence`. "
        "One open kind of mismatch is one too many, whatever its rate.",
        (
            Key("max_mismatch_rate", FRACTION, "What the share of mismatches has to be shown to be below."),
            Key("confidence", FRACTION, "How sure that has to be."),
            Key(
                "max_unseen_shapes",
                FRACTION,
                "How likely the next read may be of a shape that was never compared.",
            ),
            Key(
                "max_latency_ratio",
                FACTOR,
                "What the engine's time, divided by the upstream's for the same read, has to be below.",
            ),
            Key(
                "max_undecided",
                FRACTION,
                "The share of reads that may end undecided: order left open, races, volatile values.",
            ),
            Key(
                "max_unanswered",
                FRACTION,
                "The share of reads that the engine may leave unanswered, since it cannot or failed.",
            ),
            Key("min_period", PERIOD, "How long the evidence has to reach back."),
            Key("max_age", PERIOD, "How old the newest compared read may be."),
        ),
        ReadinessConfig,
    ),
    Section(
        "guard",
        "When a table whose reads the engine answers (`canary`, `engine`) is put back into `shadow`, until a "
        "person re-arms it. Without an upstream that can be reached there is nothing to go back to, and the "
        "guard only alarms.",
        (
            Key("window", DURATION, "How far the guard looks back."),
            Key("max_error_rate", FRACTION, "The share of the engine's reads that may fail or time out."),
            Key("max_slow_rate", FRACTION, "The share of the engine's answers that may be slow."),
            Key("slow", DURATION, "From when on an answer is slow."),
            Key("min_errors", integer(1, 1_000_000), "How many it takes before a share is looked at."),
            Key(
                "max_mismatches",
                integer(0, 1_000_000),
                "How many proven mismatches may be within the window.",
            ),
        ),
        GuardConfig,
    ),
    Section(
        "console",
        "Who may use the admin port: the console and whatever else is not for probes and Prometheus "
        "(`/live`, `/ready` and `/metrics` are open to all who can reach it).",
        (),
        ConsoleConfig,
        lists=(
            Section(
                "operators",
                "Each gives the secret as a token (`Authorization: Bearer`), as the password that a browser "
                "asks for, or in the header `X-Operator-Secret`. Without operators a port on a loopback "
                "address is open to this machine, and one on any other address is closed. One name may stand "
                "here twice, with a former and a new secret.",
                (
                    Key("name", OPERATOR, "Who it is, as written down beside what they change."),
                    Key("secret", SECRET, "What only they know."),
                ),
                Operator,
            ),
        ),
    ),
    LIMITS,
    LOG,
)

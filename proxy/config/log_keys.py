"""The keys of ``log``: what is written of what happens, and how."""

from proxy.config.kinds import HEADER, SWITCH, Key, choice
from proxy.config.section import Section
from proxy.config.values import LogConfig

LOG = Section(
    "log",
    "What is written to standard error: what an operator should notice and, if wanted, each request. A line "
    "holds the shape of a request and never its values.",
    (
        Key(
            "format",
            choice("console", "json"),
            "Lines for people, or one JSON object on each line for whatever gathers logs.",
        ),
        Key("level", choice("info", "warning", "error"), "The least level that is written."),
        Key(
            "requests",
            SWITCH,
            "One line for each request of a client, whatever the level: shape, table, mode, who answered, "
            "status, milliseconds, and the ids of request and trace that it came with.",
        ),
        Key(
            "request_id",
            HEADER,
            "The header by which requests are named. It passes as it is, and its value is in the log.",
        ),
        Key(
            "add_request_id",
            SWITCH,
            "Whether a request without that header gets one, made at random, which the upstream and the "
            "engine see. The client sees it if `server-trace-header` names the header. Otherwise nothing is "
            "ever added to a request.",
        ),
        Key(
            "spans",
            SWITCH,
            "Whether spans are exported by OpenTelemetry: of each request, of each side's part in it, of the "
            "mirror and of the comparison, in the trace that `traceparent` names. Where to, and which "
            "share, is said by the `OTEL_*` variables. It needs `pip install 'understudy[otel]'`.",
            restart=True,
        ),
    ),
    LogConfig,
)

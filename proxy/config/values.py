"""The configuration as frozen values: what ``understudy.yaml`` and the ``PGRST_*`` settings come to.

Durations are seconds, sizes are bytes, samples are percentages from 0 to 100.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Literal, TypeAlias

ReadMode: TypeAlias = Literal["upstream", "shadow", "canary", "engine"]
WriteMode: TypeAlias = Literal["upstream", "rehearse", "engine"]
Compat: TypeAlias = Literal["12", "13", "14"]
OpenApiMode: TypeAlias = Literal["follow-privileges", "ignore-privileges", "disabled"]
TransactionEnd: TypeAlias = Literal["commit", "commit-allow-override", "rollback", "rollback-allow-override"]
LogLevel: TypeAlias = Literal["crit", "error", "warn", "info", "debug"]
LogFormat: TypeAlias = Literal["console", "json"]
LeastLevel: TypeAlias = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class UpstreamConfig:
    """The real PostgREST. ``idle_timeout`` is shorter than PostgREST's own keep-alive of 30 s."""

    url: str
    connect_timeout: float = 2.0
    timeout: float = 30.0
    connections: int = 512
    idle_timeout: float = 15.0


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """PostgREST's own options under its own names, dashes as underscores (reference 12.2).

    ``app_settings`` are pairs of full name (``app.settings.quota``) and value, in the order of names.
    ``jwt_secret`` is the text as configured, or what its ``@file`` holds, not yet decoded from base64.
    A text may hold lone surrogates where a file or variable was not UTF-8 (``surrogateescape``).
    """

    db_uri: str = "postgresql://"
    db_replica_uri: str | None = None
    db_replica_max_lag: float = 5.0
    db_schemas: tuple[str, ...] = ("public",)
    db_anon_role: str | None = None
    db_extra_search_path: tuple[str, ...] = ("public",)
    db_max_rows: int | None = None
    db_aggregates_enabled: bool = False
    db_plan_enabled: bool = False
    db_pre_request: str | None = None
    db_pre_config: str | None = None
    db_config: bool = True
    db_root_spec: str | None = None
    db_tx_end: TransactionEnd = "commit"
    db_hoisted_tx_settings: tuple[str, ...] = (
        "statement_timeout",
        "plan_filter.statement_cost_limit",
        "default_transaction_isolation",
    )
    db_prepared_statements: bool = True
    db_channel: str = "pgrst"
    db_channel_enabled: bool = True
    db_pool: int = 10
    db_pool_acquisition_timeout: float = 10.0
    db_pool_max_idletime: float = 30.0
    db_pool_max_lifetime: float = 1800.0
    db_pool_automatic_recovery: bool = True
    jwt_secret: str | None = None
    jwt_secret_is_base64: bool = False
    jwt_aud: str | None = None
    jwt_role_claim_key: str = ".role"
    jwt_cache_max_entries: int = 1000
    app_settings: tuple[tuple[str, str], ...] = ()
    log_level: LogLevel = "error"
    log_query: bool = False
    openapi_mode: OpenApiMode = "follow-privileges"
    openapi_security_active: bool = False
    openapi_server_proxy_uri: str | None = None
    server_host: str = "!4"
    server_port: int = 3000
    server_unix_socket: str | None = None
    server_unix_socket_mode: int = 0o660
    server_cors_allowed_origins: tuple[str, ...] | None = None
    server_timing_enabled: bool = False
    server_trace_header: str | None = None
    admin_server_host: str | None = None
    admin_server_port: int | None = None
    compat: Compat = "14"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a table's or function's reads and writes do now, and three percentages of its reads.

    ``sample`` is mirrored in ``shadow``, ``share`` is answered by the engine in ``canary``, and ``verify`` is
    asked of the upstream as well in ``engine``.
    """

    reads: ReadMode = "shadow"
    writes: WriteMode = "upstream"
    sample: float = 100.0
    share: float = 10.0
    verify: float = 0.0


@dataclass(frozen=True, slots=True)
class ShadowConfig:
    """What the mirror may cost: queue length and bytes, workers, seconds and body size per read.

    ``budget`` is in seconds of database time per second. ``breaker`` is how many times its usual latency the
    upstream may take. ``process`` says where mirrored reads are settled: in one of their ``own``, or in the
    ``same`` as clients.
    """

    queue: int = 1000
    queue_bytes: int = 64 * 1024 * 1024
    concurrency: int = 16
    timeout: float = 5.0
    max_body: int = 1024 * 1024
    budget: float | None = None
    breaker: float = 5.0
    process: str = "own"


@dataclass(frozen=True, slots=True)
class IgnoreRule:
    """A member of a table's or function's rows, or a header, that is not compared: why, and until when.

    ``shape`` narrows it to the requests of one shape. ``expires`` is the last day on which it applies.
    """

    reason: str
    expires: date
    table: str | None = None
    function: str | None = None
    shape: str | None = None
    path: str | None = None
    header: str | None = None
    owner: str | None = None

    @property
    def name(self) -> str:
        """What metrics and reports call it."""
        subject = f"rpc/{self.function}" if self.table is None else self.table
        what = f"header {self.header}" if self.path is None else self.path
        return f"{subject}: {what}" + (f" in {self.shape}" if self.shape else "")


@dataclass(frozen=True, slots=True)
class CompareConfig:
    """How answers are compared. The shares, in percent, are those of what is checked beside it."""

    selftest: float = 1.0
    probes: float = 0.1
    ignore: tuple[IgnoreRule, ...] = ()


@dataclass(frozen=True, slots=True)
class RehearsalConfig:
    """What a rehearsal may cost the client whose write it is, and the database.

    ``timeout`` is how long the write may wait for its rehearsal, the other two are the database's own limits
    within it. ``max_body`` bounds the bodies of both messages.
    """

    concurrency: int = 4
    timeout: float = 1.0
    lock_timeout: float = 0.1
    statement_timeout: float = 0.5
    max_body: int = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ReadinessConfig:
    """When a table may be promoted. Rates and shares are fractions from 0 to 1, as is ``confidence``.

    ``min_period`` is how long the evidence has to reach back, ``max_age`` how old its newest read may be.
    """

    max_mismatch_rate: float = 0.001
    confidence: float = 0.95
    max_unseen_shapes: float = 0.001
    max_latency_ratio: float = 1.2
    max_undecided: float = 0.1
    max_unanswered: float = 0.01
    min_period: float = 86400.0
    max_age: float = 7 * 86400.0


@dataclass(frozen=True, slots=True)
class GuardConfig:
    """When a table that the engine answers for is put back. Rates are fractions from 0 to 1.

    Both rates are of what the engine was asked within ``window``, and count from ``min_errors`` bad ones on.
    """

    window: float = 60.0
    max_error_rate: float = 0.01
    max_slow_rate: float = 0.05
    slow: float = 1.0
    min_errors: int = 5
    max_mismatches: int = 0


@dataclass(frozen=True, slots=True)
class LogConfig:
    """How the log is written. ``request_id`` is the header that names a request."""

    format: LogFormat = "console"
    level: LeastLevel = "info"
    requests: bool = False
    request_id: str = "X-Request-ID"
    add_request_id: bool = False
    spans: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """What the front door accepts. ``line`` is the request line, ``headers`` all header lines together.

    The defaults are no lower than PostgREST's own (its web server takes 50 KiB of request head). A connection
    is kept idle for longer than PostgREST's 30 s and common ingresses' 60 s.
    """

    line: int = 64 * 1024
    headers: int = 64 * 1024
    header_count: int = 1000
    body: int | None = None
    connections: int = 4096
    head_timeout: float = 30.0
    body_timeout: float = 30.0
    answer_timeout: float = 60.0
    idle_timeout: float = 75.0


@dataclass(frozen=True, slots=True)
class RedactConfig:
    """What is hidden wherever it would be kept or shown, beside what always is.

    ``columns`` are written ``table.column`` or ``schema.table.column``.
    """

    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody, or some program, that may use the console and the rest of the admin port."""

    name: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ConsoleConfig:
    """Who may use the admin port. Without ``operators``: whoever can reach it, if it is a loopback address.

    Two operators of one name are one with two secrets, so that a secret can be exchanged for another.
    """

    operators: tuple[Operator, ...] = ()


@dataclass(frozen=True, slots=True)
class Config:
    """Everything, validated. ``tables`` and ``functions`` are keyed as written in the file.

    Without an ``upstream`` the engine serves alone, and ``defaults`` say so.
    """

    listen: Address = Address("127.0.0.1", 3000)
    admin: Address = Address("127.0.0.1", 3001)
    workers: int = 1
    upstream: UpstreamConfig | None = None
    engine: EngineConfig = field(default_factory=EngineConfig)
    defaults: Rule = field(default_factory=Rule)
    tables: Mapping[str, Rule] = field(default_factory=lambda: MappingProxyType({}))
    functions: Mapping[str, Rule] = field(default_factory=lambda: MappingProxyType({}))
    shadow: ShadowConfig = field(default_factory=ShadowConfig)
    rehearsal: RehearsalConfig = field(default_factory=RehearsalConfig)
    readiness: ReadinessConfig = field(default_factory=ReadinessConfig)
    guard: GuardConfig = field(default_factory=GuardConfig)
    limits: Limits = field(default_factory=Limits)
    redact: RedactConfig = field(default_factory=RedactConfig)
    ledger: str = "sqlite:///understudy.db"
    compare: CompareConfig = field(default_factory=CompareConfig)
    console: ConsoleConfig = field(default_factory=ConsoleConfig)
    log: LogConfig = field(default_factory=LogConfig)

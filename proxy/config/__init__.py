"""The configuration: one YAML text (or PostgREST's own settings) becomes frozen, validated values.

values       What everyone else knows: ``Config`` and its parts, with their defaults.
kinds        Kinds of scalar: durations, sizes, addresses, ...; what is allowed, and text to value.
places       Kinds that say where something is: addresses, URLs.
section      A mapping in the file, described.
log_keys     The keys of ``log``.
keys         The keys of ``understudy.yaml``: one table for parser, JSON Schema and documentation.
limits       The keys of ``limits``.
options      PostgREST's options: the ``engine:`` section's part of that table.
paths        Paths to members of rows.
substitution ``${VAR}`` in values.
document     YAML text to nodes that know their line; the faults of YAML itself.
reader       ``read_config``: nodes, checked against the tables, to ``Config``.
engine       ``read_options``, ``read_standalone``: PostgREST's options from several sources.
in_database  ``read_database``: PostgREST's options that are kept in the database.
dump         ``dump_config``, ``example_config``: the options as lines of a ``postgrest.conf``.
complaints   What is wrong with an option, in PostgREST's words.
postgrest    ``read_postgrest_conf``: the lines of a ``postgrest.conf``.
names        Which table or function a key means; ``check_names``.
edit         ``set_rule``: one rule of the file's text changed, and not a byte beside it.
change       What a new configuration changes, and what of it has to wait for a restart.
reference    JSON Schema and ``docs/configuration.md``, made from the tables.

Nothing here reads files, the environment or a clock: those come in as arguments.
"""

from proxy.config.values import (
    Address,
    CompareConfig,
    Compat,
    Config,
    ConsoleConfig,
    EngineConfig,
    GuardConfig,
    IgnoreRule,
    LeastLevel,
    Limits,
    LogConfig,
    LogFormat,
    LogLevel,
    OpenApiMode,
    Operator,
    ReadinessConfig,
    ReadMode,
    RedactConfig,
    RehearsalConfig,
    Rule,
    ShadowConfig,
    TransactionEnd,
    UpstreamConfig,
    WriteMode,
)

__all__ = [
    "Address",
    "CompareConfig",
    "Compat",
    "Config",
    "ConsoleConfig",
    "EngineConfig",
    "GuardConfig",
    "IgnoreRule",
    "LeastLevel",
    "Limits",
    "LogConfig",
    "LogFormat",
    "LogLevel",
    "OpenApiMode",
    "Operator",
    "ReadMode",
    "ReadinessConfig",
    "RedactConfig",
    "RehearsalConfig",
    "Rule",
    "ShadowConfig",
    "TransactionEnd",
    "UpstreamConfig",
    "WriteMode",
]

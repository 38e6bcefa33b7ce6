"""The options as lines of a ``postgrest.conf``: what is in force, and an example to start from.

Source: PostgREST 14, reference 12.1 (``--dump-config`` and ``--example``).
"""

import base64
import re
from collections.abc import Callable, Iterator
from typing import Any

from proxy.config.options import OPTIONS
from proxy.config.values import EngineConfig

_ROLE_STEP = re.compile(r"\.([\w$@]+)")


def dump_config(options: EngineConfig) -> str:
    """Every option with its value, the secret included, so that it can be read again."""
    lines = (f"{name} = {_show(name, options)}" for name in _ORDER)
    application = (f"{name} = {_quote(value)}" for name, value in options.app_settings)
    return "".join(f"{line}\n" for line in (*lines, *application))


def example_config() -> str:
    """A file with every option at its default, explained."""
    return "\n".join(_explain_options())


def _explain_options() -> Iterator[str]:
    defaults = EngineConfig()
    help_of = {key.name: key.help for key in OPTIONS}
    for name in _ORDER:
        shown = _show(name, defaults)
        yield f"## {help_of[name]}"
        yield f"# {name} = {shown}" if shown == '""' else f"{name} = {shown}"
        yield ""


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _show(name: str, options: EngineConfig) -> str:
    special = _SPECIAL.get(name)
    if special is not None:
        return special(options)
    value: Any = getattr(options, name.replace("-", "_"))
    if value is None:
        return '""'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(int(value))
    return _quote(",".join(value) if isinstance(value, tuple) else value)


def _show_role_path(options: EngineConfig) -> str:
    """The path with every key in quotes; text in quotes is left alone."""
    parts = re.split(r'("[^"]*")', options.jwt_role_claim_key)
    return _quote("".join(part if n % 2 else _ROLE_STEP.sub(r'."\1"', part) for n, part in enumerate(parts)))


def _show_secret(options: EngineConfig) -> str:
    secret = options.jwt_secret or ""
    if options.jwt_secret_is_base64:
        translated = secret.strip().translate(str.maketrans("_-.", "/+="))
        secret = base64.b64encode(base64.b64decode(translated)).decode()
    return _quote(secret)


_SPECIAL: dict[str, Callable[[EngineConfig], str]] = {
    "jwt-role-claim-key": _show_role_path,
    "jwt-secret": _show_secret,
    "server-unix-socket-mode": lambda options: f'"{options.server_unix_socket_mode:o}"',
    "admin-server-host": lambda options: _quote(options.admin_server_host or options.server_host),
}

_ORDER = (
    "db-aggregates-enabled",
    "db-anon-role",
    "db-channel",
    "db-channel-enabled",
    "db-extra-search-path",
    "db-hoisted-tx-settings",
    "db-max-rows",
    "db-plan-enabled",
    "db-pool",
    "db-pool-acquisition-timeout",
    "db-pool-max-lifetime",
    "db-pool-max-idletime",
    "db-pool-automatic-recovery",
    "db-pre-request",
    "db-prepared-statements",
    "db-root-spec",
    "db-schemas",
    "db-config",
    "db-pre-config",
    "db-tx-end",
    "db-uri",
    "jwt-aud",
    "jwt-role-claim-key",
    "jwt-secret",
    "jwt-secret-is-base64",
    "jwt-cache-max-entries",
    "log-level",
    "log-query",
    "openapi-mode",
    "openapi-security-active",
    "openapi-server-proxy-uri",
    "server-cors-allowed-origins",
    "server-host",
    "server-port",
    "server-trace-header",
    "server-timing-enabled",
    "server-unix-socket",
    "server-unix-socket-mode",
    "admin-server-host",
    "admin-server-port",
)

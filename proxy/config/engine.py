"""PostgREST's options from several sources, by PostgREST's rules (reference 12.1 and 12.2)."""

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, TypeAlias

from proxy.config.document import Place, quoted
from proxy.config.kinds import (
    Key,
    OutOfRange,
)
from proxy.config.options import APP_SETTINGS, OPTIONS
from proxy.config.values import EngineConfig
from proxy.errors import ConfigError, Problem

ReadFile: TypeAlias = Callable[[str], bytes]
"""Gives the content of the file at a path; raises ``OSError``. Reading is left to the caller."""

_SHORTEST_SECRET = 32
_FILE_OPTIONS = ("db-uri", "db-replica-uri", "jwt-secret")


@dataclass(frozen=True, slots=True)
class Setting:
    """The text of one option, where it stands, and how it may be shown.

    ``lenient``: a number or boolean that cannot be parsed gives the default, as it does in PostgREST.
    """

    text: str
    place: Place
    shown: str
    lenient: bool = False


Settings: TypeAlias = Mapping[str, Setting]


def read_options(
    given: Mapping[str, str], environ: Mapping[str, str], read_file: ReadFile | None = None
) -> EngineConfig:
    """The options in ``given``, by PostgREST's names; ``PGRST_*`` variables of ``environ`` fill the gaps.

    ``@file`` in ``db-uri`` and ``jwt-secret`` is read with ``read_file``. Raises ``ConfigError``; options
    that PostgREST does not have are a fault in ``given`` and ignored in ``environ``.
    """
    known = {name for key in OPTIONS for name in (key.name, key.alias)}
    problems = [
        Place("options", 0, (name,)).problem("an unknown option", ", ".join(key.name for key in OPTIONS))
        for name in given
        if name not in known and not name.startswith(APP_SETTINGS)
    ]
    if problems:
        raise ConfigError(problems)
    settings = {
        name: Setting(text, Place("options", 0, (name,)), quoted(text)) for name, text in given.items()
    }
    return make_engine_config(
        {**canonical(read_environment(environ, OPTIONS)), **canonical(settings)}, read_file=read_file
    )


def read_standalone(
    settings: Settings,
    environ: Mapping[str, str],
    read_file: ReadFile | None = None,
    *,
    database: Settings = MappingProxyType({}),
    db_uri: str | None = None,
) -> EngineConfig:
    """The options of an engine without a proxy: the database's, the environment's, a file's, the defaults.

    ``settings`` are those of ``read_postgrest_conf``, ``database`` those of ``read_database``. With
    ``db_uri`` it is what the engine is connected to already. Raises ``ConfigError``.
    """
    merged = canonical({**settings, **read_environment(environ, OPTIONS), **database})
    if db_uri is not None:
        merged.pop("db-uri", None)
    config = make_engine_config(merged, read_file=read_file)
    if config.admin_server_port and config.admin_server_port == config.server_port:
        place = merged["admin-server-port"].place
        raise ConfigError([place.problem(str(config.server_port), "a port other than server-port")])
    return config if db_uri is None else replace(config, db_uri=db_uri)


def read_environment(environ: Mapping[str, str], keys: Iterable[Key]) -> Settings:
    """The settings of ``keys`` that stand in ``PGRST_*`` variables, and those of the application."""
    settings = {}
    for key in keys:
        for name in filter(None, (key.name, key.alias)):
            variable = "PGRST_" + name.upper().replace("-", "_")
            if variable in environ:
                settings[name] = _from_variable(variable, environ[variable])
    prefix = "PGRST_APP_SETTINGS_"
    for variable, text in environ.items():
        if variable.startswith(prefix) and variable != prefix:
            settings[APP_SETTINGS + variable.removeprefix(prefix)] = _from_variable(variable, text)
    return settings


def _from_variable(variable: str, text: str) -> Setting:
    return Setting(text, Place("environment", 0, (variable,)), quoted(text), lenient=True)


def canonical(settings: Settings) -> dict[str, Setting]:
    """``settings`` under their present names. An empty text gives way to the other name's."""
    result = {name: setting for name, setting in settings.items() if name.startswith(APP_SETTINGS)}
    for key in OPTIONS:
        names = (key.alias, key.name) if key.alias_wins else (key.name, key.alias)
        found = [settings[name] for name in names if name in settings]
        if found:
            result[key.name] = next((setting for setting in found if setting.text), found[0])
    return result


def make_engine_config(settings: Settings, read_file: ReadFile | None) -> EngineConfig:
    """The options that ``settings``, under their present names, come to. Raises ``ConfigError``."""
    problems: list[Problem] = []
    values: dict[str, Any] = {
        "app_settings": tuple(
            (name, setting.text)
            for name, setting in sorted(settings.items())
            if name.startswith(APP_SETTINGS)
        )
    }
    for key in OPTIONS:
        setting = settings.get(key.name)
        if setting is None or not (setting.text or key.allow_empty):
            continue
        try:
            text = _read_reference(setting.text, read_file) if key.name in _FILE_OPTIONS else setting.text
            values[key.field] = key.kind.read(text)
        except _Unreadable as error:
            problems.append(setting.place.problem(str(error), key.kind.allowed))
        except ValueError as error:
            if not (setting.lenient and key.kind.lenient) or isinstance(error, OutOfRange):
                shown = "a value that is not shown" if key.kind.secret else setting.shown
                problems.append(setting.place.problem(shown, key.kind.allowed))
    config = EngineConfig(**_without_empty(values))
    if config.jwt_secret is not None and (fault := _secret_fault(config)) is not None:
        problems.append(settings["jwt-secret"].place.problem(*fault))
    if problems:
        raise ConfigError(problems)
    return config


def _without_empty(values: dict[str, Any]) -> dict[str, Any]:
    """Lists without items mean the default, but for the extra search path and ``app.settings``."""
    meant = ("app_settings", "db_extra_search_path")
    return {field: value for field, value in values.items() if value != () or field in meant}


class _Unreadable(Exception):
    """The file that an option names cannot be read."""


def _read_reference(text: str, read_file: ReadFile | None) -> str:
    """``text``, or the content of the file it names after an ``@``, without one final newline."""
    if not text.startswith("@"):
        return text
    if read_file is None:
        raise _Unreadable("a file, which cannot be read here")
    try:
        content = read_file(text[1:])
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a path"
        raise _Unreadable(f"a file that cannot be read ({reason})") from None
    return content.removesuffix(b"\n").decode("utf-8", "surrogateescape")


def _secret_fault(config: EngineConfig) -> tuple[str, str] | None:
    """What is wrong with a secret, and what is allowed, if PostgREST would not start (reference 10.2)."""
    secret = (config.jwt_secret or "").encode("utf-8", "surrogateescape")
    if config.jwt_secret_is_base64:
        try:
            translated = secret.strip().translate(bytes.maketrans(b"_-.", b"/+="))
            secret = base64.b64decode(translated, validate=True)
        except ValueError:
            return "a value that is not base64", "base64, or jwt-secret-is-base64: false"
    if config.compat == "12" or len(secret) >= _SHORTEST_SECRET or _is_key(secret):
        return None
    return f"a secret of {len(secret)} bytes", f"{_SHORTEST_SECRET} bytes or more, a JWK or a JWK set"


def _is_key(secret: bytes) -> bool:
    """Whether ``secret`` is a JSON Web Key or a set of them (RFC 7517, sections 4 and 5)."""
    try:
        document = json.loads(secret)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and ("kty" in document or "keys" in document)

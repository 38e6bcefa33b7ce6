"""The configuration in force as it may be shown: every key with its value, and no secret."""

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from proxy.config import Config, EngineConfig, Rule
from proxy.config.keys import SECTIONS, TOP_KEYS
from proxy.config.kinds import Key
from proxy.config.options import APP_SETTINGS
from proxy.config.section import Section
from proxy.shadow.scrub import scrub

HIDDEN = "(hidden)"


@dataclass(frozen=True, slots=True)
class ShownKey:
    """One key; ``value`` is None where it is not set. ``default``: it has the value of a key left out."""

    name: str
    value: str | None
    default: bool
    help: str
    restart: bool


@dataclass(frozen=True, slots=True)
class ShownSection:
    """One mapping of the file, or one item of a list in it."""

    name: str
    help: str
    keys: tuple[ShownKey, ...]


def show_configuration(config: Config) -> tuple[ShownSection, ...]:
    """Everything in the order of the documentation; of tables and functions what the defaults do not say."""
    return (ShownSection("", "", _show_keys(TOP_KEYS, config, Config())), *_show_sections(config))


def _show_sections(config: Config) -> Iterator[ShownSection]:
    for section in SECTIONS:
        values = getattr(config, section.name)
        if section.named:
            for name, rule in values.items():
                keys = _show_keys(section.keys, rule, config.defaults)
                told = tuple(key for key in keys if not key.default)
                yield ShownSection(f"{section.name}.{name}", "", told)
        elif values is None:
            yield ShownSection(section.name, section.help, ())
        else:
            yield ShownSection(section.name, section.help, _show_section(section, values))
            for part in section.lists:
                for number, item in enumerate(getattr(values, part.name), 1):
                    yield ShownSection(
                        f"{section.name}.{part.name}.{number}", "", _show_keys(part.keys, item, None)
                    )


def _show_section(section: Section, values: Any) -> tuple[ShownKey, ...]:
    defaults = Rule() if section.values is Rule else _make_defaults(section.values)
    keys = _show_keys(section.keys, values, defaults)
    if isinstance(values, EngineConfig):
        # What they are for is known to SQL alone; some hold secrets.
        return (
            *keys,
            *(ShownKey(name, HIDDEN, False, f"{APP_SETTINGS}*", False) for name, _ in values.app_settings),
        )
    return keys


def _make_defaults(values: type[Any]) -> dict[str, Any]:
    return {
        field.name: field.default if field.default is not dataclasses.MISSING else None
        for field in dataclasses.fields(values)
    }


def _show_keys(keys: Iterable[Key], values: Any, defaults: Any) -> tuple[ShownKey, ...]:
    def default_of(key: Key) -> Any:
        return defaults.get(key.field) if isinstance(defaults, dict) else getattr(defaults, key.field, None)

    return tuple(
        ShownKey(key.name, _show(key, value), value == default_of(key), key.help, key.restart)
        for key in keys
        for value in (getattr(values, key.field),)
    )


def _show(key: Key, value: Any) -> str | None:
    if value is None:
        return None
    if key.kind.secret:
        text = str(value)
        return text if text.startswith("sqlite:") else HIDDEN
    return scrub(key.kind.show(value))

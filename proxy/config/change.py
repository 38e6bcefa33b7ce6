"""What of a new configuration can be in force at once, and what has to wait for the next start."""

import dataclasses
from typing import Any

from proxy.config.keys import SECTIONS, TOP_KEYS
from proxy.config.values import Config, Rule

_RULES = tuple(section.name for section in SECTIONS if section.values is Rule)


def merge_change(running: Config, wanted: Config) -> tuple[Config, tuple[str, ...]]:
    """The configuration to put in force now, and the dotted keys whose change waits for a restart.

    What needs a restart keeps its ``running`` value, so that the configuration in force always says what
    is done. An upstream that appears or disappears waits, and the rules wait with it: they mean something
    else without one.
    """
    waiting_fields = [key.field for key in TOP_KEYS]
    if (running.upstream is None) != (wanted.upstream is None):
        waiting_fields += ["upstream", *_RULES]
    kept: dict[str, Any] = {field: getattr(running, field) for field in waiting_fields}
    waiting = [field for field in waiting_fields if getattr(wanted, field) != kept[field]]
    for section in SECTIONS:
        before, after = getattr(running, section.name), getattr(wanted, section.name)
        if section.name in kept or section.values is Rule or after is None:
            continue
        frozen = {key.field: getattr(before, key.field) for key in section.keys if key.restart}
        kept[section.name] = dataclasses.replace(after, **frozen)
        waiting += [
            f"{section.name}.{key.name}"
            for key in section.keys
            if key.restart and getattr(after, key.field) != frozen[key.field]
        ]
    return dataclasses.replace(wanted, **kept), tuple(waiting)

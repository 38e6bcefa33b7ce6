"""What of a new configuration can be in force at once, and what has to wait for the next start."""

import dataclasses
from typing import Any

from proxy.config.keys import SECTIONS, TOP_KEYS
from proxy.config.values import Config, Rule, UpstreamConfig


def merge_change(running: Config, wanted: Config) -> tuple[Config, tuple[str, ...]]:
    """The configuration to put in force now, and the dotted keys whose change waits for a restart.

    What needs a restart keeps its ``running`` value, so that the configuration in force always says what
    is done.
    """
    kept: dict[str, Any] = {key.field: getattr(running, key.field) for key in TOP_KEYS}
    waiting = [field for field, value in kept.items() if getattr(wanted, field) != value]
    for section in SECTIONS:
        if section.values in (Rule, UpstreamConfig):
            continue
        before, after = getattr(running, section.name), getattr(wanted, section.name)
        frozen = {key.field: getattr(before, key.field) for key in section.keys if key.restart}
        kept[section.name] = dataclasses.replace(after, **frozen)
        waiting += [
            f"{section.name}.{key.name}"
            for key in section.keys
            if key.restart and getattr(after, key.field) != frozen[key.field]
        ]
    return dataclasses.replace(wanted, **kept), tuple(waiting)

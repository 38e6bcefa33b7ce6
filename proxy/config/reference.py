"""The documentation of ``understudy.yaml``, made from the table of keys that also reads it.

``python -m proxy.config.reference docs`` writes ``configuration.md`` and ``understudy.schema.json`` into
the folder ``docs``.
"""

import dataclasses
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from proxy.config.keys import SECTIONS, TOP_KEYS
from proxy.config.kinds import (
    Key,
)
from proxy.config.options import APP_SETTINGS
from proxy.config.reader import is_required
from proxy.config.section import Section
from proxy.config.values import Config, EngineConfig

_INTRODUCTION = """\
# `understudy.yaml`

<!-- Made by `make docs` from the table of keys in proxy/config; do not edit. -->

The file is YAML. It is read again when it changes: what it says is in force within a second, without a
restart and all at once. A file with a fault is refused as a whole, with file, line, key, what was found and
what is allowed, and the last good one stays in force. Keys marked *restart* wait for the next start.

- **Durations** have a unit: `500ms`, `2s`, `10m`, `1h`; a plain number is seconds.
- **Sizes** have a unit: `64MiB`, `1MB`; a plain number is bytes.
- **Variables**: `${NAME}` in any value is replaced by the environment variable, which must be set;
  `${NAME:-text}` takes `text` when it is unset or empty; `$${` stands for `${`.
- Unknown keys, keys that stand twice, and tables or functions that the database does not have are faults.
- A file that is empty, or that cannot be read, changes nothing.
- Files named by `@file` are read with the configuration: at the start, when `understudy.yaml` changes, and on
  SIGHUP.

`understudy check --config understudy.yaml` says what a file would do.
[understudy.schema.json](understudy.schema.json) is its JSON Schema, for editors.

```yaml
listen: 0.0.0.0:3000
admin: 127.0.0.1:3001

upstream:
  url: http://postgrest:3000

engine:
  db-uri: postgresql://authenticator:${DB_PASSWORD}@db/app
  db-schemas: api
  db-anon-role: web_anon

defaults: {reads: shadow}

tables:
  items: {reads: engine}
  events: {reads: shadow, sample: 10}
  api.audit: {reads: upstream}
```
"""


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 7, which editors know best) of the file."""
    properties = {key.name: _value_schema(key, Config) for key in TOP_KEYS}
    properties |= {section.name: _section_schema(section) for section in SECTIONS}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "understudy.yaml",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "definitions": {
            "substituted": {"description": "A text with ${VAR} in it.", "type": "string", "pattern": r"\$\{"}
        },
    }


def _section_schema(section: Section) -> dict[str, Any]:
    if section.named:
        rule = {**_keys_schema(section), "type": ["object", "null"]}
        return {
            "description": section.help,
            "type": ["object", "null"],
            "additionalProperties": rule,
            "propertyNames": {"minLength": 1},
        }
    return {"description": section.help, **_keys_schema(section)}


def _keys_schema(section: Section) -> dict[str, Any]:
    required = [key.name for key in section.keys if is_required(section.values, key)]
    schema: dict[str, Any] = {
        "type": "object" if required else ["object", "null"],
        "additionalProperties": False,
        "properties": {key.name: _value_schema(key, section.values) for key in section.keys},
    }
    if required:
        schema["required"] = required
    for part in section.lists:
        items = {**_keys_schema(part), "type": "object"}
        schema["properties"][part.name] = {
            "description": part.help,
            "anyOf": [{"type": "null"}, {"type": "array", "items": items}],
        }
    if section.one_of:
        schema["allOf"] = [
            part
            for pair in section.one_of
            for part in (
                {"anyOf": [{"required": [name]} for name in pair]},
                {"not": {"type": "object", "required": list(pair)}},
            )
        ]
    aliases = {key.alias: key for key in section.keys if key.alias}
    if aliases:
        for alias, key in aliases.items():
            schema["properties"][alias] = {
                **_value_schema(key, section.values),
                "description": f"Older name of {key.name}.",
            }
        schema["allOf"] = [
            {"not": {"type": "object", "required": [key.name, alias]}} for alias, key in aliases.items()
        ]
        schema["patternProperties"] = {
            f"^{APP_SETTINGS.replace('.', '[.]')}.": {"type": ["string", "number", "boolean"]}
        }
    return schema


def _value_schema(key: Key, values: type[Any]) -> dict[str, Any]:
    alternatives = [key.kind.schema, {"$ref": "#/definitions/substituted"}]
    if values is EngineConfig:
        alternatives.append({"const": ""})
    schema: dict[str, Any] = {"description": key.help, "anyOf": alternatives}
    default = _default(key, values)
    if default is not None:
        schema["default"] = default
    return schema


def _default(key: Key, values: type[Any]) -> str | None:
    """The default as it would stand in the file, or None when there is none."""
    field = next(field for field in dataclasses.fields(values) if field.name == key.field)
    default = field.default
    return None if default is dataclasses.MISSING or default is None else key.kind.show(default)


def render_documentation() -> str:
    """The page ``docs/configuration.md``."""
    lines = [_INTRODUCTION, "## Top level", "", *_table(TOP_KEYS, Config)]
    for section in SECTIONS:
        title = f"{section.name}.<{section.named}>" if section.named else section.name
        lines += ["", f"## `{title}`", "", section.help, ""]
        if section.named:
            lines.append("The keys are those of `defaults`, which also gives what is left out.")
            continue
        if section.keys:
            lines += _table(section.keys, section.values)
        for part in section.lists:
            lines += ["", f"### `{title}.{part.name}[]`", "", part.help, "", *_table(part.keys, part.values)]
    lines.append("")
    return "\n".join(lines)


def _table(keys: Iterable[Key], values: type[Any]) -> list[str]:
    rows = ["| key | allowed | default | |", "|---|---|---|---|"]
    for key in keys:
        names = f"`{key.name}`" + (f" (or `{key.alias}`)" if key.alias else "")
        shown = _default(key, values)
        default = "*required*" if is_required(values, key) else "" if shown is None else f"`{shown}`"
        notes = key.help + (" *restart*" if key.restart else "")
        allowed = key.kind.allowed.replace("|", "\\|")
        rows.append(f"| {names} | {allowed} | {default} | {notes} |")
    return rows


def main(folder: Path) -> None:
    """Write both files into ``folder``."""
    folder.joinpath("configuration.md").write_text(render_documentation(), encoding="utf-8")
    schema = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    folder.joinpath("understudy.schema.json").write_text(schema, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""JSON Schema and documentation agree with the parser, and the files in ``docs`` are up to date."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.config.keys import SECTIONS, TOP_KEYS
from proxy.config.reader import read_config
from proxy.config.reference import json_schema, main, render_documentation
from proxy.errors import ConfigError
from tests.config.test_reader import UPSTREAM, WHOLE

SCHEMA = json_schema()
DOCS = Path(__file__).parents[2] / "docs"
TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
    "null": type(None),
}


def has_type(value: Any, name: str) -> bool:
    return isinstance(value, TYPES[name]) and not (isinstance(value, bool) and name in ("number", "integer"))


def fits(value: Any, schema: Any) -> bool:
    """Whether ``value`` is valid by JSON Schema draft 7, as far as its words occur in ours."""
    if isinstance(schema, bool):
        return schema
    known = {
        "$ref",
        "$schema",
        "title",
        "description",
        "default",
        "definitions",
        "type",
        "enum",
        "const",
        "pattern",
    }
    known |= {
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "minLength",
        "properties",
        "patternProperties",
        "required",
    }
    known |= {"additionalProperties", "propertyNames", "items", "anyOf", "allOf", "not"}
    assert schema.keys() <= known
    if "$ref" in schema:
        return fits(value, SCHEMA["definitions"][schema["$ref"].removeprefix("#/definitions/")])
    names = [schema["type"]] if isinstance(schema.get("type"), str) else schema.get("type")
    if names and not any(has_type(value, name) for name in names):
        return False
    if "enum" in schema and not any(value == item and type(value) is type(item) for item in schema["enum"]):
        return False
    if "const" in schema and value != schema["const"]:
        return False
    if "anyOf" in schema and not any(fits(value, part) for part in schema["anyOf"]):
        return False
    if "allOf" in schema and not all(fits(value, part) for part in schema["allOf"]):
        return False
    if "not" in schema and fits(value, schema["not"]):
        return False
    if isinstance(value, str) and not (
        re.search(schema.get("pattern", ""), value) and len(value) >= schema.get("minLength", 0)
    ):
        return False
    if has_type(value, "number") and not (
        schema.get("minimum", value) <= value <= schema.get("maximum", value)
        and ("exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"])
        and ("exclusiveMaximum" not in schema or value < schema["exclusiveMaximum"])
    ):
        return False
    if isinstance(value, list):
        return all(fits(item, schema.get("items", True)) for item in value)
    return not isinstance(value, dict) or fits_mapping(value, schema)


def fits_mapping(value: dict[str, Any], schema: dict[str, Any]) -> bool:
    if not set(schema.get("required", ())) <= value.keys():
        return False
    for key, item in value.items():
        parts = [
            part for pattern, part in schema.get("patternProperties", {}).items() if re.search(pattern, key)
        ]
        if key in schema.get("properties", {}):
            parts.append(schema["properties"][key])
        parts = parts or [schema.get("additionalProperties", True)]
        if not fits(key, schema.get("propertyNames", True)) or not all(fits(item, part) for part in parts):
            return False
    return True


def is_accepted(text: str) -> bool:
    try:
        read_config(text, "f", {"SET": "1", "PGRST_JWT_SECRET": "s" * 40})
    except ConfigError:
        return False
    return True


@pytest.mark.parametrize(
    "line",
    [
        "",
        "listen: a:1",
        "listen: '[::1]:1'",
        "listen: 3000",
        "listen: nowhere",
        "listen: {}",
        "workers: 1",
        "workers: '1'",
        "workers: 0",
        "workers: two",
        "workers: true",
        "workers: 1.5",
        "workers:",
        "workers: '${SET}'",
        "worker: 2",
        "engine:",
        "engine: []",
        "engine: {db-pool: 5, db-schemas: [a, b], db-config: false, db-max-rows: '5'}",
        "engine: {db-pool: many}",
        "engine: {db-pool: 0}",
        "engine: {db-config: maybe}",
        "engine: {db-schemas: ['a,b']}",
        "engine: {db-schemas: [[a]]}",
        "engine: {db-schemas: ''}",
        "engine: {db-schema: a}",
        "engine: {db-schema: a, db-schemas: b}",
        "engine: {db-anon-role: 5}",
        "engine: {db-anon-role: [a]}",
        "engine: {compat: 13}",
        "engine: {compat: '12'}",
        "engine: {compat: 15}",
        "engine: {compat: ''}",
        "engine: {app.settings.a: 1}",
        "engine: {app.settings.: 1}",
        "engine: {server-port: 1}",
        "engine: {db-tx-end: rollback}",
        "engine: {db-tx-end: never}",
        "engine: {db-pool-acquisition-timeout: 3}",
        "engine: {jwt-secret: 12345678901234567890123456789012}",
        "defaults:",
        "defaults: {reads: engine, writes: upstream, sample: 0.5}",
        "defaults: {reads: canary, share: 5}",
        "defaults: {reads: both}",
        "defaults: {writes: rehearse}",
        "tables: {a: {writes: engine}}",
        "tables: {a: {writes: shadow}}",
        "rehearsal: {concurrency: 4, timeout: 1s, lock_timeout: 50ms, statement_timeout: 1, max_body: 1MB}",
        "rehearsal: {concurrency: 0}",
        "rehearsal: {lock_timeout: 0}",
        "rehearsal: {queue: 1}",
        "defaults: {sample: 101}",
        "defaults: {sample: 10%}",
        "defaults: {sample: ten}",
        "defaults: {verify: 5}",
        "tables:",
        "tables: {a: , b: {}, 'c d': {sample: 5}}",
        "tables: {a: engine}",
        "tables: {'': {}}",
        "tables: [a]",
        "tables: {a: {share: 5}}",
        "functions: {a: {reads: upstream}}",
        "functions: {a: {reads: yes}}",
        "readiness: {max_mismatch_rate: 0.001, max_latency_ratio: '1.2', min_period: 7d}",
        "readiness: {max_mismatch_rate: '0.00'}",
        "readiness: {confidence: 1}",
        "readiness: {confidence: 0}",
        "readiness: {max_unseen_shapes: 5%}",
        "readiness: {max_latency_ratio: 0}",
        "readiness: {min_period: 0}",
        "guard: {window: 0s}",
        "guard: {min_errors: 0}",
        "guard: {max_mismatches: 0, max_error_rate: 0.5}",
        "shadow: {timeout: 2s, queue_bytes: 1.5MiB, max_body: 1000}",
        "shadow: {timeout: 0}",
        "shadow: {timeout: 0s}",
        "shadow: {timeout: 2 parsecs}",
        "shadow: {timeout: 0.5}",
        "shadow: {timeout: 90000}",
        "shadow: {queue_bytes: 0}",
        "shadow: {queue_bytes: 0KiB}",
        "shadow: {budget: 1}",
        "shadow: {budget: 0}",
        "shadow: {budget: 0.5, breaker: 3}",
        "shadow: {breaker: 1}",
        "limits: {body: 1GB, line: '${SET}'}",
        "limits: {body: huge}",
        "log: {format: json, level: warning, requests: true, spans: false}",
        "log: {format: xml}",
        "log: {level: debug}",
        "log: {requests: 'true', add_request_id: 'False'}",
        "log: {requests: 1}",
        "log: {request_id: X-Call}",
        "log: {request_id: 'X Call'}",
        "compare: {}",
        "compare: {ignore: }",
        "compare: {ignore: {}}",
        "compare: {ignore: [], selftest: 0.5, probes: 5%}",
        "compare: {ignore: [a]}",
        "compare: {ignore: [{table: a, path: b, reason: so it is, expires: '2027-01-31'}]}",
        "compare: {ignore: [{function: a, header: X-B, reason: so it is, owner: me, shape: s,"
        " expires: '2027-01-31'}]}",
        "compare: {ignore: [{table: a, path: b, expires: '2027-01-31'}]}",
        "compare: {ignore: [{table: a, path: b, reason: so it is}]}",
        "compare: {ignore: [{table: a, path: b, reason: so, expires: '2027-01-31'}]}",
        "compare: {ignore: [{table: a, path: b, reason: so it is, expires: soon}]}",
        "compare: {ignore: [{path: b, reason: so it is, expires: '2027-01-31'}]}",
        "compare: {ignore: [{table: a, function: a, path: b, reason: so it is, expires: '2027-01-31'}]}",
        "compare: {ignore: [{table: a, reason: so it is, expires: '2027-01-31'}]}",
        "compare: {ignore: [{table: a, path: b, header: c, reason: so it is, expires: '2027-01-31'}]}",
        "compare: {ignore: [{table: a, path: $, reason: so it is, expires: '2027-01-31'}]}",
        "compare: {ignore: [{table: a, path: '*', reason: so it is, expires: '2027-01-31'}]}",
        "compare: {ignore: [{table: a, path: '$[*]', reason: so it is, expires: '2027-01-31'}]}",
        "compare: {ignore: [{table: a, header: '*', reason: so it is, expires: '2027-01-31'}]}",
    ],
)
def test_the_schema_accepts_what_the_parser_accepts(line: str) -> None:
    text = UPSTREAM + line
    assert fits(yaml.safe_load(text), SCHEMA) is is_accepted(text)


@pytest.mark.parametrize(
    "upstream",
    [
        "{url: 'http://a'}",
        "{url: 'http://a:1/'}",
        "{url: 'http://a/b'}",
        "{url: a}",
        "{url: 'http://a?b'}",
        "{url: 'http://u@a'}",
        "{url: 'http://a', timeout: 5m}",
        "{url: 'https://[::1]:1', connections: 5}",
        "{url: 5}",
        "{}",
        "",
    ],
)
def test_the_schema_and_the_parser_agree_about_the_upstream(upstream: str) -> None:
    text = f"upstream: {upstream}"
    assert fits(yaml.safe_load(text), SCHEMA) is is_accepted(text)


def test_the_schema_accepts_a_whole_file() -> None:
    assert fits(yaml.safe_load(WHOLE), SCHEMA)


def test_every_key_is_in_the_schema_and_in_the_documentation_with_its_help() -> None:
    page = render_documentation()
    for key in TOP_KEYS:
        assert SCHEMA["properties"][key.name]["description"] == key.help
        assert f"| `{key.name}`" in page
    for section in SECTIONS:
        schema = SCHEMA["properties"][section.name]
        keys = (schema["additionalProperties"] if section.named else schema)["properties"]
        for key in section.keys:
            assert keys[key.name]["description"] == key.help
            assert key.help in page


def test_every_default_in_the_schema_is_read_as_the_default() -> None:
    for key in TOP_KEYS:
        text = f"{UPSTREAM}{key.name}: '{SCHEMA['properties'][key.name]['default']}'"
        assert read_config(text, "f", {}).config == read_config(UPSTREAM, "f", {}).config
    for section in SECTIONS:
        for name, schema in SCHEMA["properties"][section.name].get("properties", {}).items():
            if "default" in schema and section.name != "upstream":
                text = f"{UPSTREAM}{section.name}: {{{name}: '{schema['default']}'}}"
                assert read_config(text, "f", {}).config == read_config(UPSTREAM, "f", {}).config


def test_the_example_in_the_documentation_is_valid() -> None:
    match = re.search(r"```yaml\n(.*?)```", render_documentation(), re.DOTALL)
    assert match is not None
    assert read_config(match[1], "f", {"DB_PASSWORD": "x"}).config.upstream is not None


def test_the_files_in_docs_are_up_to_date(tmp_path: Path) -> None:
    """Run ``make docs`` when this fails."""
    main(tmp_path)
    for name in ("configuration.md", "understudy.schema.json"):
        assert DOCS.joinpath(name).read_text(encoding="utf-8") == tmp_path.joinpath(name).read_text(
            encoding="utf-8"
        )
    assert json.loads(DOCS.joinpath("understudy.schema.json").read_text(encoding="utf-8")) == SCHEMA

"""Which table or function a key of the file means."""

import pytest

from proxy.config.names import QualifiedName, check_names, find_names
from proxy.config.reader import read_config

RELATIONS = frozenset(
    {("dlm", "storage"), ("dlm", "data_item"), ("zoo", "storage"), ("zoo", "odd.name"), ("my.schema", "a b")}
)
FUNCTIONS = frozenset({("dlm", "latest"), ("dlm", "storage")})
COLUMNS = {("dlm", "storage"): frozenset({"uid", "config"}), ("zoo", "odd.name"): frozenset({"odd.column"})}


@pytest.mark.parametrize(
    ("key", "names"),
    [
        ("data_item", [("dlm", "data_item")]),
        ("dlm.data_item", [("dlm", "data_item")]),
        ("zoo.data_item", []),
        ("storage", [("dlm", "storage"), ("zoo", "storage")]),
        ("zoo.storage", [("zoo", "storage")]),
        ("odd.name", [("zoo", "odd.name")]),
        ("zoo.odd.name", [("zoo", "odd.name")]),
        ("my.schema.a b", [("my.schema", "a b")]),
        ("Storage", []),
        ("", []),
    ],
)
def test_a_key_is_compared_with_whole_names(key: str, names: list[QualifiedName]) -> None:
    assert list(find_names(key, RELATIONS)) == names


def test_a_key_that_reads_both_ways_is_ambiguous() -> None:
    assert find_names("a.b", {("a", "b"), ("dlm", "a.b")}) == (("a", "b"), ("dlm", "a.b"))


def test_names_that_exist_once_are_no_problem() -> None:
    file = read_config(
        "upstream: {url: 'http://a'}\n"
        "tables: {data_item: {}, dlm.storage: {}, zoo.storage: {}, odd.name: {}}\n"
        "functions: {latest: {}, storage: {}}",
        "f",
        {},
    )
    assert check_names(file, RELATIONS, FUNCTIONS, COLUMNS) == ()


def test_every_name_that_does_not_fit_is_told_with_its_line() -> None:
    text = """\
upstream: {url: 'http://a'}
tables:
  data_itm: {reads: engine}
  storage: {}
  data_item: {}
  dlm.data_item: {}
functions:
  data_item: {}
"""
    problems = check_names(read_config(text, "f", {}), RELATIONS, FUNCTIONS, COLUMNS)
    assert list(map(str, problems)) == [
        "f:3: tables.data_itm: found a name that is not in the schema cache;"
        " allowed: a b, data_item, odd.name, storage (did you mean data_item?)",
        "f:4: tables.storage: found a name in more than one schema; allowed: dlm.storage, zoo.storage",
        "f:6: tables.'dlm.data_item': found the same table as 'data_item'; allowed: one of the two",
        "f:8: functions.data_item: found a name that is not in the schema cache; allowed: latest, storage",
    ]


def test_columns_to_hide_have_to_exist() -> None:
    columns = "[storage.config, dlm.storage.uid, odd.name.odd.column]"
    text = f"upstream: {{url: 'http://a'}}\nredact: {{columns: {columns}}}\n"
    assert check_names(read_config(text, "f", {}), RELATIONS, FUNCTIONS, COLUMNS) == ()
    text = "upstream: {url: 'http://a'}\nredact:\n  columns: [storage.conf, storage.uid, config]\n"
    problems = check_names(read_config(text, "f", {}), RELATIONS, FUNCTIONS, COLUMNS)
    assert [(one.line, one.key, one.found) for one in problems] == [
        (3, "redact.columns", "'storage.conf', which is no column"),
        (3, "redact.columns", "'config', which is no column"),
    ]
    assert problems[0].allowed.endswith("(did you mean storage.config or dlm.storage.config?)")


RULE = "{path: a, reason: so it is, expires: 2027-01-31, "


def test_rules_are_about_something_that_exists_once() -> None:
    file = read_config(
        "upstream: {url: 'http://a'}\n"
        "compare:\n"
        "  ignore:\n"
        f"    - {RULE} table: data_item}}\n"
        f"    - {RULE} table: zoo.storage}}\n"
        f"    - {RULE} function: latest}}\n"
        f"    - {RULE} table: data_itm}}\n"
        f"    - {RULE} table: storage}}\n"
        f"    - {RULE} function: data_item}}\n",
        "f",
        {},
    )
    problems = check_names(file, RELATIONS, FUNCTIONS, COLUMNS)
    assert [(problem.line, problem.key, problem.found) for problem in problems] == [
        (7, "compare.ignore.4", "'data_itm', which is not in the schema cache"),
        (8, "compare.ignore.5", "'storage', which is in more than one schema"),
        (9, "compare.ignore.6", "'data_item', which is not in the schema cache"),
    ]

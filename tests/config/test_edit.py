"""One rule of the file is changed, and not a byte beside it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config import Config, Rule
from proxy.config.edit import set_rule
from proxy.config.reader import read_config
from proxy.errors import EditRefused

CANARY = {"reads": "canary", "share": "10"}
FILE = """\
# who owns this: the data team
upstream: {url: "http://postgrest:3000"}

tables:                          # by name
  storage:   {reads: engine, verify: 5}       # engine answers
  data_item: {reads: shadow}       # mirrored
  location:
    reads: shadow   # for now
    # sampled, since it is large
    sample: 10

  migration:   # nothing yet
functions:                       # /rpc/NAME
  latest_items: {reads: shadow}

guard:     {window: 60s}
"""


def config_of(text: str) -> Config:
    return read_config(text, "understudy.yaml", {}).config


def test_the_file_is_one_that_the_reader_takes() -> None:
    assert config_of(FILE).tables["location"] == Rule("shadow", sample=10.0)


@pytest.mark.parametrize(
    ("section", "name", "values", "before", "after"),
    [
        (
            "tables",
            "storage",
            {"reads": "shadow"},
            "{reads: engine, verify: 5} ",
            "{reads: shadow, verify: 5} ",
        ),
        ("tables", "data_item", CANARY, "{reads: shadow}       #", "{reads: canary, share: 10}       #"),
        (
            "tables",
            "location",
            CANARY,
            "reads: shadow   # for now\n    # sampled, since it is large\n    sample: 10\n",
            "reads: canary   # for now\n    # sampled, since it is large\n    sample: 10\n    share: 10\n",
        ),
        ("tables", "migration", CANARY, "migration:   #", "migration: {reads: canary, share: 10}   #"),
        (
            "tables",
            "odd: name",
            CANARY,
            "  migration:   # nothing yet\n",
            '  migration:   # nothing yet\n  "odd: name": {reads: canary, share: 10}\n',
        ),
        (
            "functions",
            "oldest",
            {"reads": "engine"},
            "  latest_items: {reads: shadow}\n",
            "  latest_items: {reads: shadow}\n  oldest: {reads: engine}\n",
        ),
    ],
)
def test_only_what_is_asked_for_changes(
    section: str, name: str, values: dict[str, str], before: str, after: str
) -> None:
    assert FILE.count(before) == 1
    assert set_rule(FILE, section, name, values) == FILE.replace(before, after)


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("upstream: {url: x}", "upstream: {url: x}\ntables:\n  b: {reads: canary, share: 10}\n"),
        (
            "upstream: {url: x}\n# end\n",
            "upstream: {url: x}\n# end\ntables:\n  b: {reads: canary, share: 10}\n",
        ),
        ("upstream: {url: x}\n...\n", "upstream: {url: x}\ntables:\n  b: {reads: canary, share: 10}\n...\n"),
        ("---\r\na: b # c\r\n", "---\r\na: b # c\r\ntables:\r\n  b: {reads: canary, share: 10}\r\n"),
        ("tables: # c\na: {}\n", "tables: # c\n  b: {reads: canary, share: 10}\na: {}\n"),
        ("{a: {}}\n", "{a: {}, tables: {b: {reads: canary, share: 10}}}\n"),
        ("tables: {}\n", "tables: {b: {reads: canary, share: 10}}\n"),
        ("tables: {a: {},}\n", "tables: {a: {}, b: {reads: canary, share: 10},}\n"),
        ("tables: {b}\n", "tables: {b: {reads: canary, share: 10}}\n"),
        ("tables:\n  b: ~\n", "tables:\n  b: {reads: canary, share: 10}\n"),
        ("tables:\n  b: {reads: engine # x\n  }\n", "tables:\n  b: {reads: canary, share: 10 # x\n  }\n"),
        ("tables:\n  ? b\n  : reads: engine\n", "tables:\n  ? b\n  : reads: canary\n    share: 10\n"),
    ],
)
def test_yaml_of_any_style_keeps_its_style(text: str, changed: str) -> None:
    assert set_rule(text, "tables", "b", CANARY) == changed


@pytest.mark.parametrize(
    "text",
    [
        "tables: {b: &r {reads: engine}, c: *r}\n",
        "defaults: &r {reads: shadow}\ntables:\n  b: *r\n",
        "tables: [b]\n",
        "tables: {b: engine}\n",
        "nothing\n",
    ],
)
def test_what_cannot_be_changed_alone_is_refused(text: str) -> None:
    with pytest.raises(EditRefused, match=r"tables\.b\.reads cannot be changed"):
        set_rule(text, "tables", "b", CANARY)


NAMES = st.sampled_from(("storage", "data_item", "odd name", "yes", "a.b", "ü", 'q"uote', "null", "12"))
COMMENTS = st.sampled_from(("", " # why: because", "   # {a: b}", " #"))
BLANKS = st.sampled_from(("", "\n", "# tables:\n", "    # - x: {\n", "\n\n# end\n"))
READS = st.sampled_from(("shadow", "engine", '"upstream"', "'canary'"))


@st.composite
def rules(draw: st.DrawFn, indent: str) -> str:
    """What stands after the colon of a table's name, with its line break."""
    keys = {"reads": READS, "sample": st.sampled_from(("10", "5%", "'2.5'")), "verify": st.just("1")}
    chosen = draw(st.lists(st.sampled_from(sorted(keys)), unique=True))
    values = [(key, draw(keys[key])) for key in chosen]
    style = draw(st.sampled_from(("flow", "long flow", "block")))
    if not values:
        return draw(st.sampled_from(("", " {}", " ~", "   ", " { }"))) + draw(COMMENTS) + "\n"
    if style == "flow":
        space = draw(st.sampled_from((" ", "   ")))
        entries = f",{space}".join(f"{key}:{space}{value}" for key, value in values)
        return f"{space}{{{entries}}}{draw(COMMENTS)}\n"
    if style == "long flow":
        lines = "".join(f"{indent}    {key}: {value},{draw(COMMENTS)}\n" for key, value in values)
        return f" {{{draw(COMMENTS)}\n{lines}{indent}  }}{draw(COMMENTS)}\n"
    inner = indent + draw(st.sampled_from((" ", "    ")))
    lines = "".join(f"{inner}{key}: {value}{draw(COMMENTS)}\n{draw(BLANKS)}" for key, value in values)
    return f"{draw(COMMENTS)}\n{draw(BLANKS)}{lines}"


@st.composite
def files(draw: st.DrawFn) -> str:
    """A whole file, with comments, blank lines, quotes and columns of any kind."""
    parts = [
        f"upstream: {{url: 'http://a:1'}}{draw(COMMENTS)}\n",
        f"guard:\n  window:   60s{draw(COMMENTS)}\n",
    ]
    if draw(st.booleans()):
        indent = draw(st.sampled_from((" ", "  ", "      ")))
        names = draw(st.lists(NAMES, unique=True))
        quoted = [name if name.isidentifier() else f"'{name}'" for name in names]
        entries = "".join(f"{indent}{name}:{draw(rules(indent))}{draw(BLANKS)}" for name in quoted)
        parts.append(f"tables:{draw(COMMENTS)}\n{entries}")
    parts = draw(st.permutations(parts))
    text = draw(BLANKS) + "".join(part + draw(BLANKS) for part in parts)
    if draw(st.booleans()):
        text = text.rstrip("\n")
    return text.replace("\n", draw(st.sampled_from(("\n", "\r\n"))))


@given(files(), NAMES, st.sampled_from((("reads", "canary"), ("share", "25"), ("verify", "2.5"))))
def test_everything_but_the_key_stays_byte_for_byte(text: str, name: str, change: tuple[str, str]) -> None:
    key, value = change
    before = config_of(text)
    changed = set_rule(text, "tables", name, {key: value})
    after = config_of(changed)

    rule = before.tables.get(name, before.defaults)
    wanted = replace(rule, **{key: value if key == "reads" else float(value)})  # type: ignore[arg-type]
    assert after == replace(before, tables={**before.tables, name: wanted})

    start = next((i for i, (one, other) in enumerate(zip(text, changed, strict=False)) if one != other), None)
    start = min(len(text), len(changed)) if start is None else start
    end = 0
    while end < min(len(text), len(changed)) - start and text[-1 - end] == changed[-1 - end]:
        end += 1
    removed = text[start : len(text) - end]
    added = changed[start : len(changed) - end]
    assert removed.strip("'\"~ ") in f"{rule.reads} {rule.share:g} {rule.verify:g}"
    assert len(added) <= len('\r\ntables:\r\n  ": {:}\r\n') + len(name) + len(key) + len(value) + 12


@given(files(), NAMES, st.sampled_from(("canary", "engine", "shadow")))
def test_setting_again_what_is_set_changes_nothing(text: str, name: str, reads: str) -> None:
    once = set_rule(text, "tables", name, {"reads": reads, "share": "5"})
    assert set_rule(once, "tables", name, {"reads": reads, "share": "5"}) == once

"""Commands parse, snippets are read, links lead somewhere, and nothing that there is goes unmentioned."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from proxy.cli import make_parser
from proxy.commands import find_commands, list_options, render_commands
from proxy.config.keys import SECTIONS, TOP_KEYS
from proxy.config.reader import read_config
from proxy.config.values import Rule
from tests.docs.pages import PAGES, ROOT, Block, find_anchors, read_blocks, read_commands, read_links

ENVIRONMENT = {
    "DB_PASSWORD": "x",
    "LEDGER_PASSWORD": "x",
    "OPS_SECRET": "operators-secret-of-some-length",
    "PGRST_JWT_SECRET": "a-secret-of-at-least-thirty-two-bytes",
}
OWN_KEYS = {key.name for key in TOP_KEYS} | {section.name for section in SECTIONS}
MAKE = re.compile(r"^([a-z]+):.*## ", re.MULTILINE)

COMMANDS = list(read_commands())
BLOCKS = list(read_blocks())


def own_words(words: list[str]) -> list[str] | None:
    """What our program would be given; None for a command of another."""
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    if words[:1] == ["understudy"]:
        words = words[1:]
    elif words[:3] == ["python", "-m", "proxy"]:
        words = words[3:]
    else:
        return None
    for end in ("&", "|", ">", "&&"):
        if end in words:
            words = words[: words.index(end)]
    return words


@pytest.mark.parametrize(("place", "words"), [pytest.param(*one, id=one[0]) for one in COMMANDS])
def test_every_quoted_command_is_one(place: str, words: list[str]) -> None:
    own = own_words(words)
    if own is not None:
        make_parser().parse_args(own)
    elif words[:1] == ["make"]:
        targets = [word for word in words[1:] if "=" not in word]
        assert set(targets) <= set(MAKE.findall(ROOT.joinpath("Makefile").read_text(encoding="utf-8")))
    else:
        # A file that stands in the command is there, unless the page has it written before.
        for word in words[1:]:
            if word.startswith(("deploy/", "tests/", "docs/", "dashboards/")):
                assert ROOT.joinpath(word).exists(), place


def test_there_are_commands_to_check() -> None:
    assert sum(own_words(words) is not None for _, words in COMMANDS) > 25


@pytest.mark.parametrize(
    "block", [pytest.param(block, id=block.place) for block in BLOCKS if block.language == "yaml"]
)
def test_every_snippet_of_yaml_is_taken(block: Block) -> None:
    document = yaml.safe_load(block.text)
    if "config" in document and not document.keys() <= OWN_KEYS:
        # Values of the chart, which hold the file's content.
        document = document["config"] or {}
    elif isinstance(document.get("config"), dict) and len(document) == 1:
        document = document["config"]
    if not document.keys() <= OWN_KEYS:
        assert block.page.name in ("deploy.md", "migration.md", "README.md"), f"{block.place}: of what?"
        return
    # A part of a file stands for the whole, which has an upstream unless the part says that it has none.
    whole = {"upstream": {"url": "http://postgrest:3000"}} | document
    given = {name: value for name, value in whole.items() if value is not None}
    read_config(yaml.safe_dump(given), block.place, ENVIRONMENT)


@pytest.mark.parametrize(
    ("page", "link"), [pytest.param(*one, id=f"{one[0].name} {one[1]}") for one in read_links()]
)
def test_every_relative_link_leads_somewhere(page: Path, link: str) -> None:
    if re.match(r"[a-z]+:", link):
        return
    path, _, anchor = link.partition("#")
    target = page.parent.joinpath(unquote(path)) if path else page
    assert target.exists()
    if anchor and target.suffix == ".md":
        assert anchor in find_anchors(target)


def test_every_command_is_shown_at_work() -> None:
    shown = {tuple(own[:2]) for _, words in COMMANDS if (own := own_words(words))}
    # The Makefile's target of the same name runs it.
    shown |= {("demo",) for _, words in COMMANDS if words[:2] == ["make", "demo"]}
    for name, parser in find_commands(make_parser()).items():
        for part in find_commands(parser) or [""]:
            path = (name, part) if part else (name,)
            assert any(words[: len(path)] == path for words in shown), path


def test_the_reference_of_commands_is_up_to_date() -> None:
    """Run ``make docs`` when this fails."""
    assert ROOT.joinpath("docs/commands.md").read_text(encoding="utf-8") == render_commands()


def test_every_option_of_every_command_is_in_it() -> None:
    page = render_commands()
    for name, parser in find_commands(make_parser()).items():
        for part in (parser, *find_commands(parser).values()):
            for action in list_options(part):
                for option in action.option_strings:
                    assert option in page, f"understudy {name} {option}"


def test_every_setting_is_in_the_reference() -> None:
    page = ROOT.joinpath("docs/configuration.md").read_text(encoding="utf-8")
    for key in TOP_KEYS:
        assert f"| `{key.name}`" in page
    for section in SECTIONS:
        assert f"`{section.name}" in page
        if section.values is not Rule:
            for key in (*section.keys, *(key for part in section.lists for key in part.keys)):
                assert f"| `{key.name}`" in page, f"{section.name}.{key.name}"


def test_every_page_is_reached_from_the_readme() -> None:
    reached, waiting = set[Path](), [ROOT / "README.md"]
    links = list(read_links())
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        for where, link in links:
            path = link.partition("#")[0]
            if where == page and path.endswith(".md") and not re.match(r"[a-z]+:", link):
                waiting.append(page.parent.joinpath(path).resolve())
    assert {page for page in PAGES if page.parent.name == "docs"} <= reached

"""Every page as HTML and as JSON: escaped, well formed, and such that everybody can use it."""

import json
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.web.render import (
    STATIC,
    find_static,
    read_static,
    render_html,
    render_json,
    split_line,
    table_path,
)
from proxy.web.values import ErrorPage
from tests.web.samples import HOSTILE, frame, pages

PAGES = pages()
VOID = {"meta", "link", "input", "br", "hr", "img", "path"}


class Tree(HTMLParser):
    """What a browser would make of a page: its tags in order, and the text of each."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.within: list[tuple[str, ...]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        self.within.append(tuple(self.open))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        self.within.append(tuple(self.open))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def find(self, tag: str) -> list[dict[str, str]]:
        return [attributes for found, attributes in self.tags if found == tag]


def read(name: str) -> Tree:
    return Tree(render_html(PAGES[name], frame()))


@pytest.mark.parametrize("name", PAGES)
def test_nothing_that_is_shown_becomes_markup(name: str) -> None:
    tree = read(name)
    assert (tree.wrong, tree.open) == ([], [])
    (script,) = tree.find("script")
    assert script["src"].startswith("/console/static/console.js")
    assert tree.find("img") == []
    for tag, attributes in tree.tags:
        assert not [one for one in attributes if one.startswith("on") or one == "style"], tag
        for one in ("href", "src", "action"):
            target = attributes.get(one, "/")
            assert target.startswith(("/console", "?", "#", "/")), (tag, target)
            assert not target.startswith("//")
    # What turns text around or moves a cursor is spelt out, and what is shown is what was there.
    text = "".join(tree.texts)
    assert not re.search("[\u202e\x1b]", text)
    assert "{{ 7*7 }}" in text
    if name not in ("configuration",):
        assert "<script>alert(1)</script>" in text


@given(st.text())
def test_any_text_at_all_stays_text(text: str) -> None:
    tree = Tree(render_html(ErrorPage(404, (text,)), frame(operator=text)))
    assert (tree.wrong, tree.open) == ([], [])
    assert len(tree.find("script")) == 1


@pytest.mark.parametrize("name", PAGES)
def test_every_page_can_be_found_ones_way_about_on(name: str) -> None:
    tree = read(name)
    assert [tag for tag, _ in tree.tags].count("h1") == 1
    assert [one.get("id") for one in tree.find("main")] == ["main"]
    assert tree.tags[[tag for tag, _ in tree.tags].index("body") + 1][1]["href"] == "#main"
    assert all(one.get("aria-label") for one in tree.find("nav"))
    assert tree.find("html") == [{"lang": "en"}]
    assert len(tree.find("title")) == 1
    ids = [attributes["id"] for _, attributes in tree.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in tree.tags:
        for wanted in attributes.get("aria-labelledby", "").split():
            assert wanted in ids
    levels = [int(tag[1]) for tag, _ in tree.tags if re.fullmatch("h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert any(one.get("role") == "status" for _, one in tree.tags)


@pytest.mark.parametrize("name", PAGES)
def test_tables_pictures_and_forms_say_what_they_are(name: str) -> None:
    tree = read(name)
    tags = [tag for tag, _ in tree.tags]
    assert tags.count("table") == tags.count("caption")
    assert all("scope" in one for one in tree.find("th"))
    for one in tree.find("svg"):
        assert one["role"] == "img"
        assert one.get("aria-label") or one.get("aria-labelledby")
    for (tag, attributes), within in zip(tree.tags, tree.within, strict=True):
        if tag == "input" and attributes.get("type") != "hidden":
            assert "label" in within
    for attributes in tree.find("form"):
        assert attributes["method"] == "post"
    assert tree.find("form") == [] or name == "table"
    scrolling = [one for _, one in tree.tags if "scroll" in one.get("class", "").split()]
    assert all(one["tabindex"] == "0" and one["role"] == "region" and one["aria-label"] for one in scrolling)


def test_every_form_carries_the_token() -> None:
    tree = read("table")
    forms = len(tree.find("form"))
    tokens = [one["value"] for one in tree.find("input") if one.get("name") == "token"]
    assert (forms, tokens) == (3, ["f" * 64] * 3)


def test_what_is_live_has_a_name_and_news_are_told() -> None:
    for name in PAGES:
        tree = read(name)
        live = [one for _, one in tree.tags if "data-live" in one]
        assert live
        assert all(one.get("id") for one in live)
    told = [one["data-tell"] for _, one in read("tables").tags if "data-tell" in one]
    assert "fine: insufficient evidence" in told
    assert any(one.endswith(": held") for one in told)


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_json_too(name: str) -> None:
    document = json.loads(render_json(PAGES[name]))
    assert document["page"] == PAGES[name].title
    assert set(document) >= {"page", "problems"}


def test_the_json_of_the_tables_has_what_is_on_the_page() -> None:
    document = json.loads(render_json(PAGES["tables"]))
    held, fine, stage = document["lines"]
    assert (held["table"], held["standing"], held["hold"]["words"]) == (HOSTILE, "held", HOSTILE)
    assert (fine["table"], fine["judgement"]["readiness"]["agreed"]) == ("fine", 1000)
    assert (stage["table"], stage["modes"]["engine_share"]) == ("on stage", 0.25)
    assert document["idle"] == {"shadow": ["quiet"]}


def test_the_page_of_any_table_has_a_path() -> None:
    assert table_path("../x?a=1&b") == "/console/table?name=..%2Fx%3Fa%3D1%26b"
    assert table_path("rpc/latest") == "/console/table?name=rpc%2Flatest"


@pytest.mark.parametrize(
    ("text", "other", "parts"),
    [
        ('"a": 1.10', '"a": 1.1', ('"a": 1.1', "0", "")),
        ('"a": 1.1', '"a": 1.10', ('"a": 1.1', "", "")),
        ("abcd", "abXd", ("ab", "c", "d")),
        ("", "x", ("", "", "")),
        ("same", "same", ("same", "", "")),
        ("aa", "aaa", ("aa", "", "")),
    ],
)
def test_of_two_lines_what_is_ones_own_is_marked(text: str, other: str, parts: tuple[str, str, str]) -> None:
    assert split_line(text, other) == parts


@given(st.text("ab", max_size=6), st.text("ab", max_size=6))
def test_the_parts_of_a_line_are_the_line(text: str, other: str) -> None:
    start, own, end = split_line(text, other)
    assert start + own + end == text
    assert other.startswith(start)
    assert other.endswith(end)


@pytest.mark.parametrize("name", STATIC)
def test_what_belongs_to_the_pages_is_there_and_loads_nothing_from_elsewhere(name: str) -> None:
    content = read_static(name).decode()
    assert find_static(name).startswith(f"/console/static/{name}?v=")
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|@import|url\(", content)

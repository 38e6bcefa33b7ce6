"""The pages, and what is quoted in them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (
    *sorted(ROOT.joinpath("docs").glob("*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "deploy/helm/understudy/README.md")),
    ROOT / "tests" / "conformance" / "README.md",
)

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")


@dataclass(frozen=True)
class Block:
    """A block of code in a page: its language, its text, and where it begins."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def read_blocks() -> Iterator[Block]:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in _FENCE.finditer(text):
            indent = len(match[1])
            lines = [line[indent:] for line in match[3].splitlines()]
            yield Block(page, text.count("\n", 0, match.start()) + 2, match[2], "\n".join(lines) + "\n")


def read_commands() -> Iterator[tuple[str, list[str]]]:
    """Every line of a console that begins with a prompt: where it stands, and its words.

    A line that goes on in the next one, in a quotation or after a backslash, is one; comments are left out.
    """
    for block in read_blocks():
        if block.language != "console":
            continue
        lines = iter(enumerate(block.text.splitlines()))
        for number, line in lines:
            if not line.startswith(("$ ", "# ")):
                continue
            command = line[2:]
            while (words := _split(command)) is None:
                command += "\n" + next(lines)[1]
            yield f"{block.page.relative_to(ROOT)}:{block.line + number}", words


def _split(command: str) -> list[str] | None:
    """The words of a command; None where it goes on."""
    if command.endswith("\\"):
        return None
    try:
        return shlex.split(command, comments=True)
    except ValueError:
        return None


def read_links() -> Iterator[tuple[Path, str]]:
    """Every link of every page, but for those in blocks of code."""
    for page in PAGES:
        text = _FENCE.sub("", page.read_text(encoding="utf-8"))
        for match in _LINK.finditer(text):
            yield page, match[1] or match[2]


def find_anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of ``page``."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    return {_make_anchor(title) for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


def _make_anchor(title: str) -> str:
    title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title.replace("`", ""))
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")

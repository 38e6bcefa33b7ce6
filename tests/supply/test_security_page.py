"""What SECURITY.md names as a proof is there."""

import re

import pytest

from tests.supply import ROOT

TEXT = ROOT.joinpath("SECURITY.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`((?:tests|docs|requirements)/[\w/.]*)`", TEXT))))
def test_every_test_that_is_named_is_there(name: str) -> None:
    assert (ROOT / name).exists()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`make (\w+)`", TEXT))))
def test_every_command_that_is_named_is_there(target: str) -> None:
    assert re.search(rf"^{target}:", ROOT.joinpath("Makefile").read_text(encoding="utf-8"), re.MULTILINE)

"""Dependencies are locked with hashes, the lock covers what is declared, and licences are known."""

import tomllib
from importlib.metadata import PackageNotFoundError, requires
from itertools import chain

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.supply import ROOT, read_lock
from tests.supply.licences import HEAD, find_licence, is_permitted, list_licences

PROJECT = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
SETS = {
    "runtime": PROJECT["dependencies"],
    "dev": PROJECT["dependencies"] + EXTRAS["dev"],
    "deploy": PROJECT["dependencies"] + EXTRAS["deploy"],
    "browser": PROJECT["dependencies"] + EXTRAS["browser"],
    "tools": PROJECT["dependencies"] + EXTRAS["supply"],
}
HINT = "run 'make lock'"


def spread(lines: list[str]) -> list[Requirement]:
    """What ``lines`` require on this platform, with the extras of the project itself put in their place."""
    found: list[Requirement] = []
    for requirement in map(Requirement, lines):
        if requirement.name == PROJECT["name"]:
            found += chain.from_iterable(spread(EXTRAS[extra]) for extra in requirement.extras)
        elif requirement.marker is None or requirement.marker.evaluate():
            found.append(requirement)
    return found


@pytest.mark.parametrize("name", SETS)
def test_the_lock_has_what_is_declared_at_a_version_that_will_do(name: str) -> None:
    pins = read_lock(name)
    for requirement in spread(SETS[name]):
        pin = pins.get(canonicalize_name(requirement.name))
        assert pin is not None, f"{requirement.name} is not in requirements/{name}.txt: {HINT}"
        assert requirement.specifier.contains(pin.version), (
            f"{requirement}, and {pin.version} is locked: {HINT}"
        )


@pytest.mark.parametrize("name", SETS)
def test_everything_is_locked_with_hashes(name: str) -> None:
    pins = read_lock(name)
    assert pins
    assert [pin.name for pin in pins.values() if not pin.hashes] == []


def test_the_lock_is_at_the_versions_of_the_constraints() -> None:
    text = ROOT.joinpath("tests/constraints.txt").read_text(encoding="utf-8")
    lines = [line.split("==") for line in text.splitlines() if line and not line.startswith("#")]
    wanted: dict[str, str] = {canonicalize_name(name): version for name, version in lines}
    for name in SETS:
        for pin in read_lock(name).values():
            assert wanted.get(pin.name, pin.version) == pin.version, f"{pin.name}: {HINT}"


def test_the_runtime_is_locked_whole_and_has_nothing_that_nobody_needs() -> None:
    needed: set[str] = set()
    waiting = [(requirement.name, requirement.extras) for requirement in spread(PROJECT["dependencies"])]
    for name, extras in waiting:
        needed.add(canonicalize_name(name))
        try:
            found = requires(name) or []
        except PackageNotFoundError:
            pytest.fail(f"{name} is not installed")
        for requirement in map(Requirement, found):
            marker = requirement.marker
            wanted = marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))
            if wanted and (requirement.name, requirement.extras) not in waiting:
                waiting.append((requirement.name, requirement.extras))
    assert {pin.name for pin in read_lock("runtime").values() if pin.needed} == needed, HINT


def test_there_are_few_dependencies() -> None:
    assert len(PROJECT["dependencies"]) <= 9
    assert sum(pin.needed for pin in read_lock("runtime").values()) <= 30


def test_the_list_of_licences_is_that_of_what_is_locked_and_all_are_permitted() -> None:
    text = ROOT.joinpath("docs/licences.md").read_text(encoding="utf-8")
    assert text.startswith(HEAD), HINT
    pins = read_lock("runtime")
    listed = text.removeprefix(HEAD).splitlines()
    assert set(list_licences()) <= set(listed), HINT
    assert {line.split(" ")[1] for line in listed} <= pins.keys(), HINT
    for pin in pins.values():
        if pin.needed:
            assert is_permitted(find_licence(pin.name)), (pin.name, find_licence(pin.name))


@pytest.mark.parametrize(
    ("expression", "permitted"),
    [
        *(("MIT", True), ("MIT AND PSF-2.0", True), ("GPL-2.0-only OR MIT", True)),
        *(("GPL-3.0-only", False), ("MIT AND GPL-3.0-only", False), ("", False)),
    ],
)
def test_a_licence_that_asks_for_more_is_seen(expression: str, permitted: bool) -> None:
    assert is_permitted(expression) is permitted


def test_the_image_and_the_virtual_environment_are_made_of_what_is_locked() -> None:
    for file in ("deploy/Dockerfile", "Makefile"):
        text = ROOT.joinpath(file).read_text(encoding="utf-8")
        assert "--require-hashes" in text
        installs = [
            line for line in text.replace("\\\n", " ").splitlines() if " install " in line and "pip" in line
        ]
        assert installs
        assert all("--no-deps" in line for line in installs if "apt-get" not in line), installs

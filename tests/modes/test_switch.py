"""Promotions and rollbacks, on a real file, with evidence and time of the test's own."""

import json
import os
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from proxy.config.reader import read_config
from proxy.errors import ConfigError, EditRefused
from proxy.modes.file import Change, NotChangeable
from proxy.modes.patch import explain_patch
from proxy.modes.switch import Changed, Order, Refused, Switch
from proxy.shadow.guard import Hold
from proxy.shadow.ramp import plan_steps
from proxy.shadow.readiness import Readiness
from tests.shadow.test_readiness import READY, judge

FILE = """\
# ours
upstream: {url: "http://postgrest:3000"}
tables:
  storage:   {reads: shadow}   # small
  data_item: {reads: shadow}   # large
"""
TEN = plan_steps("canary", (10,), 0.0)
RAMP = plan_steps("engine", (1, 10, 50), 600.0)


@dataclass
class Desk:
    """A file, and what is known of its tables; ``slept`` happens instead of waiting."""

    path: Path
    judgements: dict[str, Readiness] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    recorded: list[Changed] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    meanwhile: Callable[[], object] = lambda: None

    def judge(self, table: str) -> Readiness | None:
        return self.judgements.get(table)

    def find_hold(self, table: str) -> Hold | None:
        return self.holds.get(table)

    def record(self, change: Changed) -> None:
        self.recorded.append(change)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.meanwhile()

    @property
    def switch(self) -> Switch:
        return Switch(
            self.path,
            lambda content: read_config(content, "understudy.yaml", {}),
            self,
            self.said.append,
            self.sleep,
        )

    @property
    def text(self) -> str:
        return self.path.read_text()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    path = tmp_path / "understudy.yaml"
    path.write_text(FILE)
    ready = judge(READY)
    return Desk(path, {"storage": ready, "data_item": ready})


def order(*tables: str, reason: str = "", force: bool = False) -> Order:
    return Order(tables, "anna@ops", reason, force)


def test_a_table_that_is_ready_is_promoted_and_it_is_written_down(desk: Desk) -> None:
    desk.switch.promote(order("storage", reason="first one"), TEN)
    assert desk.text == FILE.replace("storage:   {reads: shadow}", "storage:   {reads: canary, share: 10}")
    assert desk.said == ["storage: shadow -> canary 10 %"]
    assert desk.recorded == [Changed("storage", "shadow", "canary 10 %", "anna@ops", "first one")]


def test_a_table_that_is_not_ready_is_refused_with_what_is_missing(desk: Desk) -> None:
    desk.judgements["storage"] = judge(replace(READY, open_signatures=2))
    with pytest.raises(Refused, match=r"^storage: 2 open mismatch signatures$"):
        desk.switch.promote(order("storage"), TEN)
    del desk.judgements["storage"]
    with pytest.raises(Refused, match="nothing is known of its evidence"):
        desk.switch.promote(order("storage"), TEN)
    assert (desk.text, desk.recorded) == (FILE, [])


def test_force_overrules_missing_evidence_but_not_a_hold(desk: Desk) -> None:
    desk.judgements.clear()
    desk.switch.promote(order("storage", reason="a demonstration", force=True), TEN)
    assert "canary" in desk.text
    desk.holds["data_item"] = Hold("data_item", 0.0, "errors", "1 proven mismatch within 1 min")
    with pytest.raises(Refused, match=r"held \(1 proven mismatch within 1 min\): re-arm it first"):
        desk.switch.promote(order("data_item", reason="a demonstration", force=True), TEN)


def test_of_several_tables_all_are_promoted_or_none(desk: Desk) -> None:
    del desk.judgements["data_item"]
    with pytest.raises(Refused):
        desk.switch.promote(order("storage", "data_item"), TEN)
    assert desk.text == FILE
    desk.judgements["data_item"] = desk.judgements["storage"]
    desk.switch.promote(order("storage", "data_item"), TEN)
    assert desk.text.count("canary") == 2


def test_a_ramp_goes_step_by_step_to_the_engine(desk: Desk) -> None:
    seen: list[str] = []
    desk.meanwhile = lambda: seen.append(desk.text.splitlines()[3])
    desk.switch.promote(order("storage"), RAMP)
    assert desk.slept == [600.0, 600.0, 600.0]
    assert [line.strip() for line in seen] == [
        f"storage:   {{reads: canary, share: {share}}}   # small" for share in (1, 10, 50)
    ]
    assert "storage:   {reads: engine, share: 50, verify: 5}   # small" in desk.text
    assert [change.after for change in desk.recorded] == [
        "canary 1 %",
        "canary 10 %",
        "canary 50 %",
        "engine, 5 % verified",
    ]


def test_a_ramp_ends_where_the_guard_holds_the_table(desk: Desk) -> None:
    desk.meanwhile = lambda: desk.holds.update(storage=Hold("storage", 0.0, "errors", "5 engine errors"))
    with pytest.raises(Refused, match="held"):
        desk.switch.promote(order("storage", reason="x", force=True), RAMP)
    assert "{reads: canary, share: 1}" in desk.text


def test_a_ramp_and_somebody_with_an_editor_do_not_undo_each_other(desk: Desk) -> None:
    desk.meanwhile = lambda: desk.path.write_text(desk.text.replace("# ours", "# theirs"))
    desk.switch.promote(order("storage"), RAMP)
    assert desk.text.startswith("# theirs\n")


def test_a_ramp_does_not_take_a_table_up_again_that_somebody_rolled_back(desk: Desk) -> None:
    desk.meanwhile = lambda: desk.switch.rollback(order("storage"))
    with pytest.raises(Refused, match="changed meanwhile, to shadow: the ramp ends there"):
        desk.switch.promote(order("storage"), RAMP)
    assert "storage:   {reads: shadow, share: 1}" in desk.text


def test_a_rollback_asks_for_no_evidence(desk: Desk) -> None:
    desk.switch.promote(order("storage"), TEN)
    desk.judgements.clear()
    desk.holds["storage"] = Hold("storage", 0.0, "errors", "1 proven mismatch")
    desk.switch.rollback(order("storage", reason="to be sure"))
    assert "storage:   {reads: shadow, share: 10}" in desk.text
    assert desk.recorded[-1] == Changed("storage", "canary 10 %", "shadow", "anna@ops", "to be sure")
    desk.switch.rollback(order("storage"))
    assert desk.said[-1] == "storage: shadow, as it was"
    assert len(desk.recorded) == 2


def test_a_file_that_is_not_valid_is_not_touched(desk: Desk) -> None:
    desk.path.write_text(FILE + "nonsense: 1\n")
    with pytest.raises(ConfigError, match="nonsense"):
        desk.switch.rollback(order("storage"))
    assert desk.text == FILE + "nonsense: 1\n"


def test_a_rule_that_is_shared_is_not_touched(desk: Desk) -> None:
    shared = FILE.replace("{reads: shadow}   # small", "&rule {reads: engine}").replace(
        "{reads: shadow}   # large", "*rule"
    )
    desk.path.write_text(shared)
    with pytest.raises(EditRefused):
        desk.switch.rollback(order("storage"))
    assert desk.text == shared


def test_a_config_map_is_not_changed_but_its_patch_is_told(desk: Desk, tmp_path: Path) -> None:
    data = tmp_path / "..2026_11_26"
    data.mkdir()
    desk.path.rename(data / "understudy.yaml")
    desk.path.symlink_to("..2026_11_26/understudy.yaml")
    with pytest.raises(NotChangeable) as caught:
        desk.switch.promote(order("storage"), TEN)
    text = explain_patch(caught.value, "understudy.yaml", "under study", "dlm")
    assert "ConfigMap" in text
    assert "-  storage:   {reads: shadow}   # small\n+  storage:   {reads: canary, share: 10}" in text
    command = text[text.index("kubectl ") :].removesuffix("\n")
    words = shlex.split(command)
    assert words[:-1] == [
        *("kubectl", "patch", "configmap", "under study", "--namespace", "dlm"),
        *("--type", "merge", "--patch"),
    ]
    assert json.loads(words[-1])["data"]["understudy.yaml"] == FILE.replace(
        "storage:   {reads: shadow}", "storage:   {reads: canary, share: 10}"
    )


def test_the_diff_is_one_that_patch_takes(tmp_path: Path) -> None:
    before, after = b"a: 1\n  # caf\xc3\xa9\nb: 2", b"a: 1\n  # caf\xc3\xa9\nb: 3"
    (tmp_path / "f.yaml").write_bytes(before)
    text = explain_patch(NotChangeable("mount", Change(before, after)), "f.yaml", None, None)
    diff = text[text.index("--- a/") :]
    done = subprocess.run(
        ["git", "apply", "-"],
        cwd=tmp_path,
        input=diff.encode(),
        capture_output=True,
        check=False,
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)},
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "f.yaml").read_bytes() == after

"""What is played: from shadow to the engine under live traffic, then the engine fails in every way."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import TypeAlias

from proxy.config.reader import read_config
from proxy.shadow.ramp import Step
from proxy.shadow.wish import Wish
from tests.cutover.crowd import Crowd, Seen, learn
from tests.cutover.faults import FAULTS, Fault
from tests.cutover.stage import Stage

VERIFIED = (5.0, 20.0, 100.0)
"""The shares in percent that are verified while the engine answers wrongly."""

SHARES = (1.0, 10.0, 50.0, 100.0)
TABLES = ("item", "shelf")
PATIENCE = 200.0
HOLD_WITHIN = 1.0
"""Seconds within which a table has to be held: from the first failure, or the first proven mismatch."""

Say: TypeAlias = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Pace:
    """How long each part of the story lasts, in seconds."""

    step: float = 8.0
    fault: float = 4.0


@dataclass
class Findings:
    """What must not be."""

    faults: list[str] = field(default_factory=list)

    def expect(self, holds: bool, words: str) -> None:
        if not holds:
            self.faults.append(words)


async def play(stage: Stage, say: Say, pace: Pace, *, clients: int = 50) -> list[str]:
    """Play the story; gives what went wrong."""
    findings = Findings()
    expected = await learn(stage.upstream.url)
    say(f"{len(expected)} reads whose answers never change, confirmed by a model of the data")
    async with Crowd(stage.url, expected, clients=clients) as crowd:
        await _become_ready(stage, say, findings)
        await _promote(stage, crowd, say, pace, findings)
        await _edit(stage, r"timeout: 5s", "timeout: 700ms")
        for fault in FAULTS:
            if fault != "wrong answers":
                await fail(stage, crowd, fault, say, pace, findings)
        for share in VERIFIED:
            await _edit(stage, r"verify: [0-9]+", f"verify: {share:g}")
            await fail(stage, crowd, "wrong answers", say, pace, findings)
        crowd.begin()
        for number, one in enumerate(crowd.total):
            say(
                f"client {number:>2}: {one.answers:>4} answers, {one.errors} errors, {one.wrong:>2} wrong, "
                f"the slowest took {one.slowest:.2f} s"
            )
        say(f"writes done meanwhile, each with the status it has to have: {crowd.written:,}")
    return findings.faults


async def _become_ready(stage: Stage, say: Say, findings: Findings) -> None:
    started = monotonic()

    deadline = started + PATIENCE
    judged = [await stage.judge(table) for table in TABLES]
    while any(one.verdict != "ready" for one in judged) and monotonic() < deadline:
        await asyncio.sleep(2.0)
        judged = [await stage.judge(table) for table in TABLES]
    for one in judged:
        missing = "; ".join(gap.words for gap in one.missing)
        compared = f"{one.agreed:,} reads agreed, rate below {one.mismatch_bound:.4f}"
        say(f"shadow  {one.table}: {one.verdict} after {monotonic() - started:.0f} s, {compared} {missing}")
        findings.expect(one.verdict == "ready", f"{one.table} is {one.verdict}: {missing}")


async def _promote(stage: Stage, crowd: Crowd, say: Say, pace: Pace, findings: Findings) -> None:
    for step in (*(Step(0.0, "canary", share) for share in SHARES), Step(0.0, "engine")):
        # What is not ready is a fault already; the rest of the story is told all the same.
        await change_mode(stage, step, force=bool(findings.faults))
        crowd.begin()
        before = _served(stage)
        await asyncio.sleep(pace.step)
        seen = list(crowd.seen)
        share = _engine_share(before, _served(stage))
        name = "engine" if step.share is None else f"canary {step.share:g} %"
        say(f"{name}: engine answered {share:.0%}; {_summary(seen)}")
        _expect_faultless(findings, name, seen)
        wanted = 1.0 if step.share is None else step.share / 100
        # A client and shape has one side, so that few of them make the share a rough one.
        findings.expect(abs(share - wanted) <= 0.2, f"{name}: the engine answered {share:.0%}")
    findings.expect(not stage.witness.proven_at, "a mismatch was proven of an engine that is sound")


async def fail(stage: Stage, crowd: Crowd, fault: Fault, say: Say, pace: Pace, findings: Findings) -> None:
    """Let the engine fail until the tables are held and a while longer, then take them up again."""
    stage.witness.forget()
    crowd.begin()
    started = monotonic()
    await stage.engine.break_down(fault)
    await _wait(lambda: set(TABLES) <= stage.witness.held_at.keys(), 20.0)
    await asyncio.sleep(pace.fault)
    await stage.engine.recover()
    seen = list(crowd.seen)
    held, proven = stage.witness.held_at, stage.witness.proven_at
    findings.expect("item" in held, f"{fault}: item is not held")
    if "item" in held:
        since = proven.get("item", started) if fault == "wrong answers" else started
        seconds = held["item"] - since
        origin = "the first proven mismatch" if fault == "wrong answers" else "the first failure could come"
        say(f"{fault}: held {seconds:.2f} s after {origin}; {_summary(seen)}")
        findings.expect(seconds <= HOLD_WITHIN, f"{fault}: held after {seconds:.2f} s")
    if fault == "wrong answers":
        wrong = sum(one.wrong for one in seen)
        late = ", ".join(f"{at - started:.2f} s ({table})" for table, at in sorted(proven.items()))
        share = stage.proxy.state.current.config.tables["item"].verify
        say(
            f"  {share:g} % verified: proven after {late}; {wrong} wrong answers got out; "
            f"one of {100 / share:.0f} is looked at, and others get out while it is being proven"
        )
        findings.expect(sum(one.errors for one in seen) == 0, f"{fault}: errors reached clients")
    else:
        _expect_faultless(findings, fault, seen)
    await _resume(stage, findings, fault)


async def _edit(stage: Stage, pattern: str, text: str) -> None:
    """Change the file as with any editor, and wait until that is in force."""
    stage.file.write_text(re.sub(pattern, text, stage.file.read_text()))
    wanted = read_config(stage.file.read_bytes(), stage.file.name, {}).config
    await _wait(lambda: stage.proxy.state.current.config == wanted, 5.0)


async def _resume(stage: Stage, findings: Findings, fault: Fault) -> None:
    """Re-arm, and see that the engine answers again."""
    guarding = stage.proxy.guarding
    for table in TABLES:
        await guarding.rearm(table, "the story", f"after {fault}")
    before = _served(stage)
    await _wait(lambda: _engine_share(before, _served(stage)) > 0.5, 45.0)
    findings.expect(_engine_share(before, _served(stage)) > 0.5, f"{fault}: the engine does not answer again")


async def change_mode(stage: Stage, step: Step, *, force: bool = False) -> None:
    """What an operator does on the admin port; it is in force when it is done."""
    for table in TABLES:
        wish = Wish("promote", table, "the story", "as it is told", step.mode, step.share, force)
        outcome = await stage.proxy.carry_out(wish)
        if outcome.result != "done":
            raise AssertionError(f"{step}: {outcome.words}")


async def _wait(condition: Callable[[], bool], seconds: float) -> None:
    deadline = monotonic() + seconds
    # What is waited for is a state that others reach, and no event tells of it.
    while not condition() and monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.1)


def _served(stage: Stage) -> Counter[str]:
    reads: Counter[str] = Counter()
    for table in stage.proxy.tally.report():
        if table.table in TABLES:
            reads.update(engine=table.engine_served, all=table.reads)
    return reads


def _engine_share(before: Counter[str], after: Counter[str]) -> float:
    return (after["engine"] - before["engine"]) / max(1, after["all"] - before["all"])


def _summary(seen: list[Seen]) -> str:
    answers = sum(one.answers for one in seen)
    errors, wrong = sum(one.errors for one in seen), sum(one.wrong for one in seen)
    slowest = max(one.slowest for one in seen)
    return f"{answers:,} answers, {errors} errors, {wrong} wrong, the slowest took {slowest:.2f} s"


def _expect_faultless(findings: Findings, name: str, seen: list[Seen]) -> None:
    for number, one in enumerate(seen):
        findings.expect(one.errors == 0, f"{name}: client {number} saw {dict(one.problems)}")
        findings.expect(one.wrong == 0, f"{name}: client {number} saw {one.wrong} wrong answers")

"""Promote tables and roll them back, by changing the file.

The file is the one truth about modes; the proxies see it change and follow within a second. So nothing has
to be running for this but the evidence, and whoever dies on the way leaves a state that the file says.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from proxy.config import Config
from proxy.config.edit import set_rule
from proxy.config.reader import ConfigFile
from proxy.errors import UnderstudyError
from proxy.modes.file import change_file
from proxy.shadow.guard import Hold
from proxy.shadow.promotion import (
    Target,
    Values,
    describe_rule,
    find_doubts,
    find_promoted,
    find_refusals,
    find_rolled_back,
    find_target,
)
from proxy.shadow.ramp import Step
from proxy.shadow.readiness import Readiness
from proxy.shadow.words import period


@dataclass(frozen=True, slots=True)
class Changed:
    """A table's rule was changed: from what to what, by whom and why."""

    table: str
    before: str
    after: str
    who: str
    why: str


class Knowledge(Protocol):
    """What is known of tables beyond the file, and where changes are written down."""

    def judge(self, table: str) -> Readiness | None:
        """The judgement on a table; None when there is no evidence to be had."""

    def find_hold(self, table: str) -> Hold | None:
        """The hold on a table, if there is one."""

    def record(self, change: Changed) -> None:
        """Write ``change`` down. It has happened: this never raises."""


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody wants done with which tables. A ``reason`` is what force is used for."""

    tables: tuple[str, ...]
    who: str
    reason: str = ""
    force: bool = False


class Refused(UnderstudyError):
    """An order that is not carried out; the text says why, a reason a line."""


class Switch:
    """Carries out orders on the file at ``path``.

    ``parse`` reads the file as the proxy would. ``say`` tells the operator what was done. What cannot be
    done is raised: ``Refused``, ``EditRefused``, ``ConfigError``, ``NotChangeable`` and ``OSError``.
    """

    def __init__(
        self,
        path: Path,
        parse: Callable[[bytes], ConfigFile],
        knowledge: Knowledge,
        say: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._path = path
        self._parse = parse
        self._knowledge = knowledge
        self._say = say
        self._sleep = sleep

    def promote(self, order: Order, steps: Sequence[Step]) -> None:
        """Take the tables of ``order`` through ``steps``.

        Before each step they are looked at again: a table that is held, or no longer ready, ends the ramp
        where it is. Nothing is rolled back by this; that is the guard's, or a person's.
        """
        waited = 0.0
        for previous, step in zip((None, *steps), steps, strict=False):
            if step.after > waited:
                self._say(f"next step in {period(step.after - waited)}")
                self._sleep(step.after - waited)
                waited = step.after
            self._change(order, partial(self._find_step, order, step, previous))

    def rollback(self, order: Order) -> None:
        """Put the tables of ``order`` back into shadow. No evidence is asked for."""
        self._change(order, lambda target, _: find_rolled_back(target.rule))

    def _find_step(
        self, order: Order, step: Step, previous: Step | None, target: Target, config: Config
    ) -> Values:
        hold = self._knowledge.find_hold(target.label)
        reasons = list(find_refusals(target, step, config, hold, previous))
        if not order.force:
            reasons += find_doubts(self._knowledge.judge(target.label))
        if reasons:
            raise Refused("\n".join(f"{target.label}: {reason}" for reason in reasons))
        return find_promoted(target.rule, step)

    def _change(self, order: Order, find_values: Callable[[Target, Config], Values]) -> None:
        """Change the rules of all tables of ``order``, or of none."""
        targets: list[Target] = []

        def edit(content: bytes) -> bytes:
            config = self._parse(content).config
            targets[:] = [find_target(name, config) for name in order.tables]
            text = content.decode()
            for target in targets:
                text = set_rule(text, target.section, target.key, find_values(target, config))
            after = text.encode()
            self._parse(after)
            return after

        change = change_file(self._path, edit)
        config = self._parse(change.after).config
        for name, target in zip(order.tables, targets, strict=True):
            before, after = describe_rule(target.rule), describe_rule(find_target(name, config).rule)
            if before == after:
                self._say(f"{target.label}: {after}, as it was")
                continue
            self._say(f"{target.label}: {before} -> {after}")
            self._knowledge.record(Changed(target.label, before, after, order.who, order.reason))

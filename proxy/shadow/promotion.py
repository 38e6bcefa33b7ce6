"""What a promotion or a rollback of a table means for its rule, and when it is refused."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from proxy.config import Config, ReadMode, Rule
from proxy.config.kinds import (
    show_number,
)
from proxy.shadow.guard import Hold
from proxy.shadow.ramp import Step
from proxy.shadow.readiness import Readiness

VERIFIED = 5.0
"""The percentage that a table is verified by when it comes to the engine, unless its rule says otherwise."""

ADVANCE: tuple[ReadMode, ...] = ("upstream", "shadow", "canary", "engine")

_FUNCTION = "rpc/"


@dataclass(frozen=True, slots=True)
class Target:
    """A table or function of the configuration: its section and key there, its label, its rule."""

    section: Literal["tables", "functions"]
    key: str
    label: str
    rule: Rule


Values: TypeAlias = Mapping[str, str]
"""Keys of a rule, and the texts that they are to have in the file."""


def find_target(name: str, config: Config) -> Target:
    """What ``name`` means: ``data_item``, ``dlm.data_item``, ``rpc/latest_items``.

    The key in the file is the one that is there already, with the schema or without. Nothing is known here
    of the database: whether the name exists is seen by whoever reads the changed file.
    """
    function = name.startswith(_FUNCTION)
    bare = name.removeprefix(_FUNCTION)
    rules = config.functions if function else config.tables
    default = f"{config.engine.db_schemas[0]}." if config.engine.db_schemas else ""
    short = bare.removeprefix(default) if default else bare
    key = next((one for one in (bare, short, default + short) if one in rules), short)
    label = _FUNCTION + short if function else short
    return Target("functions" if function else "tables", key, label, rules.get(key, config.defaults))


def find_promoted(rule: Rule, step: Step) -> Values:
    """What a step of a promotion sets. A table never comes to the engine without being verified."""
    if step.mode == "engine":
        return {"reads": "engine"} if rule.verify else {"reads": "engine", "verify": show_number(VERIFIED)}
    return {"reads": "canary", "share": show_number(rule.share if step.share is None else step.share)}


def find_rolled_back(rule: Rule) -> Values:
    """What a rollback sets: ``shadow``, unless the table has not come that far."""
    return {"reads": min(rule.reads, "shadow", key=ADVANCE.index)}


def find_refusals(
    target: Target, step: Step, config: Config, hold: Hold | None, previous: Step | None = None
) -> Iterable[str]:
    """Why ``target`` cannot be promoted, by no force: a hold is there until a person re-arms the table.

    ``previous`` is the step before in the same ramp, which ends when somebody else has changed the rule.
    """
    if config.upstream is None:
        yield "without an upstream the engine answers everything already"
    elif ADVANCE.index(target.rule.reads) > ADVANCE.index(step.mode):
        yield f"it is in {target.rule.reads} already: roll it back first"
    elif previous is not None and not _is_at(target.rule, previous):
        yield f"it was changed meanwhile, to {describe_rule(target.rule)}: the ramp ends there"
    if hold is not None:
        yield f"it is held ({hold.words}): re-arm it first"


def _is_at(rule: Rule, step: Step) -> bool:
    return rule.reads == step.mode and step.share in (None, rule.share)


def find_doubts(readiness: Readiness | None) -> Iterable[str]:
    """What is missing for a promotion that is not forced; ``readiness`` is None when nothing is known."""
    if readiness is None:
        yield "nothing is known of its evidence"
    elif readiness.verdict != "ready":
        yield from (gap.words for gap in readiness.missing)


def describe_rule(rule: Rule) -> str:
    """The reads of ``rule`` for people: ``canary 10 %``."""
    match rule.reads:
        case "canary":
            return f"canary {show_number(rule.share)} %"
        case "engine" if rule.verify:
            return f"engine, {show_number(rule.verify)} % verified"
        case _:
            return rule.reads

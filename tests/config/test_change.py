"""What of a new configuration is in force at once."""

from dataclasses import fields, replace

from proxy.config import (
    Address,
    Config,
    EngineConfig,
    GuardConfig,
    Limits,
    LogConfig,
    ReadinessConfig,
    RedactConfig,
    RehearsalConfig,
    Rule,
    ShadowConfig,
    UpstreamConfig,
)
from proxy.config.change import merge_change

RUNNING = Config(upstream=UpstreamConfig("http://a:1"), tables={"storage": Rule()})


def test_nothing_changed_means_nothing_waits() -> None:
    assert merge_change(RUNNING, RUNNING) == (RUNNING, ())


def test_rules_are_in_force_at_once() -> None:
    wanted = replace(
        RUNNING,
        defaults=Rule("engine"),
        tables={"storage": Rule("upstream"), "other": Rule()},
        functions={"latest": Rule(sample=3)},
    )
    assert merge_change(RUNNING, wanted) == (wanted, ())


def test_what_needs_a_restart_keeps_its_running_value_and_is_named() -> None:
    wanted = replace(
        RUNNING,
        listen=Address("0.0.0.0", 80),
        workers=2,
        engine=EngineConfig(db_pool=20, db_uri="postgresql://b", db_max_rows=5),
        shadow=ShadowConfig(queue=5, concurrency=3),
        defaults=Rule(sample=1),
    )
    config, waiting = merge_change(RUNNING, wanted)
    assert waiting == ("listen", "workers", "engine.db-uri", "engine.db-pool", "shadow.concurrency")
    assert config == replace(
        RUNNING, engine=EngineConfig(db_max_rows=5), shadow=ShadowConfig(queue=5), defaults=Rule(sample=1)
    )


def test_a_change_that_is_taken_back_waits_no_more() -> None:
    config, _ = merge_change(RUNNING, replace(RUNNING, workers=2))
    assert merge_change(config, RUNNING) == (RUNNING, ())


def test_an_upstream_goes_changes_and_comes_back_at_once_with_the_rules() -> None:
    alone = Config(defaults=Rule("engine", "engine"))
    other = replace(RUNNING, upstream=UpstreamConfig("http://b:2", timeout=1))
    for before, wanted in ((RUNNING, alone), (alone, RUNNING), (RUNNING, other)):
        assert merge_change(before, wanted) == (wanted, ())


def test_every_part_of_the_configuration_is_either_taken_or_named() -> None:
    wanted = Config(
        Address("h", 1),
        Address("h", 2),
        3,
        UpstreamConfig("http://b:2", 1, 1, 1, 1),
        EngineConfig(db_schemas=("x",), db_anon_role="x"),
        Rule("engine", sample=1),
        {"x": Rule()},
        {"x": Rule()},
        ShadowConfig(1, 1, 1, 1, 1),
        RehearsalConfig(1, 1, 1, 1, 1),
        ReadinessConfig(0.5),
        GuardConfig(1),
        Limits(1, 1, 1, 1),
        RedactConfig(("storage.uri",)),
        "sqlite://",
        log=LogConfig("json", spans=True),
    )
    config, waiting = merge_change(RUNNING, wanted)
    for field in fields(Config):
        named = any(key.split(".")[0] == field.name for key in waiting)
        assert named or getattr(config, field.name) == getattr(wanted, field.name)

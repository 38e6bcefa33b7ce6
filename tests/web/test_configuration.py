"""The configuration as it may be shown."""

from proxy.config import Config
from proxy.config.values import RedactConfig
from proxy.web.configuration import HIDDEN, show_configuration
from tests.web.samples import HOSTILE, SECRET, config

SECRETS = (SECRET, "pass-of-db", "secret-of-jwt", "secret-of-an-app", "pass-of-ledger")


def test_no_secret_is_shown() -> None:
    shown = show_configuration(config())
    text = repr(shown)
    assert not [secret for secret in SECRETS if secret in text]
    values = {(section.name, key.name): key.value for section in shown for key in section.keys}
    assert values["", "ledger"] == HIDDEN
    assert values["engine", "db-uri"] == values["engine", "jwt-secret"] == HIDDEN
    assert values["engine", "app.settings.key"] == HIDDEN
    assert values["console.operators.1", "name"] == "ada"
    assert values["console.operators.1", "secret"] == HIDDEN


def test_values_stand_as_in_the_file_and_defaults_are_told_apart() -> None:
    shown = {
        section.name: {key.name: key for key in section.keys} for section in show_configuration(config())
    }
    assert shown["upstream"]["url"].value == "http://postgrest:3000"
    assert not shown["upstream"]["url"].default
    assert (shown["shadow"]["queue_bytes"].value, shown["shadow"]["queue_bytes"].default) == ("64MiB", True)
    assert shown[""]["listen"].restart
    assert shown["shadow"]["budget"].value is None
    assert {name: key.value for name, key in shown[f"tables.{HOSTILE}"].items()} == {"reads": "engine"}


def test_every_section_is_shown_also_one_that_is_not_there() -> None:
    names = [section.name for section in show_configuration(Config(redact=RedactConfig(("a.b",))))]
    assert names[:3] == ["", "upstream", "engine"]
    assert {"readiness", "guard", "redact", "console", "limits"} <= set(names)
    assert show_configuration(Config())[1].keys == ()


def test_a_ledger_in_a_file_is_shown() -> None:
    (top, *_) = show_configuration(Config())
    assert {key.name: key.value for key in top.keys}["ledger"] == "sqlite:///understudy.db"

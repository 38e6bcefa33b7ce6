"""The conformance recording: its files, its variants and its exchanges."""

import functools
from collections.abc import Sequence
from pathlib import Path

from proxy.config import Compat
from proxy.tape.collection import Variants, load, read_variants, select
from proxy.tape.format import RecordedExchange
from proxy.tape.request import RequestSettings

CONFORMANCE = Path(__file__).resolve().parents[1] / "conformance"
SQL_FILES = (CONFORMANCE / "schema.sql", CONFORMANCE / "data.sql")
TAPES = CONFORMANCE / "tapes"
RANDOM: dict[Compat, Path] = {
    "12": CONFORMANCE / "random-12.jsonl",
    "13": CONFORMANCE / "random-13.jsonl",
    "14": CONFORMANCE / "random.jsonl",
}
"""What each version answered to random requests."""


@functools.cache
def variants() -> Variants:
    """The content of ``variants.json``."""
    return read_variants(CONFORMANCE / "variants.json")


def settings() -> RequestSettings:
    """What every recorded request shares: Host header and secret of the tokens."""
    return variants().settings


def variant_options(variant: str = "default") -> dict[str, str]:
    """The ``PGRST_*`` settings of a variant, without the database URI, host and ports."""
    return dict(variants().variants[variant].options)


def login_role(variant: str = "default") -> str:
    """The role that a server of this variant logs in as."""
    return variants().variants[variant].login_role


@functools.cache
def _recorded(version: str) -> tuple[RecordedExchange, ...]:
    return tuple(load(TAPES, version))


def recorded(
    variant: str = "default", *, version: str = "14.17", areas: Sequence[str] = (), ids: Sequence[str] = ()
) -> list[RecordedExchange]:
    """The recorded exchanges of one variant, in the order of the tapes; empty ``areas`` means all."""
    return list(select(_recorded(version), variant=variant, areas=areas, ids=ids))

"""A directory of tapes: which files belong together, which exchanges are wanted, how they were recorded."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from proxy.tape.format import RecordedExchange, TapeError, read_exchanges, read_header
from proxy.tape.request import RequestSettings


@dataclass(frozen=True, slots=True)
class Variant:
    """One configuration of the recorded server: its login role and its ``PGRST_*`` settings."""

    name: str
    login_role: str
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Variants:
    """The content of a ``variants.json``: what requests share, and the configurations by name."""

    settings: RequestSettings
    variants: Mapping[str, Variant]


def tape_files(path: Path) -> list[Path]:
    """The tapes at ``path``, a tape or a directory of tapes, sorted by name. Raises TapeError if none."""
    if path.is_file():
        return [path]
    if not path.exists():
        raise TapeError(f"{path}: no such file or directory")
    files = sorted(path.glob("*.jsonl"))
    if not files:
        raise TapeError(f"{path}: no tapes (*.jsonl) in this directory")
    return files


def load(path: Path, version: str | None = None) -> list[RecordedExchange]:
    """Every exchange at ``path``, in the order of file names and lines. Raises TapeError.

    With ``version``, ``path`` holds one directory ``postgrest-<version>`` per recorded version (or is one
    of them); a version that was only recorded where it differs is completed from the one it differs from.
    """
    if version is None:
        return [exchange for file in tape_files(path) for exchange in read_exchanges(file)]
    directory = path / f"postgrest-{version}"
    if not directory.is_dir():
        if read_header(tape_files(path)[0]).postgrest != version:
            raise TapeError(f"{path}: no tapes of version {version} here")
        directory = path
    exchanges = load(directory)
    base = read_header(tape_files(directory)[0]).differs_from
    if base is None:
        return exchanges
    corrections = {exchange.id: exchange for exchange in exchanges}
    return [corrections.get(exchange.id, exchange) for exchange in load(directory.parent / base)]


def select(
    exchanges: Iterable[RecordedExchange],
    *,
    variant: str | None = None,
    areas: Sequence[str] = (),
    ids: Sequence[str] = (),
    skip_accidents: bool = False,
) -> Iterator[RecordedExchange]:
    """The exchanges of this variant, these areas and these ids (``prefix*`` works); empty means all."""
    for exchange in exchanges:
        if (
            (variant is None or exchange.variant == variant)
            and (not areas or exchange.area in areas)
            and (not ids or any(_id_matches(exchange.id, wanted) for wanted in ids))
            and not (skip_accidents and exchange.accident)
        ):
            yield exchange


def find_variants(path: Path) -> Path | None:
    """The ``variants.json`` that goes with the tapes at ``path``: beside them, or up to two levels above."""
    start = path.resolve()
    candidates = [directory / "variants.json" for directory in (start, *start.parents[:3])]
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def read_variants(path: Path) -> Variants:
    """Read a ``variants.json``. Raises TapeError."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return _to_variants(document)
    except OSError as error:
        raise TapeError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TapeError(f"{path}: not a description of variants: {error!r}") from error


def _to_variants(document: Any) -> Variants:
    token = document["jwt"]
    settings = RequestSettings(
        host=document["host_header"].encode(),
        token_header=json.dumps(token["header"], separators=(",", ":")),
        token_secret=token["secret"].encode(),
    )
    variants = {
        name: Variant(name, variant["login_role"], MappingProxyType(dict(variant["env"])))
        for name, variant in document["variants"].items()
    }
    return Variants(settings, MappingProxyType(variants))


def _id_matches(exchange_id: str, wanted: str) -> bool:
    if wanted.endswith("*"):
        return exchange_id.startswith(wanted[:-1])
    return exchange_id == wanted

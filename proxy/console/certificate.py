"""A certificate: what was compared and what was not, as Markdown or JSON.

The last line is a digest of all before it, so that a copy can be told from a changed one.
"""

import argparse
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from proxy.config import ReadinessConfig
from proxy.console.output import show_text
from proxy.shadow.certificate import Certificate, CertifiedTable
from proxy.shadow.words import count_of, fraction


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``understudy certificate``."""
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="understudy.yaml")
    parser.add_argument("--json", action="store_true", help="for programs")


def render_json(certificate: Certificate, limits: ReadinessConfig) -> str:
    """The certificate for programs."""
    document = {
        **asdict(certificate),
        "limits": asdict(limits),
        "objections": list(certificate.objections),
    }
    return json.dumps(document, ensure_ascii=False, indent=1)


def render_markdown(certificate: Certificate, limits: ReadinessConfig) -> str:
    """The certificate for people."""
    text = "\n".join(_list_lines(certificate, limits)) + "\n"
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{text}\nSHA-256 of the lines above: `{digest}`\n"


def _list_lines(certificate: Certificate, limits: ReadinessConfig) -> Iterable[str]:
    made = datetime.fromtimestamp(certificate.made_at, UTC)
    yield "# Certificate of exit"
    yield ""
    yield f"Made at {made:%Y-%m-%d %H:%M:%S} UTC. " + _conclude(certificate)
    yield ""
    yield from (f"- {show_text(objection)}" for objection in certificate.objections)
    yield from _section(
        "Versions", (f"- {name}: {_code(text)}" for name, text in certificate.versions.items())
    )
    yield from _section("What was compared", _list_tables(certificate.tables, limits))
    yield from _section("What was not compared", _list_counts(certificate.tables, "excluded"))
    yield from _section(
        "What the engine cannot answer", _list_counts(certificate.tables, "unsupported", shapes=True)
    )
    yield from _section(
        "Calls whose paging is undefined", _list_counts(certificate.tables, "undefined_paging", shapes=True)
    )
    yield from _section("What nobody asked for", _list_idle(certificate.idle))
    yield from _section(
        "What is not in the schema any more", (f"- {_code(name)}" for name in certificate.gone)
    )
    yield from _section(
        "Ignore rules that are alive",
        (
            f"- {_code(f'{rule.table}: {rule.leaves_out}')}, {count_of(rule.hits, 'hit')}, until "
            f"{rule.expires or 'for ever'}: {show_text(rule.reason)}"
            for rule in certificate.rules
        ),
    )


def _conclude(certificate: Certificate) -> str:
    if not certificate.objections:
        return "Every table is answered by the engine, and nothing speaks against switching the upstream off."
    return "The upstream cannot be switched off yet:"


def _section(title: str, lines: Iterable[str]) -> Iterable[str]:
    yield ""
    yield f"## {title}"
    yield ""
    found = list(lines)
    yield from found or ["Nothing."]


def _list_tables(tables: Iterable[CertifiedTable], limits: ReadinessConfig) -> Iterable[str]:
    yield (
        f"Bounds hold at a confidence of {limits.confidence:g}, for the mix of the traffic that was seen. "
        "Counted are the reads that repeat none of shortly before; ratios are the engine's time by the "
        "upstream's."
    )
    yield ""
    yield (
        "| table | reads | writes | verdict | from | to | compared | counted | mismatches | rate below "
        "| shapes | unseen below | latency ratio | cost ratio | undecided | failed | schema |"
    )
    yield "|" + "---|" * 17
    for table in tables:
        one = table.readiness
        latency = "-" if one.latency is None else f"{one.latency.mean:.2f}"
        cells = (
            *(_code(one.table), table.reads + (" (held)" if table.held else ""), table.writes, one.verdict),
            *(_day(one.first_seen), _day(one.last_seen)),
            *(f"{one.agreed + one.mismatches:,}", f"{one.fresh:,}"),
            *(f"{one.mismatches:,}", fraction(one.mismatch_bound)),
            *(f"{one.shapes:,}", fraction(one.unseen.bound), latency),
            "-" if one.cost_ratio is None else f"{one.cost_ratio:.2f}",
            *(f"{sum(one.undecided.values()):,}", f"{one.failed:,}"),
            table.schema or "-",
        )
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _day(seconds: float | None) -> str:
    return "-" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"


def _list_idle(idle: Mapping[str, tuple[str, str]]) -> Iterable[str]:
    for name, (reads, writes) in idle.items():
        yield f"- {_code(name)}: reads {reads}, writes {writes}"


def _list_counts(tables: Iterable[CertifiedTable], field: str, *, shapes: bool = False) -> Iterable[str]:
    for table in tables:
        counts: Mapping[str, int] = getattr(table, field)
        name = _code(table.readiness.table)
        for what, number in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            if number:
                yield f"- {name}: {_code(what) if shapes else what}, {count_of(number, 'read')}"


def _code(text: str) -> str:
    """``text`` as Markdown code, whatever is in it."""
    shown = show_text(text)
    fence = "`" * (max((len(run) for run in _backticks(shown)), default=0) + 1)
    pad = " " if "`" in shown else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def _backticks(text: str) -> list[str]:
    return "".join(mark if mark == "`" else " " for mark in text).split()

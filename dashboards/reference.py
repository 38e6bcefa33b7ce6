"""Every metric for people: ``docs/metrics.md``, made from the proxy's own registry, dashboards and rules."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import yaml
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from dashboards.metrics import DEBUGGING
from proxy.operate.families import Families

RULES = Path(__file__).parent / "rules" / "understudy.rules.yml"

HEAD = """\
# Metrics

<!-- Made by `make docs` from the proxy's registry; do not edit. -->

On the admin port, `/metrics`, as Prometheus's text or as OpenMetrics. The label `table` has the names of the
schema cache, 200 at most, then `other`; no label has a path, a shape, a role or an id. Counters exist as
0 from the start, so that the first increase is seen. A histogram `NAME` has the series `NAME_bucket`,
`NAME_sum` and `NAME_count`. Beside these, the metrics `process_*` tell of processor, memory and files.

| metric | type | labels | | where it is used |
|---|---|---|---|---|
"""


def render(dashboards: Mapping[str, str]) -> str:
    """The page, given the text of every dashboard by the name of its file."""
    uses = [*_dashboard_uses(dashboards), *_rule_uses()]
    rows = []
    for metric in _list_metrics():
        name = f"{metric._name}_total" if isinstance(metric, Counter) else metric._name
        named = re.compile(rf"(?<!\w){name}(?:_bucket|_sum|_count)?(?![\w:])")
        used = dict.fromkeys(where for where, text in uses if named.search(text))
        where = ", ".join(used) or ("for debugging" if name in DEBUGGING else "")
        labels = ", ".join(f"`{label}`" for label in metric._labelnames)
        rows.append(f"| `{name}` | {metric._type} | {labels} | {metric._documentation} | {where} |\n")
    return HEAD + "".join(sorted(rows))


def _list_metrics() -> Iterator[Counter | Gauge | Histogram]:
    """The metrics themselves: what their labels are is not on a page on which they have no values yet."""
    for family in vars(Families(CollectorRegistry())).values():
        if isinstance(family, Counter | Gauge | Histogram):
            yield family


def _dashboard_uses(dashboards: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, text in dashboards.items():
        content = json.loads(text)
        title = Path(name).stem.capitalize()
        yield f"*{title}*", json.dumps([content["panels"], content["annotations"]])


def _rule_uses() -> Iterable[tuple[str, str]]:
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                name = rule["alert"]
                yield f"[{name}](runbook.md#{name.lower()})", rule["expr"]

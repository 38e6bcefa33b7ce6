"""Which metrics expressions name, and which the proxy exports."""

import re
from collections.abc import Iterable

from prometheus_client.parser import text_string_to_metric_families

_METRIC = re.compile(r"(?<![\w:])(?:understudy|process)_\w+(?![\w:])")
_RECORDED = re.compile(r"(?<![\w:])\w+(?::\w+)+")
_OF_HISTOGRAM = ("_bucket", "_sum", "_count")


def named_metrics(expression: str) -> set[str]:
    """The metrics that ``expression`` names, those of the proxy."""
    return set(_METRIC.findall(expression))


def named_records(expression: str) -> set[str]:
    """The recording rules that ``expression`` names."""
    return set(_RECORDED.findall(expression))


def exported_metrics(page: str) -> dict[str, set[str]]:
    """The metrics of a metrics page: each by the name that one would call it, with all names of its "
    "samples."""
    exported = {}
    for family in text_string_to_metric_families(page):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        suffixes = _OF_HISTOGRAM if family.type == "histogram" else ("",)
        exported[name] = {name + suffix for suffix in suffixes}
    return exported


def find_faults(named: Iterable[str], page: str, debugging: frozenset[str]) -> list[str]:
    """What is wrong between the metrics that are ``named`` and those on the metrics page, as sentences."""
    exported = exported_metrics(page)
    samples = {sample: name for name, found in exported.items() for sample in found}
    named = set(named)
    used = {samples[name] for name in named if name in samples}
    return [
        *(f"{name} is named and not exported" for name in sorted(named - samples.keys())),
        *(
            f"{name} is exported and neither used nor in DEBUGGING"
            for name in sorted(exported.keys() - used - debugging)
        ),
        *(f"{name} is in DEBUGGING and on a panel or in a rule" for name in sorted(debugging & used)),
        *(f"{name} is in DEBUGGING and not exported" for name in sorted(debugging - exported.keys())),
    ]

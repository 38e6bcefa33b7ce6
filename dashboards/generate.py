"""Write the dashboards and docs/metrics.md: ``python -m dashboards.generate``, which ``make docs`` runs."""

import json
from collections.abc import Mapping
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards import cutover, health, latency, mismatches, reference

ROOT = Path(__file__).parents[1]
DIRECTORY = ROOT / "dashboards" / "json"
METRICS = ROOT / "docs" / "metrics.md"
DASHBOARDS = {
    "cutover": cutover.make,
    "mismatches": mismatches.make,
    "latency": latency.make,
    "health": health.make,
}


def generate() -> Mapping[str, str]:
    """The text of every file in ``json``, by its name."""
    return {
        f"{name}.json": json.dumps(make(), cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False)
        + "\n"
        for name, make in DASHBOARDS.items()
    }


def main() -> None:
    """Write every file anew."""
    DIRECTORY.mkdir(exist_ok=True)
    made = generate()
    for name, text in made.items():
        DIRECTORY.joinpath(name).write_text(text, encoding="utf-8")
    METRICS.write_text(reference.render(made), encoding="utf-8")


if __name__ == "__main__":
    main()

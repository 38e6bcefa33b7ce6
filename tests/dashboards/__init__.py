"""Whether dashboards and rules are true.

expressions   every expression on a panel, in a variable, an annotation or a rule
metrics       which metrics they name, and which the proxy exports
prometheus    a real Prometheus to ask
stage         PostgreSQL, upstream, proxy and Prometheus, with the files of deploy/compose
__main__      ``make dashboards``: every expression finds data while the stage is played
"""

from pathlib import Path

ROOT = Path(__file__).parents[2]
JSON = ROOT / "dashboards" / "json"
RULES = ROOT / "dashboards" / "rules"
RULES_FILE = RULES / "understudy.rules.yml"
"""Recording rules and alerts."""

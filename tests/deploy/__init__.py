"""What deploys the proxy: the chart, the compose file and the Dockerfile, as far as they can be judged here.

The tools come with ``understudy[deploy]``, which ``make manifests`` installs; a test whose tool is absent is
skipped and says so. What nobody can judge without a cluster or a container engine is named in docs/deploy.md.
"""

from pathlib import Path

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
HINT = "comes with understudy[deploy]; make manifests installs it"

"""What is played to fill the dashboards: the stage of deploy/compose, without containers.

Its schema, its configuration, its traffic and its Prometheus configuration are used as they are, but for
addresses and for how often Prometheus scrapes. The upstream is a real PostgREST where there is one, else our
own engine; it is told to give few rows, so that the two sides disagree and mismatches are seen.
"""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import yaml

from proxy.embedded import EmbeddedError, EmbeddedPostgres, load_sql
from proxy.embedded.databases import find_psql
from tests.dashboards import ROOT, RULES_FILE
from tests.dashboards.prometheus import Prometheus
from tests.dashboards.prometheus import running as running_prometheus
from tests.e2e import programs
from tests.e2e.programs import Program
from tests.e2e.support import LOCALHOST

COMPOSE = ROOT / "deploy" / "compose"
FEW_ROWS = "7"
_PASSWORD = "authenticator"
_OPERATOR_SECRET = "operator-of-the-stage"


@dataclass(frozen=True, slots=True)
class Stage:
    """What is running."""

    proxy: Program
    upstream: Program
    prometheus: Prometheus
    configuration: Path

    def configure(self, text: str) -> None:
        """Change the proxy's configuration file."""
        self.configuration.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def set_stage(prometheus: str, directory: Path) -> Iterator[Stage]:
    """Start everything, Prometheus with the program ``prometheus``; on leaving, stop it again."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(EmbeddedPostgres())
        database = asyncio.run(_make_database(server))
        compose = yaml.safe_load((COMPOSE / "compose.yaml").read_text(encoding="utf-8"))
        given = compose["services"]["postgrest"]["environment"]
        settings = {
            "PGRST_DB_URI": database,
            **{name: given[name] for name in ("PGRST_DB_SCHEMAS", "PGRST_DB_ANON_ROLE")},
        }
        upstream = stack.enter_context(
            programs.postgrest(
                programs.find_postgrest(), directory, {**settings, "PGRST_DB_MAX_ROWS": FEW_ROWS}
            )
        )
        configuration = directory / "understudy.yaml"
        configuration.write_text(adapt_configuration(upstream.url), encoding="utf-8")
        proxy = stack.enter_context(
            programs.serving(
                configuration,
                directory,
                {**settings, "OPERATOR_SECRET": _OPERATOR_SECRET},
                operator=f"operator:{_OPERATOR_SECRET}",
            )
        )
        scraping = directory / "prometheus.yml"
        scraping.write_text(_adapt_scraping(proxy.admin_port), encoding="utf-8")
        data = directory / "prometheus"
        data.mkdir()
        asked = stack.enter_context(running_prometheus(prometheus, scraping, data))
        yield Stage(proxy, upstream, asked, configuration)


@contextlib.contextmanager
def traffic(url: str, directory: Path, rate: int) -> Iterator[None]:
    """The traffic of the stage, ``rate`` reads a second, while the block lasts."""
    with (directory / "traffic.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(COMPOSE / "traffic" / "traffic.py"), url, "--rate", str(rate)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    with process:
        try:
            yield
        finally:
            process.terminate()


def find_prometheus() -> str | None:
    """The program, if it is installed."""
    return shutil.which("prometheus")


def adapt_configuration(upstream: str) -> str:
    """The stage's understudy.yaml, on free ports of this machine."""
    text = (COMPOSE / "understudy" / "understudy.yaml").read_text(encoding="utf-8")
    for there, here in (
        ("0.0.0.0:3000", f"{LOCALHOST}:0"),
        ("0.0.0.0:3001", f"{LOCALHOST}:0"),
        ("http://postgrest:3000", upstream),
    ):
        if there not in text:
            raise ValueError(f"{there} is no longer in the stage's configuration")
        text = text.replace(there, here)
    return text


def _adapt_scraping(admin_port: int) -> str:
    configuration = yaml.safe_load((COMPOSE / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    configuration["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    configuration["rule_files"] = [str(RULES_FILE)]
    (job,) = configuration["scrape_configs"]
    job["static_configs"] = [{"targets": [f"{LOCALHOST}:{admin_port}"]}]
    return yaml.safe_dump(configuration)


async def _make_database(server: EmbeddedPostgres) -> str:
    """The stage's database, as its scripts make it; gives the address for the role that logs in."""
    url = await server.create_database("depot")
    await load_sql(url, sorted((COMPOSE / "postgres").glob("*.sql")))
    parts, psql = urlsplit(url), find_psql()
    if psql is None:
        raise EmbeddedError("no psql, which the scripts of deploy/compose/postgres need")
    for script in sorted((COMPOSE / "postgres").glob("*.sh")):
        environment = {
            "PATH": f"{Path(psql).parent}:{os.environ['PATH']}",
            "PGHOST": str(parts.hostname),
            "PGPORT": str(parts.port),
            "POSTGRES_USER": str(parts.username),
            "POSTGRES_DB": "depot",
            "AUTHENTICATOR_PASSWORD": _PASSWORD,
        }
        await asyncio.to_thread(
            subprocess.run, [script], env=environment, check=True, stdout=subprocess.DEVNULL
        )
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"authenticator:{_PASSWORD}@{host}"))

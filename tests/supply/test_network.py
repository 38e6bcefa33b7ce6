"""At run time nothing on the network is turned to but what is configured."""

import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

import requests

from tests.e2e.programs import postgrest, serving, standing_in
from tests.support.conformance import TAPES, variant_options
from tests.support.database import ConformanceDatabase

_LINE = re.compile(r"socket\.\w+ \(b?'(?P<host>[^']*)', (?P<port>None|\d+|'\d+'|b'\d+')")


def turned_to(file: Path) -> set[tuple[str, int]]:
    """The addresses in what ``tests.supply.watched`` wrote; without a port the name alone was looked up."""
    text = file.read_text(encoding="utf-8")
    found = [_LINE.match(line) for line in text.splitlines()]
    assert None not in found, text
    return {
        (match["host"], int(re.sub(r"\D", "", match["port"]) or 0)) for match in found if match is not None
    }


def watched(file: Path) -> tuple[str, ...]:
    return (sys.executable, "-m", "tests.supply.watched", str(file))


def test_the_proxy_turns_to_upstream_and_database_and_nobody_else(
    tmp_path: Path, conformance_database: ConformanceDatabase
) -> None:
    with standing_in(str(TAPES / "postgrest-14.17"), tmp_path) as upstream:
        text = f"""
listen: 127.0.0.1:0
admin: 127.0.0.1:0
ledger: sqlite:///{tmp_path / "ledger.db"}
upstream: {{url: "{upstream.url}"}}
engine: {{db-uri: "{conformance_database.login_url()}", db-schemas: dlm, db-anon-role: dlm_anon}}
defaults: {{reads: shadow}}
tables: {{lone: {{reads: engine}}}}
"""
        config, told = tmp_path / "understudy.yaml", tmp_path / "addresses"
        config.write_text(text, encoding="utf-8")
        with serving(config, tmp_path, {}, watched(told)) as running:
            assert requests.get(f"{running.url}/lone?select=label", timeout=60).json() == [
                {"label": "only row"}
            ]
            requests.get(f"{running.url}/storage?limit=1", timeout=60)
            requests.get(f"{running.admin_url}/metrics", timeout=60)
            assert running.terminate() == 0
        own = {("127.0.0.1", 0)}
        database = urlsplit(conformance_database.url)
        expected = {(database.hostname or "", database.port or 5432), ("127.0.0.1", upstream.port)}
        assert turned_to(told) - own == expected


def test_the_engine_alone_turns_to_its_database_and_nobody_else(
    tmp_path: Path, conformance_database: ConformanceDatabase
) -> None:
    told = tmp_path / "addresses"
    settings = {**variant_options(), "PGRST_DB_URI": conformance_database.login_url()}
    with postgrest((*watched(told), "engine"), tmp_path, settings) as running:
        assert requests.get(f"{running.url}/lone?select=label", timeout=60).status_code == 200
    database = urlsplit(conformance_database.url)
    here = {("127.0.0.1", port) for port in (0, running.port, running.admin_port)}
    assert turned_to(told) - here == {(database.hostname or "", database.port or 5432)}

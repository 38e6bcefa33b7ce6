"""Secrets are put wherever a client can put them, and then looked for in all that is written or shown."""

import time
from pathlib import Path
from urllib.parse import quote

import jwt
import requests

from tests.e2e.programs import serving, standing_in
from tests.support.conformance import TAPES
from tests.support.database import ConformanceDatabase

SECRET = "zqcanary-secret-of-more-than-thirty-two-bytes-for-tokens"
COLUMN = "zqcanary-value-of-a-hidden-column"
PASSWORD = "zqcanary-password"
COOKIE = "zqcanary-cookie"
KEY = "zqcanary-api-key"
PAGES = ("/metrics", "/status", "/evidence", "/mismatches", "/holds", "/ready", "/live")


def ask(url: str, token: str) -> None:
    """Reads that are answered and reads that fail, with a secret in each place."""
    headers = {
        "Authorization": f"Bearer {token}",
        "Cookie": f"session={COOKIE}",
        "apikey": KEY,
        "X-Api-Key": KEY,
        "Proxy-Authorization": f"Basic {PASSWORD}",
    }
    hidden = quote(COLUMN)
    targets = [
        *("/lone?select=label", f"/lone?label=eq.{hidden}", f"/lone?or=(label.eq.{hidden},id.eq.1)"),
        *(f"/lone?label=in.({hidden})", f"/lone?label=fts(zq.{hidden}", f"/lone?password=eq.{PASSWORD}"),
        *(f"/lone?apikey={KEY}", f"/lone?access_token={token}", f"/nothing?token={token}"),
        *("/storage?limit=1", f"/rpc/greet?password={PASSWORD}", f"/lone?id=eq.{token}"),
    ]
    for target in targets:
        for given in (headers, {**headers, "Authorization": f"Bearer {token}x"}):
            requests.get(url + target, headers=given, timeout=60)
    body = {"label": COLUMN, "password": PASSWORD, "id": token}
    for method in ("POST", "PATCH", "DELETE"):
        requests.request(method, f"{url}/lone?label=eq.{hidden}", json=body, headers=headers, timeout=60)
    requests.get(f"{url}/lone", headers={"Authorization": f"Basic {PASSWORD}"}, timeout=60)


def test_no_secret_is_in_what_is_written_or_shown(
    tmp_path: Path, conformance_database: ConformanceDatabase
) -> None:
    token = jwt.encode({"role": "dlm_reader", "email": COLUMN}, SECRET, algorithm="HS256")
    ledger = tmp_path / "ledger.db"
    text = f"""
listen: 127.0.0.1:0
admin: 127.0.0.1:0
ledger: sqlite:///{ledger}
redact: {{columns: [lone.label]}}
defaults: {{reads: shadow, writes: rehearse}}
engine:
  db-uri: "{conformance_database.login_url()}"
  db-schemas: dlm
  db-anon-role: dlm_anon
  jwt-secret: {SECRET}
"""
    with standing_in(str(TAPES / "postgrest-14.17"), tmp_path) as upstream:
        config = tmp_path / "understudy.yaml"
        config.write_text(f"{text}upstream: {{url: '{upstream.url}'}}\n", encoding="utf-8")
        with serving(config, tmp_path, {}) as running:
            ask(running.url, token)
            ends = time.monotonic() + 60
            while requests.get(f"{running.admin_url}/evidence", timeout=60).json() == []:
                assert time.monotonic() < ends, "nothing was kept"
                time.sleep(0.2)
            shown = {page: requests.get(running.admin_url + page, timeout=60).text for page in PAGES}
            running.terminate()
            shown["log"] = running.log.read_text(encoding="utf-8")
    for file in tmp_path.glob("ledger.db*"):
        shown[file.name] = file.read_bytes().decode("latin-1")
    assert len(shown["ledger.db"]) > 10_000
    assert "lone" in shown["/status"]
    for where, found in shown.items():
        for secret in (
            SECRET,
            COLUMN,
            PASSWORD,
            COOKIE,
            KEY,
            token,
            token.split(".")[1],
            token.split(".")[2],
        ):
            at = found.find(secret)
            assert at < 0, (where, secret, found[max(0, at - 300) : at + 200])

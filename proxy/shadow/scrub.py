"""Take secrets out of text that is about to be shown: the last net, not the first."""

import re

HIDDEN = "***"

CREDENTIALS = re.compile(r"(?<=://)[^\s/@]*+@")
PASSWORD = re.compile(
    r"\b((?:pass(?:word|wd)?|pwd|secret|token|api[-_]?key)\b\"?\s*[=:]\s*)(?:\"[^\"]*\"|'[^']*'|[^\s,;&]+)",
    re.I,
)
AUTHORIZATION = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]+", re.I)
JSON_WEB_TOKEN = re.compile(r"\beyJ[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*){1,4}")


def scrub(text: str) -> str:
    """``text`` without credentials of URLs, passwords, authorization values and tokens (promise 10)."""
    text = CREDENTIALS.sub(f"{HIDDEN}@", text)
    text = AUTHORIZATION.sub(rf"\1 {HIDDEN}", text)
    text = JSON_WEB_TOKEN.sub(HIDDEN, text)
    return PASSWORD.sub(rf"\1{HIDDEN}", text)
